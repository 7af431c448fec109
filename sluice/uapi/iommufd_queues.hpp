#pragma once

#include <cstdint>

// What descriptors of /dev/iommu's queues deliver and take, as Linux 7.3 shows it.
namespace sluice::uapi::iommufd {

// What a vEVENTQ's descriptor delivers before the data of each event.
struct VeventHeader {
  std::uint32_t flags{};
  std::uint32_t sequence{};
};
enum VeventFlags : std::uint32_t { vevent_lost = 1 };

enum PgfaultFlags : std::uint32_t { pgfault_pasid_valid = 1, pgfault_last_page = 2 };
enum PgfaultPerm : std::uint32_t { pgfault_read = 1, pgfault_write = 2, pgfault_execute = 4, pgfault_privileged = 8 };
enum PageResponse : std::uint32_t { page_response_success = 0, page_response_invalid = 1 };

// What a fault queue's descriptor delivers and takes.
struct HwptPgfault {
  std::uint32_t flags{};
  std::uint32_t dev_id{};
  std::uint32_t pasid{};
  std::uint32_t grpid{};
  std::uint32_t perm{};
  std::uint32_t reserved{};
  std::uint64_t addr{};
  std::uint32_t length{};
  std::uint32_t cookie{};
};
struct HwptPageResponse {
  std::uint32_t cookie{};
  std::uint32_t code{};
};

static_assert(sizeof(VeventHeader) == 8 && sizeof(HwptPgfault) == 40 && sizeof(HwptPageResponse) == 8);

} // namespace sluice::uapi::iommufd
