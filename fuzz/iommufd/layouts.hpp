#pragma once

#include <cstdint>
#include <span>

namespace sluice::fuzz {

// A call's structure: one letter for each field, in their order. Capital letters have 64 bits, others 32, `h` 16,
// `b` 8.
//   s size   f flags   0 reserved   i id   o an id that is answered   q a descriptor that is answered
//   d descriptor   t type   n count   e length of an entry   r any number
//   P pointer to data   L length   V IOVA   R any number
struct Layout {
  std::uint32_t number;
  std::uint32_t size;
  std::uint32_t min_size;
  const char* fields;
};

constexpr unsigned width_of(char field) {
  return field >= 'A' && field <= 'Z' ? 8 : field == 'h' ? 2 : field == 'b' ? 1 : 4;
}

std::span<const Layout> iommufd_layouts();
// Those of a device whose structure has no values behind it.
std::span<const Layout> vfio_layouts();

} // namespace sluice::fuzz
