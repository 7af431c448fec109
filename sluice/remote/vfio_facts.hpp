#pragma once

#include <cstddef>
#include <cstdint>

// The vfio-user protocol, version 0.1, as far as a server needs it that maps nothing for its client. What commands that
// are VFIO's own carry are the structures of uapi/vfio.hpp, each up to its min_size.
namespace sluice::remote::vfio_user {

enum class Command : std::uint16_t {
  version = 1,
  dma_map = 2,
  dma_unmap = 3,
  device_get_info = 4,
  device_get_region_info = 5,
  device_get_region_io_fds = 6,
  device_get_irq_info = 7,
  device_set_irqs = 8,
  region_read = 9,
  region_write = 10,
  dma_read = 11,  // ours to send
  dma_write = 12, // ours to send
  device_reset = 13,
  region_write_multi = 15, // not offered
};

struct Header {
  std::uint16_t id{};
  Command command{};
  std::uint32_t size{}; // with this header
  std::uint32_t flags{};
  std::uint32_t error{}; // errno
};
static_assert(sizeof(Header) == 16);

inline constexpr std::uint32_t type_mask = 0xf;
inline constexpr std::uint32_t type_reply = 1;
inline constexpr std::uint32_t flag_no_reply = 1U << 4;
inline constexpr std::uint32_t flag_error = 1U << 5;

struct Version { // followed by JSON text that ends with a zero
  std::uint16_t major{};
  std::uint16_t minor{};
};

struct DmaMap {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::uint64_t offset{};
  std::uint64_t address{};
  std::uint64_t size{};
  static constexpr std::size_t min_size = 32;
};
inline constexpr std::uint32_t dma_read = 1;
inline constexpr std::uint32_t dma_write = 2;

struct DmaUnmap {
  std::uint32_t argsz{};
  std::uint32_t flags{};
  std::uint64_t address{};
  std::uint64_t size{};
  static constexpr std::size_t min_size = 24;
};
inline constexpr std::uint32_t unmap_all = 2;

struct RegionAccess { // followed by the data
  std::uint64_t offset{};
  std::uint32_t region{};
  std::uint32_t count{};
};
static_assert(sizeof(DmaMap) == 32 && sizeof(DmaUnmap) == 24 && sizeof(RegionAccess) == 16 && sizeof(Version) == 4);

inline constexpr std::size_t most_data = 64 * 1024; // max_data_xfer_size
inline constexpr std::size_t most_payload = most_data + sizeof(RegionAccess);
inline constexpr std::size_t most_maps = 1024;

} // namespace sluice::remote::vfio_user
