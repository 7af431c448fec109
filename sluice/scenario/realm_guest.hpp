#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/iommu/domain.hpp>
#include <sluice/iommu/virtual.hpp>
#include <sluice/pagetable/page_table.hpp>
#include <sluice/scenario/common.hpp>
#include <sluice/scenario/guest_pages.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace sluice::scenario {

// A guest of a long run: its memory, which a domain of stage 2 gives to devices, and its own stage 1 table in there, on
// which nested domains stand. It maps cells by both stages: IOVA to IPA, and IPA to memory.
class RealmGuest final : public iommu::EventSink {
public:
  // Throws hosted::SetupError, machine::DriverRefused. `ats`: it lets its devices cache its translations.
  RealmGuest(Common& common, bool ats);
  RealmGuest(const RealmGuest&) = delete;
  RealmGuest& operator=(const RealmGuest&) = delete;
  ~RealmGuest();

  // It has two STEs, which differ in CD and ASID and mean the same.
  iommu::Domain& ste(std::size_t which) const { return *stes_.at(which % 2); }
  // Its host puts its memory into a new domain, and takes it away. No device is attached or named then, and cells are
  // in no domain.
  void join();
  base::Status leave();
  // What the host has in its domain of a cell.
  base::Progress give(std::size_t cell, const platform::DmaBlock& block, bool writable);

  base::Progress map(std::size_t cell, const platform::DmaBlock& block, bool writable);
  // By the guest and by its host, whichever first: from then on no device reaches the cell.
  base::Progress unmap(std::size_t cell);

  // The guest has a name for a device while this is attached.
  base::Status name(iommu::Device& device, std::uint32_t stream) {
    return viommu_->vdevice_add(device, stream | name_bit);
  }
  base::Status forget(iommu::Device& device) { return viommu_->vdevice_remove(device); }

  void on_event(std::span<const std::byte> record) override;

private:
  static constexpr std::uint32_t name_bit = 0x4000;
  static constexpr std::uint64_t cells_ipa = 1ULL << 41; // above their IOVAs
  static constexpr std::size_t most_by_address = 32;     // pages, each told by a command

  std::uint64_t ipa(std::size_t cell) const { return cells_ipa + common_.iova(cell); }
  void write_cd(std::size_t which);
  base::Progress guest_unmap(std::size_t cell);
  base::Status invalidate(const pagetable::Gather& gather);
  base::Status execute(std::span<const arch::Command> commands);

  Common& common_;
  const bool ats_;
  GuestPages memory_;
  pagetable::OwnedPageTable table_;
  platform::DmaBlock cds_;
  iommu::Domain* parent_{};
  iommu::Viommu* viommu_{};
  std::array<iommu::Domain*, 2> stes_{};
  base::Atomic<std::uint32_t> turn_{0};
};

} // namespace sluice::scenario
