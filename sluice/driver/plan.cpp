#include <sluice/driver/plan.hpp>

namespace sluice::driver {

namespace {

constexpr unsigned words = 8;

class Builder {
public:
  explicit Builder(const EntryWords& now) : memory_{now} {}

  // Words that do not change are not stored.
  void store(unsigned word, std::uint64_t value) {
    if (memory_[word] != value) {
      memory_[word] = value;
      add({Step::Kind::store, static_cast<std::uint8_t>(word), {value, 0}});
      stale_ = true;
    }
  }
  void store128(unsigned word, std::uint64_t low, std::uint64_t high) {
    memory_[word] = low;
    memory_[word + 1] = high;
    add({Step::Kind::store128, static_cast<std::uint8_t>(word), {low, high}});
    stale_ = true;
  }
  void swing() { add({Step::Kind::swing, 0, {}}); }
  // Makes what was stored the only thing that the SMMU knows.
  void invalidate() {
    if (stale_) {
      add({Step::Kind::invalidate, 0, {}});
      stale_ = false;
    }
  }
  Plan finish(Way way, iommu::Gap gap = iommu::Gap::none) {
    plan_.way = way;
    plan_.gap = gap;
    return plan_;
  }

private:
  void add(const Step& step) {
    base::check(plan_.count < Plan::capacity);
    plan_.steps[plan_.count++] = step;
  }

  EntryWords memory_;
  bool stale_{};
  Plan plan_;
};

// Which words decide: those that have to change in bits that both old and new meaning depend on. All other bits of
// `next` can be there beforehand, as `preset` says.
struct Difference {
  EntryWords preset{};
  std::array<std::uint8_t, words> deciding{};
  unsigned count{};
  bool any{};
};

Difference compare(const EntryWords& now, const EntryWords& next, const EntryWords& used_now,
                   const EntryWords& used_next, const EntryWords& exempt) {
  Difference d;
  for (unsigned i = 0; i < words; ++i) {
    const std::uint64_t fixed = used_now[i] & ~exempt[i];
    d.preset[i] = (now[i] & fixed) | (next[i] & ~fixed);
    d.any = d.any || now[i] != next[i];
    if (((d.preset[i] ^ next[i]) & used_next[i]) != 0) {
      d.deciding[d.count++] = static_cast<std::uint8_t>(i);
    }
  }
  return d;
}

// 3.21.3.1: make invalid, change, make valid; each known before the next.
Plan disruptive(const EntryWords& now, const EntryWords& next, iommu::Gap gap) {
  Builder b{now};
  b.store(0, 0); // V is in word 0 of STE and CD
  b.invalidate();
  for (unsigned i = 1; i < words; ++i) {
    b.store(i, next[i]);
  }
  b.invalidate();
  b.store(0, next[0]);
  b.invalidate();
  return b.finish(Way::disruptive, gap);
}

} // namespace

// The presets are known everywhere before the deciding word is stored, so that this word alone makes the difference
// between the old meaning and the new one, whatever else has been cached. What is left over afterwards is in bits that
// the new meaning ignores; it goes too, lest a later change should meet it in a cache.
Plan plan(const EntryWords& now, const EntryWords& next, const EntryWords& used_now, const EntryWords& used_next,
          const PlanFacts& facts) {
  Builder b{now};
  const Difference d = compare(now, next, used_now, used_next, facts.exempt);
  if (!d.any) {
    return b.finish(Way::nothing);
  }
  if (facts.cached_below) {
    return disruptive(now, next, iommu::Gap::cached_below);
  }
  const bool pair = d.count == 2 && d.deciding[0] % 2 == 0 && d.deciding[1] == d.deciding[0] + 1;
  if (d.count > 1 && !(pair && facts.atomic128)) {
    if (!facts.swing || !facts.entry_from_place) {
      return disruptive(now, next, facts.swing ? iommu::Gap::split_fetch : iommu::Gap::no_indirection);
    }
    b.swing();
    return b.finish(Way::swing);
  }
  const auto decides = [&](unsigned word) {
    return (d.count > 0 && d.deciding[0] == word) || (d.count > 1 && d.deciding[1] == word);
  };
  for (unsigned i = 0; i < words; ++i) {
    if (!decides(i)) {
      b.store(i, d.preset[i]);
    }
  }
  b.invalidate();
  if (d.count == 2) {
    b.store128(d.deciding[0], next[d.deciding[0]], next[d.deciding[1]]);
  } else if (d.count == 1) {
    b.store(d.deciding[0], next[d.deciding[0]]);
  }
  b.invalidate();
  for (unsigned i = 0; i < words; ++i) {
    b.store(i, next[i]);
  }
  b.invalidate();
  return b.finish(d.count == 2 ? Way::store128 : Way::in_place);
}

} // namespace sluice::driver
