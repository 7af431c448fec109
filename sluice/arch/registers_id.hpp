#pragma once

#include <sluice/arch/register.hpp>
#include <sluice/arch/sizes.hpp>

// Identification registers.
namespace sluice::arch {

// 6.3.1 IDR0.TTF
enum class Ttf : std::uint8_t { reserved = 0, aarch32 = 1, aarch64 = 2, both = 3 };

// 6.3.1 IDR0.HTTU
enum class Httu : std::uint8_t { none = 0, access = 1, access_dirty = 2, access_dirty_table = 3 };

// 6.3.1 IDR0.TTENDIAN
enum class TtEndian : std::uint8_t { mixed = 0, reserved = 1, little = 2, big = 3 };

// 6.3.1 IDR0.STALL_MODEL
enum class StallModel : std::uint8_t { stall_or_terminate = 0, terminate = 1, stall = 2, reserved = 3 };

// 6.3.1 IDR0.ST_LEVEL
enum class StLevel : std::uint8_t { linear = 0, two_level = 1 };

// 6.3.4 IDR3.BBML
enum class Bbml : std::uint8_t { level0 = 0, level1 = 1, level2 = 2, reserved = 3 };

// 6.3.6 IDR5.VAX
enum class Vax : std::uint8_t { bits48 = 0, bits52 = 1, bits56 = 2, reserved = 3 };

// 6.3.1
struct IDR0 : Register<IDR0, 0x000, 32, Access::ro> {
  static constexpr base::Field<IDR0, 0> S2P{};
  static constexpr base::Field<IDR0, 1> S1P{};
  static constexpr base::Field<IDR0, 3, 2, Ttf> TTF{};
  static constexpr base::Field<IDR0, 4> COHACC{};
  static constexpr base::Field<IDR0, 5> BTM{};
  static constexpr base::Field<IDR0, 7, 6, Httu> HTTU{};
  static constexpr base::Field<IDR0, 8> DORMHINT{};
  static constexpr base::Field<IDR0, 9> Hyp{};
  static constexpr base::Field<IDR0, 10> ATS{};
  static constexpr base::Field<IDR0, 11> NS1ATS{}; // 1: no split-stage ATS
  static constexpr base::Field<IDR0, 12> ASID16{};
  static constexpr base::Field<IDR0, 13> MSI{};
  static constexpr base::Field<IDR0, 14> SEV{};
  static constexpr base::Field<IDR0, 15> ATOS{};
  static constexpr base::Field<IDR0, 16> PRI{};
  static constexpr base::Field<IDR0, 17> VMW{};
  static constexpr base::Field<IDR0, 18> VMID16{};
  static constexpr base::Field<IDR0, 19> CD2L{};
  static constexpr base::Field<IDR0, 20> VATOS{};
  static constexpr base::Field<IDR0, 22, 21, TtEndian> TTENDIAN{};
  static constexpr base::Field<IDR0, 23> ATSRECERR{};
  static constexpr base::Field<IDR0, 25, 24, StallModel> STALL_MODEL{};
  static constexpr base::Field<IDR0, 26> TERM_MODEL{}; // 1: CD.A has to be 1
  static constexpr base::Field<IDR0, 28, 27, StLevel> ST_LEVEL{};
  static constexpr base::Field<IDR0, 30> RME_IMPL{};

  static constexpr base::FieldList fields{
      S2P,  S1P, TTF, COHACC, BTM,  HTTU,  DORMHINT, Hyp,       ATS,         NS1ATS,     ASID16,   MSI,     SEV,
      ATOS, PRI, VMW, VMID16, CD2L, VATOS, TTENDIAN, ATSRECERR, STALL_MODEL, TERM_MODEL, ST_LEVEL, RME_IMPL};
};

// 6.3.2
struct IDR1 : Register<IDR1, 0x004, 32, Access::ro> {
  static constexpr base::Field<IDR1, 5, 0> SIDSIZE{};
  static constexpr base::Field<IDR1, 10, 6> SSIDSIZE{};
  static constexpr base::Field<IDR1, 15, 11> PRIQS{};
  static constexpr base::Field<IDR1, 20, 16> EVENTQS{};
  static constexpr base::Field<IDR1, 25, 21> CMDQS{};
  static constexpr base::Field<IDR1, 26> ATTR_PERMS_OVR{};
  static constexpr base::Field<IDR1, 27> ATTR_TYPES_OVR{};
  static constexpr base::Field<IDR1, 28> REL{};
  static constexpr base::Field<IDR1, 29> QUEUES_PRESET{};
  static constexpr base::Field<IDR1, 30> TABLES_PRESET{};
  static constexpr base::Field<IDR1, 31> ECMDQ{};

  static constexpr base::FieldList fields{SIDSIZE,        SSIDSIZE, PRIQS,         EVENTQS,       CMDQS, ATTR_PERMS_OVR,
                                          ATTR_TYPES_OVR, REL,      QUEUES_PRESET, TABLES_PRESET, ECMDQ};
};

// 6.3.3
struct IDR2 : Register<IDR2, 0x008, 32, Access::ro> {
  static constexpr base::Field<IDR2, 9, 0> BA_VATOS{};

  static constexpr base::FieldList fields{BA_VATOS};
};

// 6.3.4
struct IDR3 : Register<IDR3, 0x00c, 32, Access::ro> {
  static constexpr base::Field<IDR3, 2> HAD{};
  static constexpr base::Field<IDR3, 3> PBHA{};
  static constexpr base::Field<IDR3, 4> XNX{};
  static constexpr base::Field<IDR3, 5> PPS{};
  static constexpr base::Field<IDR3, 7> MPAM{};
  static constexpr base::Field<IDR3, 8> FWB{};
  static constexpr base::Field<IDR3, 9> STT{};
  static constexpr base::Field<IDR3, 10> RIL{};
  static constexpr base::Field<IDR3, 12, 11, Bbml> BBML{};
  static constexpr base::Field<IDR3, 13> E0PD{};
  static constexpr base::Field<IDR3, 14> PTWNNC{};
  static constexpr base::Field<IDR3, 15> DPT{};
  static constexpr base::Field<IDR3, 16> PASIDTT{};
  static constexpr base::Field<IDR3, 17> EPAN{};
  static constexpr base::Field<IDR3, 18> S1PI{};
  static constexpr base::Field<IDR3, 19> S2PI{};
  static constexpr base::Field<IDR3, 20> S2PO{};
  static constexpr base::Field<IDR3, 21> THE{};
  static constexpr base::Field<IDR3, 22> MTEPERM{};
  static constexpr base::Field<IDR3, 23> AIE{};

  static constexpr base::FieldList fields{HAD,    PBHA, XNX,     PPS,  MPAM, FWB,  STT,  RIL, BBML,    E0PD,
                                          PTWNNC, DPT,  PASIDTT, EPAN, S1PI, S2PI, S2PO, THE, MTEPERM, AIE};
};

// 6.3.5
struct IDR4 : Register<IDR4, 0x010, 32, Access::ro> {
  static constexpr base::Field<IDR4, 31, 0> IMPDEF{};

  static constexpr base::FieldList fields{IMPDEF};
};

// 6.3.6
struct IDR5 : Register<IDR5, 0x014, 32, Access::ro> {
  static constexpr base::Field<IDR5, 2, 0, AddressSize> OAS{};
  static constexpr base::Field<IDR5, 4> GRAN4K{};
  static constexpr base::Field<IDR5, 5> GRAN16K{};
  static constexpr base::Field<IDR5, 6> GRAN64K{};
  static constexpr base::Field<IDR5, 7> DS{};
  static constexpr base::Field<IDR5, 8> D128{};
  static constexpr base::Field<IDR5, 11, 10, Vax> VAX{};
  static constexpr base::Field<IDR5, 31, 16> STALL_MAX{};

  static constexpr base::FieldList fields{OAS, GRAN4K, GRAN16K, GRAN64K, DS, D128, VAX, STALL_MAX};
};

// 6.3.7
struct IIDR : Register<IIDR, 0x018, 32, Access::ro> {
  static constexpr base::Field<IIDR, 11, 0> Implementer{};
  static constexpr base::Field<IIDR, 15, 12> Revision{};
  static constexpr base::Field<IIDR, 19, 16> Variant{};
  static constexpr base::Field<IIDR, 31, 20> ProductID{};

  static constexpr base::FieldList fields{Implementer, Revision, Variant, ProductID};
};

// 6.3.8
struct AIDR : Register<AIDR, 0x01c, 32, Access::ro> {
  static constexpr base::Field<AIDR, 3, 0> ArchMinorRev{};
  static constexpr base::Field<AIDR, 7, 4> ArchMajorRev{};

  static constexpr base::FieldList fields{ArchMinorRev, ArchMajorRev};
};

// 6.3.45
struct IDR6 : Register<IDR6, 0x190, 32, Access::ro> {
  static constexpr base::Field<IDR6, 19, 16> CMDQ_CONTROL_PAGE_LOG2NUMQ{};
  static constexpr base::Field<IDR6, 27, 24> CMDQ_CONTROL_PAGE_LOG2NUMP{};

  static constexpr base::FieldList fields{CMDQ_CONTROL_PAGE_LOG2NUMQ, CMDQ_CONTROL_PAGE_LOG2NUMP};
};

static_assert(well_formed_register<IDR0>() && well_formed_register<IDR1>() && well_formed_register<IDR2>());
static_assert(well_formed_register<IDR3>() && well_formed_register<IDR4>() && well_formed_register<IDR5>());
static_assert(well_formed_register<IDR6>() && well_formed_register<IIDR>() && well_formed_register<AIDR>());

} // namespace sluice::arch
