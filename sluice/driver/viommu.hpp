#pragma once

#include <sluice/arch/event.hpp>
#include <sluice/driver/paging_domain.hpp>
#include <sluice/driver/vdevices.hpp>
#include <sluice/iommu/virtual.hpp>

namespace sluice::driver {

// What one guest has of an SMMU: the VMID of its memory, its names for devices, its commands and its events.
class Viommu final : public iommu::Viommu {
public:
  // `mutex` is the unit's. Errors: no_memory.
  static base::Result<iommu::Viommu*> make(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts,
                                           PagingDomain& parent);
  Viommu(iommu::Unit& unit, platform::Mutex& mutex, Parts& parts, PagingDomain& parent);
  ~Viommu() { parent_.drop(); }

  PagingDomain& parent() const { return parent_; }
  void hold() { nested_.fetch_add(1, base::Order::relaxed); }
  void drop() { nested_.fetch_sub(1, base::Order::release); }

  // Errors: invalid_argument (type or length), reserved_bits, no_memory.
  base::Result<iommu::Domain*> nested_alloc(std::uint32_t type, std::span<const std::byte> data) override;
  // Errors: other_smmu, invalid_argument (beyond 32 bits), already_exists (the device has a name, or another has this
  // one), unsupported (a device of several StreamIDs), no_memory.
  base::Status vdevice_add(iommu::Device& device, std::uint64_t virtual_id) override;
  // Errors: not_found.
  base::Status vdevice_remove(iommu::Device& device) override;
  // Errors: invalid_argument (type, length, no entry), trailing_data; then of the entry after the last executed one:
  // reserved_bits, and those of CommandQueue::submit.
  base::Status invalidate(iommu::InvalidateRequest& request) override;
  // Errors: unsupported (no such events). Not in a read section.
  base::Status set_event_sink(std::uint32_t type, iommu::EventSink* sink) override;
  base::Status destroy() override;

  // Hands on an event of a device that the guest knows as `vsid`; says whether it is the guest's and somebody takes it.
  // In a read section.
  bool take(const arch::Event& event, StreamID vsid);

  // One more event of a device of the guest's, whoever takes it. In a read section.
  void count(SmmuDevice& device);

  // Of EventShares, with the unit's mutex held but for the first, which says whether it was neither before.
  bool become_loud() { return loud_.exchange(1) == 0; }
  void cut_off();
  void hear_again();
  std::uint64_t cut_off_until() const { return until_ns_.load(base::Order::relaxed); }
  Viommu* next_loud{};
  Viommu* next_cut_off{};
  bool is_cut_off{}; // listed as such

private:
  // Errors: reserved_bits.
  base::Result<arch::Command> translate(const arch::Command& command);

  iommu::Unit& unit_;
  platform::Mutex& mutex_;
  Parts& parts_;
  PagingDomain& parent_;
  Vdevices vdevices_;
  base::Atomic<std::uint32_t> nested_{0}; // domains
  base::Atomic<iommu::EventSink*> sink_{nullptr};
  EventShare share_;
  base::Atomic<std::uint32_t> loud_{0};
  base::Atomic<std::uint64_t> until_ns_{0};
};

} // namespace sluice::driver
