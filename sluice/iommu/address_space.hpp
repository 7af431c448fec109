#pragma once

#include <sluice/base/result.hpp>

#include <cstdint>

// A processor's own page table, which devices walk too (shared virtual addressing). Who manages it implements
// AddressSpace; a domain of an IOMMU is told of what changes there.
namespace sluice::iommu {

// What has to be said of a table so that others can walk it: VMSAv8-64, TTBR0.
struct TableFormat {
  std::uint64_t root{};     // address of the first table
  unsigned input_bits{};    // 64 - T0SZ
  unsigned output_bits{};   // IPS
  unsigned granule_bits{};  // 12, 14 or 16
  std::uint64_t mair{};     // MAIR_EL1
  bool access_flag_by_hw{}; // HA
  bool dirty_by_hw{};       // HD
};

// One domain that stands on an address space. Calls of one kind and of the other may run at the same time, in any
// thread; none is made in a read section.
class AddressSpaceUser {
public:
  // The table has changed and no longer says what it said of [address, address + size); of tables, too. Size 0: of
  // everything. When it returns ok no device uses what was there. Errors: timed_out, atc_timed_out, smmu_failed (what
  // was there must not be reused).
  virtual base::Status changed(std::uint64_t address, std::uint64_t size) = 0;
  // The table ceases to be. When it returns ok no device walks it any more. Once. Errors: as changed().
  virtual base::Status ended() = 0;
  // No call is running and none will come: after unsubscribe(). Once.
  virtual void unsubscribed() = 0;

protected:
  ~AddressSpaceUser() = default;
};

class AddressSpace {
public:
  // Until it has ended.
  virtual TableFormat format() const = 0;
  // The ASID by which processors tag what they cache of the table and by which they name it when they tell each other
  // to forget. It is this address space's alone while anybody is subscribed. 0: it has none that stays. Whoever gives
  // one calls AddressSpaceUser::changed() when such messages and their completion (DVM) have done their part.
  virtual std::uint16_t asid() const { return 0; }
  // From now on the user is told. Errors: not_found (it has ended), no_memory.
  virtual base::Status subscribe(AddressSpaceUser& user) = 0;
  // No further call begins, but for unsubscribed(), which comes when those that run have returned: from here or from
  // their threads. Never waits.
  virtual void unsubscribe(AddressSpaceUser& user) = 0;

protected:
  ~AddressSpace() = default;
};

} // namespace sluice::iommu
