#pragma once

#include <sluice/model/ats.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::pcie {

// An Address Translation Cache, PCI Express Base Specification 10.1.1, for several threads. Translations are told apart
// by PASID and privilege as well; of too many, the oldest goes.
class Atc {
public:
  static constexpr std::size_t most_entries = 4096;

  // From 1 to `most_entries`.
  Atc(platform::Sync& sync, std::size_t entries);

  struct Wanted {
    std::optional<std::uint32_t> pasid{};
    std::uint64_t address{};
    bool write{};
    bool execute{};
    bool privileged{};
  };
  // Where it leads, if that is known and permitted.
  std::optional<std::uint64_t> find(const Wanted& wanted);

  // How many invalidations there have been; to be read before a translation is asked for.
  std::uint64_t generation() const;
  // What came of asking. Nothing is kept of a translation that may be older than the latest invalidation, or that must
  // not be kept; whoever asked may use it all the same, in the same access.
  void insert(const Wanted& asked, const model::TranslationCompletion& completion, std::uint64_t generation);

  void invalidate(const model::AtcInvalidation& invalidation);
  void clear();

  struct Counters {
    std::uint64_t hits{}, misses{}, inserted{}, invalidated{}, too_late{}; // too late: an invalidation came between
  };
  Counters counters() const;

private:
  struct Entry {
    bool used{};
    std::optional<std::uint32_t> pasid{};
    bool privileged{};
    std::uint64_t from{}, to{};
    std::uint8_t log2{};
    bool read{}, write{}, execute{};

    bool covers(const Wanted& w) const {
      return used && pasid == w.pasid && privileged == w.privileged && (from ^ w.address) >> log2 == 0;
    }
  };
  static bool names(const model::AtcInvalidation& invalidation, const Entry& entry);

  platform::Sync& sync_;
  mutable platform::SpinLock lock_;
  std::vector<Entry> entries_;
  std::size_t next_{0};
  std::uint64_t generation_{0};
  Counters count_;
};

} // namespace sluice::pcie
