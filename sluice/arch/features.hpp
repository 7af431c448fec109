#pragma once

#include <sluice/arch/feature.hpp>
#include <sluice/arch/granule.hpp>
#include <sluice/arch/registers_id.hpp>

// What the identification registers say. 2, 3.4, 6.3.1 to 6.3.8
namespace sluice::arch {

struct IdRegisters {
  IDR0 idr0{};
  IDR1 idr1{};
  IDR2 idr2{};
  IDR3 idr3{};
  IDR4 idr4{};
  IDR5 idr5{};
  IDR6 idr6{};
  IIDR iidr{};
  AIDR aidr{};
};

// AIDR.ArchMinorRev: v3.0 to v3.4
inline constexpr unsigned v3_0 = 0;
inline constexpr unsigned v3_1 = 1;
inline constexpr unsigned v3_2 = 2;
inline constexpr unsigned v3_3 = 3;
inline constexpr unsigned v3_4 = 4;

constexpr unsigned minor_version(const IdRegisters& id) {
  return static_cast<unsigned>(id.aidr.get(AIDR::ArchMinorRev));
}

constexpr bool has(const IdRegisters& id, Feature feature) {
  switch (feature) {
  case Feature::always:
    return true;
  case Feature::s1p:
    return id.idr0.get(IDR0::S1P) != 0;
  case Feature::s2p:
    return id.idr0.get(IDR0::S2P) != 0;
  case Feature::hyp:
    return id.idr0.get(IDR0::Hyp) != 0;
  case Feature::ats:
    return id.idr0.get(IDR0::ATS) != 0;
  case Feature::pri:
    return id.idr0.get(IDR0::PRI) != 0;
  case Feature::msi:
    return id.idr0.get(IDR0::MSI) != 0;
  case Feature::pri_msi:
    return id.idr0.get(IDR0::PRI) != 0 && id.idr0.get(IDR0::MSI) != 0;
  case Feature::atos:
    return id.idr0.get(IDR0::ATOS) != 0;
  case Feature::vatos:
    return id.idr0.get(IDR0::VATOS) != 0;
  case Feature::stall:
    return id.idr0.get(IDR0::STALL_MODEL) != StallModel::terminate;
  case Feature::vmw:
    return id.idr0.get(IDR0::VMW) != 0;
  case Feature::btm:
    return id.idr0.get(IDR0::BTM) != 0;
  case Feature::ats_recerr:
    return id.idr0.get(IDR0::ATSRECERR) != 0;
  case Feature::attr_types:
    return id.idr1.get(IDR1::ATTR_TYPES_OVR) != 0;
  case Feature::attr_perms:
    return id.idr1.get(IDR1::ATTR_PERMS_OVR) != 0;
  case Feature::ecmdq:
    return id.idr1.get(IDR1::ECMDQ) != 0;
  case Feature::mpam:
    return id.idr3.get(IDR3::MPAM) != 0;
  case Feature::s2pi:
    return id.idr3.get(IDR3::S2PI) != 0;
  case Feature::dpt:
    return id.idr3.get(IDR3::DPT) != 0;
  case Feature::range_tlbi:
    return id.idr3.get(IDR3::RIL) != 0;
  case Feature::secure:
  case Feature::never:
    return false;
  }
  return false;
}

constexpr bool has_granule(const IdRegisters& id, Granule g) {
  switch (g) {
  case Granule::k4:
    return id.idr5.get(IDR5::GRAN4K) != 0;
  case Granule::k16:
    return id.idr5.get(IDR5::GRAN16K) != 0;
  case Granule::k64:
    return id.idr5.get(IDR5::GRAN64K) != 0;
  }
  return false;
}

// Bits of IDR5.OAS, CD.IPS and STE.S2PS. v3.0 knows no code above 48 bits and v3.1 to v3.3 none above 52: they take a
// larger code as their largest. 5.4 CD.IPS
constexpr unsigned address_bits(AddressSize code, unsigned aidr_minor) {
  constexpr unsigned bits[] = {32, 36, 40, 42, 44, 48, 52, 56};
  const unsigned largest = aidr_minor == v3_0 ? 5 : aidr_minor < v3_4 ? 6 : 7;
  const auto index = static_cast<unsigned>(code);
  return bits[index < largest ? index : largest];
}
constexpr unsigned oas_bits(AddressSize code, unsigned aidr_minor) { return address_bits(code, aidr_minor); }
constexpr unsigned oas_bits(const IdRegisters& id) { return oas_bits(id.idr5.get(IDR5::OAS), minor_version(id)); }

// The smallest code that holds `bits`.
constexpr AddressSize address_size(unsigned bits) {
  return bits <= 32   ? AddressSize::bits32
         : bits <= 36 ? AddressSize::bits36
         : bits <= 40 ? AddressSize::bits40
         : bits <= 42 ? AddressSize::bits42
         : bits <= 44 ? AddressSize::bits44
         : bits <= 48 ? AddressSize::bits48
         : bits <= 52 ? AddressSize::bits52
                      : AddressSize::bits56;
}

// min(IPS, OAS) and min(S2PS, OAS). 5.2, 5.4
constexpr unsigned effective_output_bits(const IdRegisters& id, AddressSize code) {
  const unsigned asked = address_bits(code, minor_version(id));
  const unsigned oas = oas_bits(id);
  return asked < oas ? asked : oas;
}

// 3.4 The intermediate address size.
constexpr unsigned ias_bits(const IdRegisters& id) {
  const auto ttf = static_cast<unsigned>(id.idr0.get(IDR0::TTF));
  const unsigned by32 = (ttf & 1) != 0 ? 40 : 0;
  const unsigned by64 = (ttf & 2) != 0 ? oas_bits(id) : 0;
  return by32 > by64 ? by32 : by64;
}

// 3.4 Bits of one stage 1 range: TTB0's or TTB1's.
constexpr unsigned va_bits(const IdRegisters& id) {
  switch (id.idr5.get(IDR5::VAX)) {
  case Vax::bits52:
    return 52;
  case Vax::bits56:
    return 56;
  default:
    return 48;
  }
}

constexpr bool has_aarch64_tables(const IdRegisters& id) {
  return (static_cast<unsigned>(id.idr0.get(IDR0::TTF)) & 2) != 0;
}
constexpr bool has_aarch32_tables(const IdRegisters& id) {
  return (static_cast<unsigned>(id.idr0.get(IDR0::TTF)) & 1) != 0;
}
constexpr unsigned asid_bits(const IdRegisters& id) { return id.idr0.get(IDR0::ASID16) != 0 ? 16 : 8; }
constexpr unsigned vmid_bits(const IdRegisters& id) { return id.idr0.get(IDR0::VMID16) != 0 ? 16 : 8; }
constexpr unsigned stream_id_bits(const IdRegisters& id) { return static_cast<unsigned>(id.idr1.get(IDR1::SIDSIZE)); }
constexpr unsigned substream_id_bits(const IdRegisters& id) {
  return static_cast<unsigned>(id.idr1.get(IDR1::SSIDSIZE));
}

} // namespace sluice::arch
