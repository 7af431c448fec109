#pragma once

#include <sluice/base/field.hpp>

namespace sluice::arch {

enum class Access : std::uint8_t { ro, rw };

// A register at `Offset` from the base of page 0; page 1 begins at 0x10000. 6.1
template <class Self, std::uint32_t Offset, unsigned Width, Access A>
struct Register : base::Words<Self, 1> {
  static_assert(Width == 32 || Width == 64);
  using Raw = std::conditional_t<Width == 64, std::uint64_t, std::uint32_t>;

  static constexpr std::uint32_t offset = Offset;
  static constexpr unsigned width = Width;
  static constexpr Access access = A;

  static constexpr Self from(Raw raw) {
    Self value;
    value.w[0] = raw;
    return value;
  }
  constexpr Raw raw() const { return static_cast<Raw>(this->w[0]); }
};

// All fields inside the register's width, and no two on one bit.
template <class R>
constexpr bool well_formed_register() {
  return base::well_formed<R>() && (R::width == 64 || (base::defined_bits<R>()[0] >> 32) == 0);
}

inline constexpr std::uint32_t page1 = 0x10000;      // 6.1
inline constexpr std::uint32_t frame_size = 0x20000; // pages 0 and 1

} // namespace sluice::arch
