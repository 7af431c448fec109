#include "rules.hpp"

namespace sluice::fuzz::reference {

using arch::Cd;
using arch::IDR0;
using arch::IDR1;
using arch::IDR3;
using arch::IDR5;
using arch::Ste;

namespace {

// 5.2.2 6d, 7f: an address that does not fit, where the version says that this is illegal
bool beyond(std::uint64_t address, unsigned bits) { return (address & ~below(bits)) != 0; }

// 5.2, 5.4: 39 without IDR3.STT
unsigned largest_txsz(const Registers& r, unsigned granule) {
  return r.idr3.get(IDR3::STT) == 0 ? 39 : granule == 16 ? 47 : 48;
}

// D8.2.8.2, D8.2.9.2, D8.2.10.2: the sizes that fit a start level with one table, and how many more with 2 to 16.
struct StartLevel {
  unsigned granule;
  int level;
  unsigned smallest, largest;
  unsigned concatenated;
};
constexpr StartLevel start_levels[] = {
    {12, 0, 16, 24, 0}, {12, 1, 25, 33, 4}, {12, 2, 34, 42, 4}, {12, 3, 43, 48, 4}, {14, 1, 17, 27, 1},
    {14, 2, 28, 38, 4}, {14, 3, 39, 48, 4}, {16, 1, 12, 21, 0}, {16, 2, 22, 34, 4}, {16, 3, 35, 47, 4},
};
bool start_level_fits(unsigned granule, int level, unsigned t0sz) {
  for (const StartLevel& s : start_levels) {
    if (s.granule == granule && s.level == level) {
      return t0sz + s.concatenated >= s.smallest && t0sz <= s.largest;
    }
  }
  return false;
}

bool stage2_illegal(const Registers& r, const Ste& s) {
  const auto stalls = r.idr0.get(IDR0::STALL_MODEL);
  if ((stalls == arch::StallModel::terminate && s.get(Ste::S2S) != 0) ||
      (stalls == arch::StallModel::stall && s.get(Ste::S2S) == 0)) {
    return true;
  }
  if (s.get(Ste::S2AA64) == 0) {
    return true; // VMSAv8-32, which IDR0.TTF does not offer
  }
  const auto httu = r.idr0.get(IDR0::HTTU);
  if (httu == arch::Httu::none && (s.get(Ste::S2HA) != 0 || s.get(Ste::S2HD) != 0)) {
    return true;
  }
  if (httu == arch::Httu::access && s.get(Ste::S2HD) != 0) {
    return true;
  }
  const unsigned g = granule(r, static_cast<unsigned>(s.get(Ste::S2TG)));
  if (g == 0) {
    return true;
  }
  const std::uint64_t ttb = s.get(Ste::S2TTB) & pointer_bits(r);
  if (beyond(ttb, capped(r, s.get(Ste::S2PS))) || (g != 16 && beyond(ttb, 48))) {
    return true;
  }
  const auto t0sz = static_cast<unsigned>(s.get(Ste::S2T0SZ));
  const unsigned by_format = g == 16 && version(r) != 0 ? 12 : 16;
  const unsigned by_ias = 64 - oas(r);
  if (t0sz > largest_txsz(r, g) || t0sz < by_format || t0sz < by_ias) {
    return true;
  }
  if (!start_level_fits(g, s2_level(r, g, static_cast<unsigned>(s.get(Ste::S2SL0))), t0sz)) {
    return true;
  }
  return r.idr0.get(IDR0::TTENDIAN) == arch::TtEndian::little && s.get(Ste::S2ENDI) != 0;
}

bool stage1_illegal(const Registers& r, const Ste& s) {
  if (s.get(Ste::S1STALLD) != 0 && r.idr0.get(IDR0::STALL_MODEL) != arch::StallModel::stall_or_terminate) {
    return true;
  }
  const auto cds = static_cast<unsigned>(s.get(Ste::S1CDMax));
  if (substream_bits(r) != 0 && cds > substream_bits(r)) {
    return true;
  }
  const auto format = s.get(Ste::S1Fmt);
  if (substream_bits(r) != 0 && cds != 0 && r.idr0.get(IDR0::CD2L) == 0 &&
      (format == arch::S1Format::two_level_4k || format == arch::S1Format::two_level_64k)) {
    return true;
  }
  return version(r) != 0 && beyond(s.get(Ste::S1ContextPtr), oas(r));
}

} // namespace

bool illegal(const Registers& r, const Ste& s) {
  const auto config = static_cast<unsigned>(s.get(Ste::Config));
  if (s.get(Ste::V) == 0) {
    return true;
  }
  if ((config & 4) == 0) {
    return false;
  }
  if (r.reserved_bits_illegal && !base::reserved_zero(s)) {
    return true;
  }
  if ((translates1(s) && r.idr0.get(IDR0::S1P) == 0) || (translates2(s) && r.idr0.get(IDR0::S2P) == 0)) {
    return true;
  }
  // 5.2.2 4
  if (r.idr0.get(IDR0::ATS) != 0 && config != 4) {
    const bool stalls = s.get(Ste::S2S) != 0;
    if ((s.get(Ste::EATS) == arch::Eats::split && (config != 7 || stalls || r.idr0.get(IDR0::NS1ATS) != 0)) ||
        (s.get(Ste::EATS) == arch::Eats::full && stalls && translates2(s))) {
      return true;
    }
  }
  const bool strw_used = r.idr0.get(IDR0::S1P) != 0 && r.idr0.get(IDR0::Hyp) != 0 && config == 5;
  if (strw_used && (static_cast<unsigned>(s.get(Ste::STRW)) & 1) != 0) {
    return true;
  }
  if ((translates1(s) && stage1_illegal(r, s)) || (translates2(s) && stage2_illegal(r, s))) {
    return true;
  }
  const bool vmid_used = r.idr0.get(IDR0::S2P) != 0 && config != 4 && world_of(r, s) == World::el1;
  return vmid_used && r.idr0.get(IDR0::VMID16) == 0 && s.get(Ste::S2VMID) > 0xff;
}

bool illegal(const Registers& r, const Ste& s, const Cd& c, World world) {
  if (c.get(Cd::V) == 0 || (r.reserved_bits_illegal && !base::reserved_zero(c))) {
    return true;
  }
  const auto stalls = r.idr0.get(IDR0::STALL_MODEL);
  if ((s.get(Ste::S1STALLD) != 0 && c.get(Cd::S) != 0) || (r.idr0.get(IDR0::TERM_MODEL) != 0 && c.get(Cd::A) == 0) ||
      (stalls == arch::StallModel::terminate && c.get(Cd::S) != 0) ||
      (stalls == arch::StallModel::stall && c.get(Cd::S) == 0)) {
    return true;
  }
  const bool halves = world != World::el2;
  const bool disabled[] = {halves && c.get(Cd::EPD0) != 0, !halves || c.get(Cd::EPD1) != 0};
  if (!(disabled[0] && disabled[1]) && r.idr0.get(IDR0::TTENDIAN) == arch::TtEndian::little && c.get(Cd::ENDI) != 0) {
    return true;
  }
  if (c.get(Cd::AA64) == 0) {
    return true;
  }
  const auto httu = r.idr0.get(IDR0::HTTU);
  if ((httu == arch::Httu::none && (c.get(Cd::HA) != 0 || c.get(Cd::HD) != 0)) ||
      (httu == arch::Httu::access && c.get(Cd::HD) != 0)) {
    return true;
  }
  if (halves && r.idr0.get(IDR0::ASID16) == 0 && c.get(Cd::ASID) > 0xff) {
    return true;
  }
  const unsigned granules[] = {granule(r, static_cast<unsigned>(c.get(Cd::TG0))),
                               granule1(r, static_cast<unsigned>(c.get(Cd::TG1)))};
  const std::uint64_t sizes[] = {c.get(Cd::T0SZ), c.get(Cd::T1SZ)};
  const std::uint64_t tables[] = {c.get(Cd::TTB0) & pointer_bits(r), c.get(Cd::TTB1) & pointer_bits(r)};
  for (int x = 0; x < 2; ++x) {
    if (disabled[x]) {
      continue;
    }
    const unsigned g = granules[x];
    const unsigned smallest = r.idr5.get(IDR5::VAX) != arch::Vax::bits48 && g == 16 ? 12 : 16;
    if (g == 0 || sizes[x] > largest_txsz(r, g) || sizes[x] < smallest) {
      return true;
    }
    if (beyond(tables[x], capped(r, c.get(Cd::IPS))) || (g != 16 && beyond(tables[x], 48))) {
      return true;
    }
  }
  return false;
}

namespace {
template <class S, class... F>
bool any_set(const S& s, F... fields) {
  return ((static_cast<std::uint64_t>(s.get(fields)) != 0) || ...);
}
} // namespace

bool may_be_illegal(const Registers& r, const Ste& s) {
  const std::uint64_t addresses = s.get(Ste::S1ContextPtr) | s.get(Ste::S2TTB);
  return (addresses & ~pointer_bits(r)) != 0 ||
         any_set(s, Ste::S1PIE, Ste::S1MPAM, Ste::S2HAFT, Ste::S2PIE, Ste::S2POE, Ste::DPT_VMATCH, Ste::S2NSW,
                 Ste::S2NSA, Ste::S2DS, Ste::S2SL0_2, Ste::S2SKL, Ste::S_S2T0SZ, Ste::S_S2SL0, Ste::S_S2TG, Ste::MECID,
                 Ste::MPAM_NS, Ste::VMSPtr, Ste::AssuredOnly, Ste::TL0, Ste::TL1, Ste::S2SW, Ste::S2SA, Ste::S_S2TTB,
                 Ste::S_S2SL0_2, Ste::S_S2SKL);
}

bool may_be_illegal(const Registers& r, const Cd& c) {
  return ((c.get(Cd::TTB0) | c.get(Cd::TTB1)) & ~pointer_bits(r)) != 0 ||
         any_set(c, Cd::NSCFG0, Cd::NSCFG1, Cd::EPAN, Cd::HAFT, Cd::PnCH, Cd::AIE, Cd::DS, Cd::PIE) ||
         (r.idr3.get(IDR3::E0PD) == 0 && any_set(c, Cd::E0PD0, Cd::E0PD1));
}

} // namespace sluice::fuzz::reference
