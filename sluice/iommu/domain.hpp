#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/base/result.hpp>
#include <sluice/iommu/dirty.hpp>
#include <sluice/iommu/fault.hpp>
#include <sluice/iommu/mapping.hpp>
#include <sluice/iommu/page_request.hpp>

#include <cstdint>

namespace sluice::iommu {

class Unit;

enum class DomainType : std::uint8_t {
  identity, // addresses pass unchanged
  blocked,  // everything is refused
  paging,   // map and unmap
  sva,      // a process's address space
  nested,   // a guest's first stage on a paging domain
};

// Of an unmap whose invalidation is put off. The pages of the `done` bytes may be reused, and their IOVAs mapped again,
// when Domain::flushed() has come to `mark`.
struct DeferredUnmap {
  base::Progress progress{};
  std::uint64_t mark{}; // 0: at once
};

// What devices can be attached to: one meaning of addresses. Belongs to one Unit.
class Domain {
public:
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;

  DomainType type() const { return type_; }
  Unit& unit() const { return unit_; }
  const Geometry& geometry() const { return geometry_; }
  // Attachments, nested domains and holders.
  std::uint32_t users() const { return users_.load(base::Order::relaxed); }

  // Maps [iova, iova + size) to [pa, pa + size). `done` bytes are mapped, also when it stops half-way. Any thread.
  // Errors: unsupported (not a paging domain), unaligned, invalid_argument (size 0), overflow, input_range,
  // output_range, no_permission, already_mapped, no_memory.
  virtual base::Progress map(std::uint64_t, std::uint64_t, std::uint64_t, Prot) { return {0, base::Errc::unsupported}; }
  // When it returns no device can reach the `done` bytes, unless the error is timed_out, atc_timed_out or smmu_failed:
  // then they are gone from the tables, and their pages must not be reused. Any thread; waits for the hardware, but
  // takes no mutex. A larger page that is only partly in the range becomes smaller ones before, and nobody notices,
  // where the IOMMU permits that (else: would_split) and there is memory for it (else: no_memory). Errors: unsupported,
  // unaligned, invalid_argument, overflow, input_range, would_split, no_memory, not_mapped, timed_out, atc_timed_out (a
  // device did not answer, and is quarantined), smmu_failed.
  virtual base::Progress unmap(std::uint64_t, std::uint64_t) { return {0, base::Errc::unsupported}; }
  // Takes out of the tables only, and leaves the rest to flush_unmaps(), which one of many calls makes by itself: until
  // then devices may reach the pages. Errors as unmap's.
  virtual DeferredUnmap unmap_deferred(std::uint64_t, std::uint64_t) { return {{0, base::Errc::unsupported}, 0}; }
  // When it returns without error no device can reach what was unmapped before the call. Any thread. Errors: timed_out,
  // smmu_failed: the pages of all of it must not be reused.
  virtual base::Status flush_unmaps() { return {}; }
  virtual std::uint64_t flushed() const { return 0; }
  // Makes larger pages of smaller ones that go on as one would, as far as it can under traffic and without waiting for
  // who else changes them. Any thread, but not in a read section. Errors: unsupported, timed_out, smmu_failed.
  virtual base::Status merge_pages() { return base::Errc::unsupported; }

  // Of a domain made with PagingOptions::dirty. On: all is clean when it returns. Changes no entry and holds up no
  // traffic. Not in a read section. Errors: unsupported, no_memory, timed_out, smmu_failed.
  virtual base::Status set_dirty_tracking(bool /*on*/) { return base::Errc::unsupported; }
  // Tells the sink of all memory in the range that was written through the domain since tracking began or it was last
  // cleared, in whole pages or blocks; of a block that is only in part in the range that part, and it stays dirty. What
  // is written when it has returned is told the next time. Errors: unsupported, busy (tracking is off),
  // invalid_argument, unaligned, overflow, input_range; timed_out, smmu_failed (all has been told, but writes from now
  // on may not be).
  virtual base::Progress read_dirty(std::uint64_t, std::uint64_t, Clear, DirtySink&) {
    return {0, base::Errc::unsupported};
  }

  // Errors: input_range, not_mapped (everything, in a blocked domain).
  virtual base::Result<std::uint64_t> iova_to_phys(std::uint64_t) { return base::Errc::unsupported; }

  // Faults of attached devices. Null: none wanted. When it returns the handler before is not running and will not be
  // called again. Not in a read section.
  void set_fault_handler(FaultHandler* handler);
  // Hands a fault to the handler, if there is one. In a read section.
  bool report(const Fault& fault) const;

  // Page requests of attached devices, if the domain was made for them. Null: they are answered with `invalid`. When it
  // returns the handler before is not running and will not be called again, and what it has left without an answer has
  // been answered with `failed`, and groups of PCIe functions with `invalid`. Errors: unsupported. Not in a read
  // section.
  base::Status set_page_request_handler(PageRequestHandler* handler);
  bool takes_page_requests() const { return requests_.load(base::Order::acquire) != nullptr; }
  // Hands a group to the handler, if there is one. In a read section.
  bool deliver(const PageRequestGroup& group) const;
  // Whether devices that can will wait for its handler.
  bool serves_page_requests() const { return serves_; }

  // Keeps the domain from being destroyed.
  void hold() { users_.fetch_add(1, base::Order::relaxed); }
  void drop() { users_.fetch_sub(1, base::Order::release); }

  // Frees the domain. Not in a read section. Errors: in_use (attached, held, or a static domain of its unit).
  base::Status destroy();

protected:
  Domain(Unit& unit, DomainType type, const Geometry& geometry, bool serves_page_requests = false)
      : unit_{unit}, type_{type}, geometry_{geometry}, serves_{serves_page_requests} {}
  ~Domain() = default;

  // Ends the object's life. Once, when no user is left; with the unit's mutex held.
  virtual void release() = 0;

private:
  Unit& unit_;
  DomainType type_;
  Geometry geometry_;
  bool serves_;
  base::Atomic<std::uint32_t> users_{0};
  base::Atomic<FaultHandler*> handler_{nullptr};
  base::Atomic<PageRequestHandler*> requests_{nullptr};
};

} // namespace sluice::iommu
