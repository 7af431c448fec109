#pragma once

#include <cstddef>
#include <cstdint>

// The vhost-user protocol as far as a device with one split virtqueue needs it; all fields are little endian here.
namespace sluice::remote::vhost {

enum class Request : std::uint32_t {
  get_features = 1,
  set_features = 2,
  set_owner = 3,
  reset_owner = 4,
  set_mem_table = 5,
  set_vring_num = 8,
  set_vring_addr = 9,
  set_vring_base = 10,
  get_vring_base = 11,
  set_vring_kick = 12,
  set_vring_call = 13,
  set_vring_err = 14,
  get_protocol_features = 15,
  set_protocol_features = 16,
  set_vring_enable = 18,
  set_backend_req_fd = 21,
};

struct Header {
  Request request{};
  std::uint32_t flags{};
  std::uint32_t size{}; // of what follows
};
static_assert(sizeof(Header) == 12);

inline constexpr std::uint32_t version_mask = 3;
inline constexpr std::uint32_t version = 1;
inline constexpr std::uint32_t flag_reply = 1U << 2;
inline constexpr std::uint32_t flag_need_reply = 1U << 3;

inline constexpr std::uint64_t feature_protocol_features = 1ULL << 30;

inline constexpr std::uint64_t protocol_reply_ack = 1ULL << 3;
inline constexpr std::uint64_t protocol_backend_req = 1ULL << 5;

struct Region {
  std::uint64_t guest_address{};
  std::uint64_t size{};
  std::uint64_t user_address{}; // in the client's own address space
  std::uint64_t file_offset{};
};
struct MemTable { // followed by the regions
  std::uint32_t count{};
  std::uint32_t padding{};
};
inline constexpr std::size_t most_regions = 8;

struct VringState {
  std::uint32_t index{};
  std::uint32_t value{};
};
struct VringAddress { // user addresses
  std::uint32_t index{};
  std::uint32_t flags{};
  std::uint64_t descriptors{};
  std::uint64_t used{};
  std::uint64_t available{};
  std::uint64_t log{};
};
static_assert(sizeof(Region) == 32 && sizeof(MemTable) == 8 && sizeof(VringState) == 8 && sizeof(VringAddress) == 40);

// Of SET_VRING_KICK, CALL and ERR
inline constexpr std::uint64_t vring_index_mask = 0xff;
inline constexpr std::uint64_t vring_no_fd = 1ULL << 8;

inline constexpr std::size_t most_payload = sizeof(MemTable) + most_regions * sizeof(Region);

} // namespace sluice::remote::vhost
