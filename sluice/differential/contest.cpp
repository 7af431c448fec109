#include <sluice/differential/contest.hpp>

#include <sluice/base/check.hpp>
#include <sluice/model/presets.hpp>

namespace sluice::differential {

namespace {

constexpr std::uint64_t progress_every = 256;

model::Features features_of(Version version) {
  const auto f = model::preset(version == Version::qemu7 ? "qemu7" : "qemu11");
  base::check(f.has_value());
  return *f;
}

// 5: the architecture leaves open what a reserved bit does, and QEMU looks at none.
model::Knobs knobs() {
  model::Knobs k;
  k.reserved_bits_illegal = false;
  return k;
}

class Contest {
public:
  Contest(Rival& rival, const ContestOptions& options)
      : rival_{rival}, options_{options}, ram_{rival.ram()}, features_{features_of(options.version)},
        ours_{features_, knobs(), ram_} {
    scope_.stage2 = features_.stage2;
    scope_.oas = features_.oas_bits;
    scope_.iova_bits = options.version == Version::qemu7 ? 48 : 64;
    scope_.stream_id = options.stream_id;
    report_.seed = options.seed;
    for (unsigned n = 0; n < target_pages; ++n) {
      for (std::uint64_t at = target_page(n); at < target_page(n) + 0x1000; at += 8) {
        ram_.put(at, at);
      }
    }
  }

  ContestReport run(const std::function<void(std::uint64_t)>& progress) {
    // All with linear stream tables first: QEMU 7.2 keeps to two levels once it has seen them.
    for (const bool two_level : {false, true}) {
      for (std::uint64_t n = two_level; n < options_.cases && report_.failure.empty(); n += 2) {
        if (options_.only == all_cases || n == options_.only) {
          one(generate(scope_, options_.seed, n, two_level));
        }
        if (progress && n / 2 % progress_every == 0) {
          progress(n / 2 + (two_level ? options_.cases / 2 : 0));
        }
      }
    }
    return std::move(report_);
  }

private:
  void one(const Case& c) {
    for (const auto& [at, value] : c.memory) {
      ram_.put(at, value);
    }
    compare(c);
    for (const auto& [at, value] : c.memory) {
      ram_.put(at, 0);
    }
  }

  void compare(const Case& c) {
    const Answer answer = ours_.run(c, planted(c));
    if (answer.strayed) {
      ++report_.left_out;
      return;
    }
    ++report_.cases;
    ++report_.flaws[c.flaw];
    if (const Departure* d = fatal(options_.version, c)) {
      ++report_.fatal;
      report_.last_words.try_emplace(d, c);
      return;
    }
    const Seen theirs = rival_.run(c, answer.seen.landed);
    report_.failure = rival_.failure();
    if (!report_.failure.empty()) {
      report_.failure = "case " + std::to_string(c.number) + ": " + report_.failure;
      report_.differences.push_back({c, answer, answer.seen, {}, {}});
      return;
    }
    if (theirs.landed) {
      ram_.put(*theirs.landed & ~7ULL, area::is_target(*theirs.landed) ? *theirs.landed & ~7ULL : 0);
    }
    judge(c, answer, theirs);
  }

  void judge(const Case& c, const Answer& answer, const Seen& theirs) {
    Tally& tally = report_.tally[static_cast<std::size_t>(c.mode)];
    ++tally.cases;
    tally.translated += answer.translated() && answer.seen == theirs;
    for (const auto& e : answer.seen.events) {
      ++tally.ours[e.get(arch::Event::Type)];
    }
    for (const auto& e : theirs.events) {
      ++tally.theirs[e.get(arch::Event::Type)];
    }
    if (answer.seen == theirs) {
      ++report_.same;
      return;
    }
    Prediction p = predict(ours_, options_.version, features_, ram_, c, answer);
    if (p.unknowable) {
      ++report_.left_out;
      return;
    }
    if (p.seen == theirs) {
      for (const Departure* d : p.used) {
        ++report_.departures[d];
      }
      return;
    }
    ++report_.unexplained;
    if (report_.differences.size() < options_.keep) {
      report_.differences.push_back({c, answer, p.seen, theirs, p.used});
    }
  }

  Overlay planted(const Case& c) const {
    const Path& path = c.path1.empty() ? c.path2 : c.path1;
    if (options_.plant == Plant::none || path.empty()) {
      return {};
    }
    if (options_.plant == Plant::permission) {
      return {{path.leaf(), ram_.get(path.leaf()) ^ 1ULL << 7}}; // AP[2], S2AP[1]
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

std::uint64_t ContestReport::raised(arch::EventType type) const {
  std::uint64_t sum = 0;
  for (const Tally& t : tally) {
    const auto found = t.theirs.find(type);
    sum += found == t.theirs.end() ? 0 : found->second;
  }
  return sum;
}

ContestReport contest(Rival& rival, const ContestOptions& options,
                      const std::function<void(std::uint64_t)>& progress) {
  return Contest{rival, options}.run(progress);
}

} // namespace sluice::differential
