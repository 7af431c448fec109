#pragma once

#include <cstdint>

// How a device is moved from one domain to another.
namespace sluice::iommu {

// What an attachment belongs to: all requests of the device without PASID, or those with one.
class Target {
public:
  constexpr Target() = default;
  static constexpr Target rid() { return {}; }
  static constexpr Target pasid(std::uint32_t value) { return Target{value}; }

  constexpr bool is_rid() const { return !has_pasid_; }
  constexpr std::uint32_t value() const { return pasid_; }
  friend constexpr bool operator==(const Target&, const Target&) = default;

private:
  constexpr explicit Target(std::uint32_t value) : has_pasid_{true}, pasid_{value} {}

  bool has_pasid_{};
  std::uint32_t pasid_{};
};

struct Options {
  bool require_hitless{}; // refuse with not_hitless, before anything is changed, what cannot be done without a gap
};

// Why a change was not hitless.
enum class Gap : std::uint8_t {
  none,
  no_indirection, // more than one word decides, and the table has no pointer through which to swing a copy
  split_fetch,    // more than one word decides, and the port does not promise that an entry comes from one place
  cached_below,   // what is cached of the tables behind the entry means something else under the new one
};

struct Change {
  bool hitless{true}; // each transaction saw the old or the new configuration
  Gap gap{Gap::none};
  bool confirmed{true};   // false: a wait ran out. The change is complete in memory and the device is quarantined
  std::uint32_t stores{}; // to entries that the hardware could read
  std::uint32_t commands{};
  std::uint32_t syncs{};

  constexpr Change& operator+=(const Change& other) {
    hitless = hitless && other.hitless;
    gap = gap == Gap::none ? other.gap : gap;
    confirmed = confirmed && other.confirmed;
    stores += other.stores;
    commands += other.commands;
    syncs += other.syncs;
    return *this;
  }
};

} // namespace sluice::iommu
