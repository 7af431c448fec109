#include <sluice/differential/contest.hpp>

#include <sluice/base/check.hpp>
#include <sluice/model/presets.hpp>

#include <utility>

namespace sluice::differential {

namespace {

constexpr std::uint64_t progress_every = 64;
constexpr std::size_t most_last_words = 8;

// 5: the architecture leaves open what a reserved bit does, and QEMU looks at none.
model::Knobs knobs() {
  model::Knobs k;
  k.reserved_bits_illegal = false;
  return k;
}

void put(Ram& ram, const Case& c) {
  for (const auto& [at, value] : c.memory) {
    ram.put(at, value);
  }
}
void take_away(Ram& ram, const Case& c) {
  for (const auto& [at, value] : c.memory) {
    ram.put(at, 0);
  }
}
void fill_targets(Ram& ram) {
  for (unsigned n = 0; n < target_pages; ++n) {
    for (std::uint64_t at = target_page(n); at < target_page(n) + 0x1000; at += 8) {
      ram.put(at, at);
    }
  }
}

class Contest {
public:
  Contest(Rival& rival, const ContestOptions& options)
      : rival_{rival}, options_{options}, ram_{rival.ram()}, features_{features_of(options.version)}, ours_{features_,
                                                                                                            knobs(),
                                                                                                            ram_} {
    scope_.stage2 = features_.stage2;
    scope_.oas = features_.oas_bits;
    scope_.iova_bits = options.version == Version::qemu7 ? 48 : 64;
    scope_.stream_id = options.stream_id;
    fill_targets(ram_);
  }

  ContestReport run(const std::function<void(std::uint64_t)>& progress) {
    std::uint64_t done = 0;
    // All with linear stream tables first: QEMU 7.2 keeps to two levels once it has seen them.
    for (const bool two_level : {false, true}) {
      for (std::uint64_t n = two_level; n < options_.cases && goes_on(); n += 2) {
        if (options_.only == all_cases || n == options_.only) {
          one(generate(scope_, options_.seed, n, two_level));
        }
        if (progress && ++done % progress_every == 0) {
          progress(done);
        }
      }
    }
    return std::move(report_);
  }

private:
  bool goes_on() const { return report_.failure.empty() && report_.unexplained < options_.keep; }

  void one(const Case& c) {
    put(ram_, c);
    compare(c);
    take_away(ram_, c);
  }

  void compare(const Case& c) {
    const Overlay overlay = planted(c);
    const Answer answer = ours_.run(c, overlay);
    if (answer.strayed) {
      ++report_.left_out;
      return;
    }
    if (const Departure* d = fatal(options_.version, c)) {
      ++report_.fatal;
      auto& words = report_.last_words[d];
      if (words.size() < most_last_words) {
        words.push_back(c);
      }
      return;
    }
    const Seen theirs = rival_.run(c, answer.seen.landed);
    if (std::string why = rival_.failure(); !why.empty()) {
      report_.failure = "case " + std::to_string(c.number) + ": " + why;
      return;
    }
    if (theirs.landed) {
      const std::uint64_t at = *theirs.landed & ~7ULL;
      ram_.put(at, area::is_target(at) ? at : 0);
    }
    judge(c, overlay, answer, theirs);
  }

  void judge(const Case& c, const Overlay& overlay, const Answer& answer, const Seen& theirs) {
    Prediction p{answer.seen, false, {}};
    if (answer.seen != theirs) {
      p = predict(ours_, options_.version, features_, ram_, c, answer, overlay);
      if (p.unknowable) {
        ++report_.left_out;
        return;
      }
    }
    count(c, answer, theirs);
    if (p.seen != theirs) {
      ++report_.unexplained;
      report_.differences.push_back({c, answer, p.seen, theirs, p.used});
      return;
    }
    ++(p.used.empty() ? report_.same : report_.explained);
    for (const Departure* d : p.used) {
      ++report_.departures[d];
    }
  }

  void count(const Case& c, const Answer& answer, const Seen& theirs) {
    Tally& tally = report_.tally[static_cast<std::size_t>(c.mode)];
    ++report_.cases;
    ++tally.cases;
    tally.translated += answer.translated() && answer.seen == theirs ? 1 : 0;
    for (const auto& e : answer.seen.events) {
      ++tally.ours[e.get(arch::Event::Type)];
    }
    for (const auto& e : theirs.events) {
      ++tally.theirs[e.get(arch::Event::Type)];
    }
  }

  Overlay planted(const Case& c) const {
    const Path& path = c.path1.empty() ? c.path2 : c.path1;
    if (options_.plant == Plant::none || path.empty()) {
      return {};
    }
    if (options_.plant == Plant::permission) {
      return {{path.leaf(), ram_.get(path.leaf()) | 1ULL << 7}}; // AP[2], S2AP[1]
    }
    if (path.descriptors.size() < 2) {
      return {};
    }
    const std::uint64_t at = path.descriptors[path.descriptors.size() - 2];
    return {{at, ram_.get(at) & ~2ULL}};
  }

  Rival& rival_;
  const ContestOptions& options_;
  Ram& ram_;
  const model::Features features_;
  Ours ours_;
  Scope scope_;
  ContestReport report_;
};

} // namespace

model::Features features_of(Version version) {
  const auto f = model::preset(version == Version::qemu7 ? "qemu7" : "qemu11");
  base::check(f.has_value());
  return *f;
}

std::uint64_t ContestReport::raised(arch::EventType type) const {
  std::uint64_t sum = 0;
  for (const Tally& t : tally) {
    const auto found = t.theirs.find(type);
    sum += found == t.theirs.end() ? 0 : found->second;
  }
  return sum;
}

ContestReport contest(Rival& rival, const ContestOptions& options, const std::function<void(std::uint64_t)>& progress) {
  return Contest{rival, options}.run(progress);
}

bool ends(Rival& rival, const Case& c) {
  put(rival.ram(), c);
  rival.run(c, std::nullopt);
  take_away(rival.ram(), c);
  return !rival.failure().empty();
}

} // namespace sluice::differential
