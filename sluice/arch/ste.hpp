#pragma once

#include <sluice/arch/attributes.hpp>
#include <sluice/arch/sizes.hpp>
#include <sluice/base/field.hpp>

namespace sluice::arch {

// 5.2 STE.Config. 1 to 3 are reserved and behave as abort.
enum class SteConfig : std::uint8_t { abort = 0, bypass = 4, stage1 = 5, stage2 = 6, nested = 7 };

constexpr bool translates_stage1(SteConfig config) { return (static_cast<unsigned>(config) & 0b101) == 0b101; }
constexpr bool translates_stage2(SteConfig config) { return (static_cast<unsigned>(config) & 0b110) == 0b110; }
constexpr bool aborts(SteConfig config) { return (static_cast<unsigned>(config) & 0b100) == 0; }

// 5.2 STE.S1Fmt
enum class S1Format : std::uint8_t {
  linear = 0,
  two_level_4k = 1,  // leaf tables of 64 CDs
  two_level_64k = 2, // leaf tables of 1024 CDs
  reserved = 3,      // behaves as linear
};

// 5.2 STE.S1DSS: a transaction without SubstreamID while substreams are enabled.
enum class S1Dss : std::uint8_t {
  terminate = 0, // F_STREAM_DISABLED
  bypass = 1,    // skips stage 1
  cd0 = 2,       // uses CD 0; SubstreamID 0 is refused
  reserved = 3,  // behaves as terminate
};

// 5.2 STE.EATS
enum class Eats : std::uint8_t {
  none = 0,
  full = 1,
  split = 2,
  full_dpt = 3, // reserved, and behaves as none, without IDR3.DPT
};

// 5.2 STE.STRW of a Non-secure STE; of a Secure one 0 is Secure and 1 is EL3.
enum class Strw : std::uint8_t { el1 = 0, el3 = 1, el2 = 2, reserved = 3 };

// 5.2 Stream Table Entry
struct Ste : base::Words<Ste, 8> {
  static constexpr base::Field<Ste, 0> V{};
  static constexpr base::Field<Ste, 3, 1, SteConfig> Config{};
  static constexpr base::Field<Ste, 5, 4, S1Format> S1Fmt{};
  static constexpr base::Address<Ste, 55, 6> S1ContextPtr{}; // an IPA when Config is nested
  static constexpr base::Field<Ste, 63, 59> S1CDMax{};

  static constexpr base::Field<Ste, 65, 64, S1Dss> S1DSS{};
  static constexpr base::Field<Ste, 67, 66, Cacheability> S1CIR{};
  static constexpr base::Field<Ste, 69, 68, Cacheability> S1COR{};
  static constexpr base::Field<Ste, 71, 70, Shareability> S1CSH{};
  static constexpr base::Field<Ste, 72> S2HWU59{};
  static constexpr base::Field<Ste, 73> S2HWU60{};
  static constexpr base::Field<Ste, 74> S2HWU61{};
  static constexpr base::Field<Ste, 75> S2HWU62{};
  static constexpr base::Field<Ste, 76> DRE{};
  static constexpr base::Field<Ste, 80, 77> CONT{};
  static constexpr base::Field<Ste, 81> DCP{};
  static constexpr base::Field<Ste, 82> PPAR{};
  static constexpr base::Field<Ste, 83> MEV{};
  static constexpr base::Field<Ste, 87, 84> SW_RESERVED{};
  static constexpr base::Field<Ste, 88> S1PIE{};
  static constexpr base::Field<Ste, 89> S2FWB{};
  static constexpr base::Field<Ste, 90> S1MPAM{};
  static constexpr base::Field<Ste, 91> S1STALLD{};
  static constexpr base::Field<Ste, 93, 92, Eats> EATS{};
  static constexpr base::Field<Ste, 95, 94, Strw> STRW{};
  static constexpr base::Field<Ste, 99, 96, arch::MemAttr> MemAttr{};
  static constexpr base::Field<Ste, 100> MTCFG{};
  static constexpr base::Field<Ste, 104, 101> ALLOCCFG{};
  static constexpr base::Field<Ste, 109, 108, ShareabilityOverride> SHCFG{};
  static constexpr base::Field<Ste, 111, 110, SecurityOverride> NSCFG{};
  static constexpr base::Field<Ste, 113, 112, PrivilegeOverride> PRIVCFG{};
  static constexpr base::Field<Ste, 115, 114, InstructionOverride> INSTCFG{};
  static constexpr base::Field<Ste, 127, 116> IMPDEF_127_116{};

  static constexpr base::Field<Ste, 143, 128> S2VMID{};
  static constexpr base::Field<Ste, 159, 144> IMPDEF_159_144{};
  static constexpr base::Field<Ste, 165, 160> S2T0SZ{};
  static constexpr base::Field<Ste, 167, 166> S2SL0{};
  static constexpr base::Field<Ste, 169, 168, Cacheability> S2IR0{};
  static constexpr base::Field<Ste, 171, 170, Cacheability> S2OR0{};
  static constexpr base::Field<Ste, 173, 172, Shareability> S2SH0{};
  static constexpr base::Field<Ste, 175, 174, S2Tg> S2TG{};
  static constexpr base::Field<Ste, 178, 176, AddressSize> S2PS{};
  static constexpr base::Field<Ste, 179> S2AA64{};
  static constexpr base::Field<Ste, 180> S2ENDI{};
  static constexpr base::Field<Ste, 181> S2AFFD{};
  static constexpr base::Field<Ste, 182> S2PTW{};
  static constexpr base::Field<Ste, 183> S2HD{};
  static constexpr base::Field<Ste, 184> S2HA{};
  static constexpr base::Field<Ste, 185> S2S{};
  static constexpr base::Field<Ste, 186> S2R{};
  static constexpr base::Field<Ste, 187> S2HAFT{};
  static constexpr base::Field<Ste, 188> S2PIE{};
  static constexpr base::Field<Ste, 189> S2POE{};
  static constexpr base::Field<Ste, 191, 190> DPT_VMATCH{};

  static constexpr base::Field<Ste, 192> S2NSW{};
  static constexpr base::Field<Ste, 193> S2NSA{};
  static constexpr base::Field<Ste, 194> S2SL0_2{};
  static constexpr base::Field<Ste, 195> S2DS{};
  static constexpr base::Address<Ste, 247, 196> S2TTB{};
  static constexpr base::Field<Ste, 254, 253> S2SKL{};

  static constexpr base::Field<Ste, 271, 256> IMPDEF_271_256{};
  static constexpr base::Field<Ste, 287, 272> PARTID{};
  static constexpr base::Field<Ste, 293, 288> S_S2T0SZ{};
  static constexpr base::Field<Ste, 295, 294> S_S2SL0{};
  static constexpr base::Field<Ste, 303, 302, S2Tg> S_S2TG{};
  static constexpr base::Field<Ste, 319, 304> MECID{};

  static constexpr base::Field<Ste, 327, 320> PMG{};
  static constexpr base::Field<Ste, 328> MPAM_NS{};
  static constexpr base::Field<Ste, 329> AssuredOnly{};
  static constexpr base::Field<Ste, 330> TL0{};
  static constexpr base::Field<Ste, 331> TL1{};
  static constexpr base::Address<Ste, 375, 332> VMSPtr{};

  static constexpr base::Field<Ste, 384> S2SW{};
  static constexpr base::Field<Ste, 385> S2SA{};
  static constexpr base::Field<Ste, 386> S_S2SL0_2{};
  static constexpr base::Address<Ste, 439, 388> S_S2TTB{};
  static constexpr base::Field<Ste, 446, 445> S_S2SKL{};

  static constexpr base::Field<Ste, 451, 448> S2POI0{};
  static constexpr base::Field<Ste, 455, 452> S2POI1{};
  static constexpr base::Field<Ste, 459, 456> S2POI2{};
  static constexpr base::Field<Ste, 463, 460> S2POI3{};
  static constexpr base::Field<Ste, 467, 464> S2POI4{};
  static constexpr base::Field<Ste, 471, 468> S2POI5{};
  static constexpr base::Field<Ste, 475, 472> S2POI6{};
  static constexpr base::Field<Ste, 479, 476> S2POI7{};
  static constexpr base::Field<Ste, 483, 480> S2POI8{};
  static constexpr base::Field<Ste, 487, 484> S2POI9{};
  static constexpr base::Field<Ste, 491, 488> S2POI10{};
  static constexpr base::Field<Ste, 495, 492> S2POI11{};
  static constexpr base::Field<Ste, 499, 496> S2POI12{};
  static constexpr base::Field<Ste, 503, 500> S2POI13{};
  static constexpr base::Field<Ste, 507, 504> S2POI14{};
  static constexpr base::Field<Ste, 511, 508> S2POI15{};

  static constexpr base::FieldList fields{
      V,       Config,   S1Fmt,   S1ContextPtr, S1CDMax,        S1DSS,       S1CIR,
      S1COR,   S1CSH,    S2HWU59, S2HWU60,      S2HWU61,        S2HWU62,     DRE,
      CONT,    DCP,      PPAR,    MEV,          SW_RESERVED,    S1PIE,       S2FWB,
      S1MPAM,  S1STALLD, EATS,    STRW,         MemAttr,        MTCFG,       ALLOCCFG,
      SHCFG,   NSCFG,    PRIVCFG, INSTCFG,      IMPDEF_127_116, S2VMID,      IMPDEF_159_144,
      S2T0SZ,  S2SL0,    S2IR0,   S2OR0,        S2SH0,          S2TG,        S2PS,
      S2AA64,  S2ENDI,   S2AFFD,  S2PTW,        S2HD,           S2HA,        S2S,
      S2R,     S2HAFT,   S2PIE,   S2POE,        DPT_VMATCH,     S2NSW,       S2NSA,
      S2SL0_2, S2DS,     S2TTB,   S2SKL,        IMPDEF_271_256, PARTID,      S_S2T0SZ,
      S_S2SL0, S_S2TG,   MECID,   PMG,          MPAM_NS,        AssuredOnly, TL0,
      TL1,     VMSPtr,   S2SW,    S2SA,         S_S2SL0_2,      S_S2TTB,     S_S2SKL,
      S2POI0,  S2POI1,   S2POI2,  S2POI3,       S2POI4,         S2POI5,      S2POI6,
      S2POI7,  S2POI8,   S2POI9,  S2POI10,      S2POI11,        S2POI12,     S2POI13,
      S2POI14, S2POI15};
};
static_assert(base::well_formed<Ste>());
static_assert(sizeof(Ste) == 64);

} // namespace sluice::arch
