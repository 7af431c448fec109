#pragma once

#include <cstdint>

// Address sizes and granules as fields of STE, CD and IDR5 spell them.
namespace sluice::arch {

// IDR5.OAS, CD.IPS and STE.S2PS. 6.3.6, 5.4, 5.2. What a code means depends on the version: features.hpp.
enum class AddressSize : std::uint8_t {
  bits32 = 0,
  bits36 = 1,
  bits40 = 2,
  bits42 = 3,
  bits44 = 4,
  bits48 = 5,
  bits52 = 6,
  bits56 = 7,
};

// CD.TG0. 5.4
enum class Tg0 : std::uint8_t { k4 = 0, k64 = 1, k16 = 2, reserved = 3 };

// CD.TG1: another encoding than TG0. 5.4
enum class Tg1 : std::uint8_t { reserved = 0, k16 = 1, k4 = 2, k64 = 3 };

// STE.S2TG and STE.S_S2TG. 5.2
enum class S2Tg : std::uint8_t { k4 = 0, k64 = 1, k16 = 2, reserved = 3 };

} // namespace sluice::arch
