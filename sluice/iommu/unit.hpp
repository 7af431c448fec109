#pragma once

#include <sluice/base/result.hpp>
#include <sluice/iommu/address_space.hpp>
#include <sluice/iommu/domain.hpp>
#include <sluice/iommu/virtual.hpp>
#include <sluice/platform/platform.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::iommu {

enum class Stage : std::uint8_t { any, first, second };

struct PagingOptions {
  Stage stage{Stage::any};
  bool nest_parent{};         // nested domains will stand on it
  bool pasid{};               // it will be attached to PASIDs
  bool dirty{};               // dirty tracking
  bool page_requests{};       // devices that can wait for pages do so, and its PageRequestHandler serves them
  std::uint64_t page_sizes{}; // the lowest bit is the wanted unit of map and unmap; 0: the unit decides
};

// What hardware tells of itself, in the words of its kind.
struct HwInfo {
  std::uint32_t type{}; // 0: nothing
  std::size_t size{};   // bytes that there are; as many as fit have been written
};

// One IOMMU. Domains and devices belong to one; their changes wait for each other here.
class Unit {
public:
  Unit(const Unit&) = delete;
  Unit& operator=(const Unit&) = delete;

  platform::Platform& platform() { return platform_; }

  virtual Domain& identity() = 0;
  virtual Domain& blocked() = 0;
  // Whether it makes domains with PagingOptions::dirty.
  virtual bool can_track_dirty() const { return false; }
  // Errors: unsupported (no such stage or combination), invalid_argument (page_sizes), no_memory, ids_exhausted,
  // smmu_failed.
  virtual base::Result<Domain*> make_paging(const PagingOptions& options) = 0;

  // The domain of a process's own table, for PASIDs. Errors: unsupported (this IOMMU cannot walk it), already_exists
  // (there is one), not_found (the address space has ended), invalid_argument (its ASID is another one's), no_memory,
  // ids_exhausted, timed_out (while a domain was given another ASID), smmu_failed.
  virtual base::Result<Domain*> make_sva(AddressSpace&) { return base::Errc::unsupported; }

  // Answers a group of page requests. Any thread, also the handler in its call.
  // Errors: not_found (it has been answered: by the time-out, or because its attachment or its handler ended).
  virtual base::Status respond(PageTicket, PageResponse) { return base::Errc::not_found; }

  // Data for one kind of IOMMU, as bytes of the named type; `type` 0 asks for whatever there is. A unit that has no
  // such operation answers unsupported.
  virtual base::Result<HwInfo> hw_info(std::uint32_t, std::span<std::byte>) { return base::Errc::unsupported; }
  virtual base::Result<Viommu*> viommu_alloc(std::uint32_t, Domain&, std::span<const std::byte>) {
    return base::Errc::unsupported;
  }

protected:
  explicit Unit(const platform::Platform& platform) : platform_{platform} {}
  ~Unit() = default;

  platform::Mutex& mutex() { return mutex_; }
  // Answers what a domain's handler has left, with `failed`.
  virtual void settle_page_requests(const Domain&) {}

private:
  friend class Device;
  friend class Domain;
  friend class Group;

  platform::Platform platform_;
  platform::Mutex mutex_;
};

} // namespace sluice::iommu
