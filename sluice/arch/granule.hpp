#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/sizes.hpp>
#include <sluice/base/result.hpp>

// A translation granule, and its four spellings. DDI 0487 D8.2
namespace sluice::arch {

enum class Granule : std::uint8_t { k4, k16, k64 };

constexpr unsigned granule_bits(Granule g) { return g == Granule::k4 ? 12 : g == Granule::k16 ? 14 : 16; }
constexpr std::uint64_t granule_size(Granule g) { return std::uint64_t{1} << granule_bits(g); }

// Address bits that one level resolves, and entries of a whole table.
constexpr unsigned stride(Granule g) { return granule_bits(g) - 3; }
constexpr unsigned table_entries(Granule g) { return 1u << stride(g); }

constexpr Tg0 tg0(Granule g) { return g == Granule::k4 ? Tg0::k4 : g == Granule::k16 ? Tg0::k16 : Tg0::k64; }
constexpr Tg1 tg1(Granule g) { return g == Granule::k4 ? Tg1::k4 : g == Granule::k16 ? Tg1::k16 : Tg1::k64; }
constexpr S2Tg s2tg(Granule g) { return g == Granule::k4 ? S2Tg::k4 : g == Granule::k16 ? S2Tg::k16 : S2Tg::k64; }
constexpr TlbiTg tlbi_tg(Granule g) {
  return g == Granule::k4 ? TlbiTg::k4 : g == Granule::k16 ? TlbiTg::k16 : TlbiTg::k64;
}

// The granule of an encoding; invalid_argument for a reserved one.
constexpr base::Result<Granule> granule_of(Tg0 tg) {
  switch (tg) {
  case Tg0::k4:
    return Granule::k4;
  case Tg0::k16:
    return Granule::k16;
  case Tg0::k64:
    return Granule::k64;
  case Tg0::reserved:
    break;
  }
  return base::Errc::invalid_argument;
}
constexpr base::Result<Granule> granule_of(Tg1 tg) {
  switch (tg) {
  case Tg1::k4:
    return Granule::k4;
  case Tg1::k16:
    return Granule::k16;
  case Tg1::k64:
    return Granule::k64;
  case Tg1::reserved:
    break;
  }
  return base::Errc::invalid_argument;
}
constexpr base::Result<Granule> granule_of(S2Tg tg) {
  switch (tg) {
  case S2Tg::k4:
    return Granule::k4;
  case S2Tg::k16:
    return Granule::k16;
  case S2Tg::k64:
    return Granule::k64;
  case S2Tg::reserved:
    break;
  }
  return base::Errc::invalid_argument;
}
constexpr base::Result<Granule> granule_of(TlbiTg tg) {
  switch (tg) {
  case TlbiTg::k4:
    return Granule::k4;
  case TlbiTg::k16:
    return Granule::k16;
  case TlbiTg::k64:
    return Granule::k64;
  case TlbiTg::any:
    break;
  }
  return base::Errc::invalid_argument;
}

} // namespace sluice::arch
