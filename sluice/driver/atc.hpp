#pragma once

#include <sluice/driver/audience.hpp>
#include <sluice/driver/command_queue.hpp>
#include <sluice/iommu/change.hpp>
#include <sluice/pagetable/gather.hpp>

#include <array>

// What endpoints have cached of translations, and how it goes. 4.5.1
namespace sluice::driver {

class SmmuDevice;

// 4096 * 2^size bytes around `address`: the smallest such span with all of a range in it.
struct AtcSpan {
  std::uint64_t address{};
  unsigned size{};

  friend constexpr bool operator==(const AtcSpan&, const AtcSpan&) = default;
};
inline constexpr AtcSpan atc_everything{0, 52};
// Size 0: everything.
AtcSpan atc_span(std::uint64_t address, std::uint64_t size);

// CMD_ATC_INVs, after the CMD_SYNC of what made them due: an endpoint may ask again at once. A CMD_SYNC that ran out of
// time for one does not say for which (4.7.3), so that each group has one of its own and is then tried one by one.
class AtcBatch {
public:
  explicit AtcBatch(CommandQueue& queue) : queue_{queue} {}
  AtcBatch(const AtcBatch&) = delete;
  AtcBatch& operator=(const AtcBatch&) = delete;

  // For all StreamIDs of the listener, and for its target.
  void add(const Listener& listener, const AtcSpan& span);
  // For all targets of the device.
  void add_all(SmmuDevice& device);
  // Endpoints that do not answer are marked as failed. Errors: atc_timed_out (some did not), timed_out, smmu_failed.
  base::Status finish(iommu::Change& change);

private:
  static constexpr std::size_t capacity = 30;

  void add(const arch::Command& command, SmmuDevice* device);
  void flush();
  void find_deaf();
  void note(base::Status status) { status_ = status_.ok() ? status : status_; }

  CommandQueue& queue_;
  std::array<arch::Command, capacity> commands_{};
  std::array<SmmuDevice*, capacity> devices_{};
  std::size_t count_{};
  std::uint32_t sent_{}, syncs_{};
  base::Status status_{};
};

// Tells all of the audience whose endpoints cache translations that those in the ranges are gone; in a read section.
// Who hears of a guest's memory does not know the addresses that the guest gave it, and loses everything.
base::Status tell_atcs(CommandQueue& queue, const Audience& audience, std::span<const pagetable::Gather::Range> ranges);

} // namespace sluice::driver
