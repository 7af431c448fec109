#pragma once

#include <sluice/arch/attributes.hpp>
#include <sluice/arch/sizes.hpp>
#include <sluice/base/field.hpp>

namespace sluice::arch {

// 5.4 Context Descriptor
struct Cd : base::Words<Cd, 8> {
  static constexpr base::Field<Cd, 5, 0> T0SZ{};
  static constexpr base::Field<Cd, 7, 6, Tg0> TG0{};
  static constexpr base::Field<Cd, 9, 8, Cacheability> IR0{};
  static constexpr base::Field<Cd, 11, 10, Cacheability> OR0{};
  static constexpr base::Field<Cd, 13, 12, Shareability> SH0{};
  static constexpr base::Field<Cd, 14> EPD0{};
  static constexpr base::Field<Cd, 15> ENDI{};
  static constexpr base::Field<Cd, 21, 16> T1SZ{};
  static constexpr base::Field<Cd, 23, 22, Tg1> TG1{};
  static constexpr base::Field<Cd, 25, 24, Cacheability> IR1{};
  static constexpr base::Field<Cd, 27, 26, Cacheability> OR1{};
  static constexpr base::Field<Cd, 29, 28, Shareability> SH1{};
  static constexpr base::Field<Cd, 30> EPD1{};
  static constexpr base::Field<Cd, 31> V{};
  static constexpr base::Field<Cd, 34, 32, AddressSize> IPS{};
  static constexpr base::Field<Cd, 35> AFFD{};
  static constexpr base::Field<Cd, 36> WXN{};
  static constexpr base::Field<Cd, 37> UWXN{};
  static constexpr base::Field<Cd, 38> TBI0{};
  static constexpr base::Field<Cd, 39> TBI1{};
  static constexpr base::Field<Cd, 40> PAN{};
  static constexpr base::Field<Cd, 41> AA64{};
  static constexpr base::Field<Cd, 42> HD{};
  static constexpr base::Field<Cd, 43> HA{};
  static constexpr base::Field<Cd, 44> S{}; // 5.5
  static constexpr base::Field<Cd, 45> R{}; // 5.5
  static constexpr base::Field<Cd, 46> A{}; // 5.5
  static constexpr base::Field<Cd, 47> ASET{};
  static constexpr base::Field<Cd, 63, 48> ASID{};

  static constexpr base::Field<Cd, 64> NSCFG0{};
  static constexpr base::Field<Cd, 65> HAD0{}; // DisCH0 with 128-bit descriptors
  static constexpr base::Field<Cd, 66> E0PD0{};
  static constexpr base::Field<Cd, 67> HAFT{};
  static constexpr base::Address<Cd, 119, 68> TTB0{};
  static constexpr base::Field<Cd, 122> PnCH{};
  static constexpr base::Field<Cd, 123> EPAN{};
  static constexpr base::Field<Cd, 124> HWU059{};
  static constexpr base::Field<Cd, 125> HWU060{};
  static constexpr base::Field<Cd, 126> HWU061{}; // with HWU062, SKL0 with 128-bit descriptors
  static constexpr base::Field<Cd, 127> HWU062{};

  static constexpr base::Field<Cd, 128> NSCFG1{};
  static constexpr base::Field<Cd, 129> HAD1{}; // DisCH1 with 128-bit descriptors
  static constexpr base::Field<Cd, 130> E0PD1{};
  static constexpr base::Field<Cd, 131> AIE{};
  static constexpr base::Address<Cd, 183, 132> TTB1{};
  static constexpr base::Field<Cd, 186> DS{};
  static constexpr base::Field<Cd, 187> PIE{};
  static constexpr base::Field<Cd, 188> HWU159{};
  static constexpr base::Field<Cd, 189> HWU160{};
  static constexpr base::Field<Cd, 190> HWU161{}; // with HWU162, SKL1 with 128-bit descriptors
  static constexpr base::Field<Cd, 191> HWU162{};

  static constexpr base::Field<Cd, 223, 192> MAIR0{}; // Attr0 to Attr3
  static constexpr base::Field<Cd, 255, 224> MAIR1{}; // Attr4 to Attr7
  static constexpr base::Field<Cd, 287, 256> AMAIR0{};
  static constexpr base::Field<Cd, 319, 288> AMAIR1{};

  static constexpr base::Field<Cd, 351, 320> IMPDEF_351_320{};
  static constexpr base::Field<Cd, 367, 352> PARTID{};
  static constexpr base::Field<Cd, 375, 368> PMG{};

  static constexpr base::Field<Cd, 386, 384> PIIU0{};
  static constexpr base::Field<Cd, 389, 387> PIIU1{};
  static constexpr base::Field<Cd, 392, 390> PIIU2{};
  static constexpr base::Field<Cd, 395, 393> PIIU3{};
  static constexpr base::Field<Cd, 398, 396> PIIU4{};
  static constexpr base::Field<Cd, 401, 399> PIIU5{};
  static constexpr base::Field<Cd, 404, 402> PIIU6{};
  static constexpr base::Field<Cd, 407, 405> PIIU7{};
  static constexpr base::Field<Cd, 410, 408> PIIU8{};
  static constexpr base::Field<Cd, 413, 411> PIIU9{};
  static constexpr base::Field<Cd, 416, 414> PIIU10{};
  static constexpr base::Field<Cd, 419, 417> PIIU11{};
  static constexpr base::Field<Cd, 422, 420> PIIU12{};
  static constexpr base::Field<Cd, 425, 423> PIIU13{};
  static constexpr base::Field<Cd, 428, 426> PIIU14{};
  static constexpr base::Field<Cd, 431, 429> PIIU15{};

  static constexpr base::Field<Cd, 450, 448> PIIP0{};
  static constexpr base::Field<Cd, 453, 451> PIIP1{};
  static constexpr base::Field<Cd, 456, 454> PIIP2{};
  static constexpr base::Field<Cd, 459, 457> PIIP3{};
  static constexpr base::Field<Cd, 462, 460> PIIP4{};
  static constexpr base::Field<Cd, 465, 463> PIIP5{};
  static constexpr base::Field<Cd, 468, 466> PIIP6{};
  static constexpr base::Field<Cd, 471, 469> PIIP7{};
  static constexpr base::Field<Cd, 474, 472> PIIP8{};
  static constexpr base::Field<Cd, 477, 475> PIIP9{};
  static constexpr base::Field<Cd, 480, 478> PIIP10{};
  static constexpr base::Field<Cd, 483, 481> PIIP11{};
  static constexpr base::Field<Cd, 486, 484> PIIP12{};
  static constexpr base::Field<Cd, 489, 487> PIIP13{};
  static constexpr base::Field<Cd, 492, 490> PIIP14{};
  static constexpr base::Field<Cd, 495, 493> PIIP15{};

  static constexpr base::FieldList fields{T0SZ,   TG0,    IR0,    OR0,   SH0,    EPD0,   ENDI,   T1SZ,
                                          TG1,    IR1,    OR1,    SH1,   EPD1,   V,      IPS,    AFFD,
                                          WXN,    UWXN,   TBI0,   TBI1,  PAN,    AA64,   HD,     HA,
                                          S,      R,      A,      ASET,  ASID,   NSCFG0, HAD0,   E0PD0,
                                          HAFT,   TTB0,   PnCH,   EPAN,  HWU059, HWU060, HWU061, HWU062,
                                          NSCFG1, HAD1,   E0PD1,  AIE,   TTB1,   DS,     PIE,    HWU159,
                                          HWU160, HWU161, HWU162, MAIR0, MAIR1,  AMAIR0, AMAIR1, IMPDEF_351_320,
                                          PARTID, PMG,    PIIU0,  PIIU1, PIIU2,  PIIU3,  PIIU4,  PIIU5,
                                          PIIU6,  PIIU7,  PIIU8,  PIIU9, PIIU10, PIIU11, PIIU12, PIIU13,
                                          PIIU14, PIIU15, PIIP0,  PIIP1, PIIP2,  PIIP3,  PIIP4,  PIIP5,
                                          PIIP6,  PIIP7,  PIIP8,  PIIP9, PIIP10, PIIP11, PIIP12, PIIP13,
                                          PIIP14, PIIP15};
};
static_assert(base::well_formed<Cd>());
static_assert(sizeof(Cd) == 64);

} // namespace sluice::arch
