#pragma once

#include "smmu.hpp"

// Numbers that registers and structures come to.
namespace sluice::fuzz::reference {

constexpr std::uint64_t below(unsigned bits) { return bits >= 64 ? ~0ULL : (1ULL << bits) - 1; }

inline unsigned version(const Registers& r) { return static_cast<unsigned>(r.aidr.get(arch::AIDR::ArchMinorRev)); }

// 6.3.6, 5.4 CD.IPS: codes that a version does not have act as its largest.
inline unsigned size_of(arch::AddressSize code, unsigned version) {
  constexpr unsigned bits[] = {32, 36, 40, 42, 44, 48, 52, 56};
  unsigned index = static_cast<unsigned>(code);
  if (version == 0 && index > 5) {
    index = 5;
  }
  if (version <= 3 && index > 6) {
    index = 6;
  }
  return bits[index];
}
inline unsigned oas(const Registers& r) { return size_of(r.idr5.get(arch::IDR5::OAS), version(r)); }
inline unsigned capped(const Registers& r, arch::AddressSize code) {
  const unsigned bits = size_of(code, version(r));
  return bits < oas(r) ? bits : oas(r);
}

// log2 of a granule by the encoding of TG0 and S2TG; 0: reserved or not there.
inline unsigned granule(const Registers& r, unsigned tg) {
  using arch::IDR5;
  switch (tg) {
  case 0:
    return r.idr5.get(IDR5::GRAN4K) != 0 ? 12 : 0;
  case 1:
    return r.idr5.get(IDR5::GRAN64K) != 0 ? 16 : 0;
  case 2:
    return r.idr5.get(IDR5::GRAN16K) != 0 ? 14 : 0;
  default:
    return 0;
  }
}
// 5.4 TG1 has an encoding of its own.
inline unsigned granule1(const Registers& r, unsigned tg) {
  return tg == 0 ? 0 : granule(r, tg == 1 ? 2 : tg == 2 ? 0 : 1);
}

// D8.2: the lowest bit of the index into a table.
constexpr unsigned index_low(unsigned granule, int level) {
  return granule + (granule - 3) * static_cast<unsigned>(3 - level);
}

// 5.2 S2SL0: the level, or 4 for a reserved encoding.
inline int s2_level(const Registers& r, unsigned granule, unsigned sl0) {
  if (granule == 12) {
    return sl0 == 3 ? (r.idr3.get(arch::IDR3::STT) != 0 ? 3 : 4) : 2 - static_cast<int>(sl0);
  }
  return sl0 == 3 ? 4 : 3 - static_cast<int>(sl0);
}

inline bool translates1(const arch::Ste& s) { return (static_cast<unsigned>(s.get(arch::Ste::Config)) & 5) == 5; }
inline bool translates2(const arch::Ste& s) { return (static_cast<unsigned>(s.get(arch::Ste::Config)) & 6) == 6; }
inline unsigned substream_bits(const Registers& r) { return static_cast<unsigned>(r.idr1.get(arch::IDR1::SSIDSIZE)); }
// 5.2: how many SubstreamID bits the stream has; 0 when substreams are disabled.
inline unsigned s1cdmax(const Registers& r, const arch::Ste& s) {
  return substream_bits(r) != 0 && translates1(s) ? static_cast<unsigned>(s.get(arch::Ste::S1CDMax)) : 0;
}

// 5.2 STRW
inline World world_of(const Registers& r, const arch::Ste& s) {
  if (translates2(s) || r.idr0.get(arch::IDR0::Hyp) == 0 || s.get(arch::Ste::STRW) != arch::Strw::el2) {
    return World::el1;
  }
  return r.cr2.get(arch::CR2::E2H) != 0 ? World::el2_e2h : World::el2;
}

// 5.2, 5.4: bits of an address in a structure; those above them are reserved.
inline std::uint64_t pointer_bits(const Registers& r) { return below(version(r) == 0 ? 48 : 52); }

// validity.cpp. What is illegal in any implementation, by reserved_bits_illegal too; and what may be, because a field
// of a feature that is absent is not 0.
bool illegal(const Registers& r, const arch::Ste& s);                                 // 5.2.2
bool illegal(const Registers& r, const arch::Ste& s, const arch::Cd& c, World world); // 5.4.2
bool may_be_illegal(const Registers& r, const arch::Ste& s);
bool may_be_illegal(const Registers& r, const arch::Cd& c);

} // namespace sluice::fuzz::reference
