#include <sluice/pcie/atc.hpp>

#include <sluice/base/check.hpp>

#include <algorithm>

namespace sluice::pcie {

using platform::SpinGuard;

namespace {
constexpr std::uint64_t low_bits(unsigned log2) { return log2 >= 64 ? ~0ULL : (1ULL << log2) - 1; }
} // namespace

Atc::Atc(platform::Sync& sync, std::size_t entries) : sync_{sync}, entries_(entries) {
  base::check(entries != 0 && entries <= most_entries);
}

std::optional<std::uint64_t> Atc::find(const Wanted& w) {
  const SpinGuard guard{sync_, lock_};
  for (const Entry& e : entries_) {
    if (e.covers(w) && (w.write ? e.write : w.execute ? e.execute : e.read)) {
      ++count_.hits;
      return e.to | (w.address & low_bits(e.log2));
    }
  }
  ++count_.misses;
  return std::nullopt;
}

std::uint64_t Atc::generation() const {
  const SpinGuard guard{sync_, lock_};
  return generation_;
}

void Atc::insert(const Wanted& asked, const model::TranslationCompletion& c, std::uint64_t generation) {
  if (!c.succeeded() || (!c.read && !c.write) || c.untranslated_only) {
    return;
  }
  const SpinGuard guard{sync_, lock_};
  if (generation != generation_) {
    ++count_.too_late;
    return;
  }
  // One translation for an address, else rights that were taken away would come back.
  for (Entry& e : entries_) {
    e.used = e.used && !e.covers(asked);
  }
  entries_[next_] = {.used = true,
                     .pasid = asked.pasid,
                     .privileged = asked.privileged,
                     .from = asked.address & ~low_bits(c.log2_size),
                     .to = c.address,
                     .log2 = c.log2_size,
                     .read = c.read,
                     .write = c.write,
                     .execute = c.execute};
  next_ = (next_ + 1) % entries_.size();
  ++count_.inserted;
}

// 10.3.8: those of the PASID, or without one those without; of every PASID with Global Invalidate.
bool Atc::names(const model::AtcInvalidation& i, const Entry& e) {
  const bool whose = i.substream_id ? e.pasid && (i.global || e.pasid == i.substream_id) : !e.pasid;
  const unsigned coarser = std::max(i.log2_size, e.log2);
  return whose && (coarser >= 64 || (i.address ^ e.from) >> coarser == 0);
}

void Atc::invalidate(const model::AtcInvalidation& invalidation) {
  const SpinGuard guard{sync_, lock_};
  ++generation_;
  for (Entry& e : entries_) {
    if (e.used && names(invalidation, e)) {
      e.used = false;
      ++count_.invalidated;
    }
  }
}

void Atc::clear() {
  const SpinGuard guard{sync_, lock_};
  ++generation_;
  std::ranges::fill(entries_, Entry{});
}

Atc::Counters Atc::counters() const {
  const SpinGuard guard{sync_, lock_};
  return count_;
}

} // namespace sluice::pcie
