#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

// The calls of /dev/iommu and of VFIO devices by name and field, for people.
namespace sluice::advise {

struct Field {
  std::string_view name{};
  std::size_t offset{};
  std::size_t size{};
  enum class Way : std::uint8_t { in, out, both } way{};
};

// Where a call has more than its structure: a pointer, and how much is there.
struct Beyond {
  std::size_t pointer{};
  std::size_t count{};   // a 32-bit field
  std::size_t unit{};    // bytes each, or 0: `unit_at` says it
  std::size_t unit_at{}; // a 32-bit field
  bool out{};            // written by the call, as far as the answer's count says
};

struct CallName {
  std::uint32_t number{};
  std::string_view name{};
  std::span<const Field> fields{};
  const Beyond* beyond{}; // null: nothing
};

// Both: null for an unknown number.
const CallName* find_call(std::uint32_t number);
const CallName* find_device_call(std::uint32_t number);

// A field of a structure; 0 where the structure ends before it.
std::uint64_t value(std::span<const std::byte> structure, const Field& field);

} // namespace sluice::advise
