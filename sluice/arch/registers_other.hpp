#pragma once

#include <sluice/arch/register.hpp>

// Address translation operations, MPAM, DPT and the identification block.
namespace sluice::arch {

// 6.3.39 GATOS_ADDR.TYPE
enum class AtosType : std::uint8_t { reserved = 0, stage1 = 1, stage2 = 2, nested = 3 };

// 9.1.5 REASON of a failed operation
enum class AtosReason : std::uint8_t { stage1 = 0, stage2_cd = 1, stage2_ttd = 2, stage2_in = 3 };

// 9.1.5 FAULTCODE is an event number or one of these.
inline constexpr std::uint8_t atos_inv_req = 0xff;
inline constexpr std::uint8_t atos_inv_stage = 0xfe;
inline constexpr std::uint8_t atos_internal_err = 0xfd;

// 6.3.37 to 6.3.40
template <class Self>
struct AtosCtrlFields {
  static constexpr base::Field<Self, 0> RUN{};

  static constexpr base::FieldList fields{RUN};
};
template <class Self>
struct AtosSidFields {
  static constexpr base::Field<Self, 31, 0> StreamID{};
  static constexpr base::Field<Self, 51, 32> SubstreamID{};
  static constexpr base::Field<Self, 52> SSID_VALID{};

  static constexpr base::FieldList fields{StreamID, SubstreamID, SSID_VALID};
};
template <class Self>
struct AtosAddrFields {
  static constexpr base::Field<Self, 6> HTTUI{};
  static constexpr base::Field<Self, 7> InD{};
  static constexpr base::Field<Self, 8> RnW{};
  static constexpr base::Field<Self, 9> PnU{};
  static constexpr base::Field<Self, 11, 10, AtosType> TYPE{};
  static constexpr base::Address<Self, 63, 12> ADDR{};

  static constexpr base::FieldList fields{HTTUI, InD, RnW, PnU, TYPE, ADDR};
};
template <class Self>
struct AtosParFields {
  static constexpr base::Field<Self, 0> FAULT{};
  static constexpr base::Field<Self, 9, 8> SH{};
  static constexpr base::Field<Self, 11> Size{};
  static constexpr base::Address<Self, 55, 12> ADDR{};
  static constexpr base::Field<Self, 63, 56> ATTR{};
  // With FAULT = 1
  static constexpr base::Field<Self, 2, 1, AtosReason> REASON{};
  static constexpr base::Field<Self, 11, 4> FAULTCODE{};
  static constexpr base::Address<Self, 55, 12> FADDR{};
  static constexpr base::Field<Self, 63, 60> IMPDEF{};

  static constexpr base::FieldList fields{FAULT, SH, Size, ADDR, ATTR};
  static constexpr base::FieldList fault_fields{FAULT, REASON, FAULTCODE, FADDR, IMPDEF};
};
struct GATOS_CTRL : Register<GATOS_CTRL, 0x100, 32, Access::rw>, AtosCtrlFields<GATOS_CTRL> {};
struct GATOS_SID : Register<GATOS_SID, 0x108, 64, Access::rw>, AtosSidFields<GATOS_SID> {};
struct GATOS_ADDR : Register<GATOS_ADDR, 0x110, 64, Access::rw>, AtosAddrFields<GATOS_ADDR> {};
struct GATOS_PAR : Register<GATOS_PAR, 0x118, 64, Access::ro>, AtosParFields<GATOS_PAR> {};

// Offsets from the VATOS page, which is at page 0 + 0x20000 + IDR2.BA_VATOS * 0x10000.
struct VATOS_CTRL : Register<VATOS_CTRL, 0xa00, 32, Access::rw>, AtosCtrlFields<VATOS_CTRL> {};
struct VATOS_SID : Register<VATOS_SID, 0xa08, 64, Access::rw>, AtosSidFields<VATOS_SID> {};
struct VATOS_ADDR : Register<VATOS_ADDR, 0xa10, 64, Access::rw>, AtosAddrFields<VATOS_ADDR> {};
struct VATOS_PAR : Register<VATOS_PAR, 0xa18, 64, Access::ro>, AtosParFields<VATOS_PAR> {};

struct MPAMIDR : Register<MPAMIDR, 0x130, 32, Access::ro> {
  static constexpr base::Field<MPAMIDR, 15, 0> PARTID_MAX{};
  static constexpr base::Field<MPAMIDR, 23, 16> PMG_MAX{};

  static constexpr base::FieldList fields{PARTID_MAX, PMG_MAX};
};
// Of the SMMU's own accesses.
struct GMPAM : Register<GMPAM, 0x138, 32, Access::rw> {
  static constexpr base::Field<GMPAM, 15, 0> SO_PARTID{};
  static constexpr base::Field<GMPAM, 23, 16> SO_PMG{};
  static constexpr base::Field<GMPAM, 31> Update{};

  static constexpr base::FieldList fields{SO_PARTID, SO_PMG, Update};
};
// Of transactions while SMMUEN is 0.
struct GBPMPAM : Register<GBPMPAM, 0x13c, 32, Access::rw> {
  static constexpr base::Field<GBPMPAM, 15, 0> GBP_PARTID{};
  static constexpr base::Field<GBPMPAM, 23, 16> GBP_PMG{};
  static constexpr base::Field<GBPMPAM, 31> Update{};

  static constexpr base::FieldList fields{GBP_PARTID, GBP_PMG, Update};
};

struct VATOS_SEL : Register<VATOS_SEL, 0x180, 32, Access::rw> {
  static constexpr base::Field<VATOS_SEL, 15, 0> VMID{};

  static constexpr base::FieldList fields{VMID};
};

// Places only: their layouts are not in use.
struct DPT_BASE : Register<DPT_BASE, 0x200, 64, Access::rw> {
  static constexpr base::FieldList fields{};
};
struct DPT_BASE_CFG : Register<DPT_BASE_CFG, 0x208, 32, Access::rw> {
  static constexpr base::FieldList fields{};
};
struct DPT_CFG_FAR : Register<DPT_CFG_FAR, 0x210, 64, Access::rw> {
  static constexpr base::FieldList fields{};
};

// 6.3 ID_REGS: component and peripheral identification.
inline constexpr std::uint32_t id_regs_offset = 0xfd0;
inline constexpr std::uint32_t pidr4_offset = 0xfd0; // PIDR5 to PIDR7 follow and are 0
inline constexpr std::uint32_t pidr0_offset = 0xfe0;
inline constexpr std::uint32_t cidr0_offset = 0xff0;
inline constexpr std::uint8_t cidr[4] = {0x0d, 0xf0, 0x05, 0xb1};

static_assert(well_formed_register<GATOS_CTRL>() && well_formed_register<GATOS_SID>());
static_assert(well_formed_register<GATOS_ADDR>() && well_formed_register<GATOS_PAR>());
static_assert(well_formed_register<MPAMIDR>() && well_formed_register<GMPAM>() && well_formed_register<GBPMPAM>());
static_assert(well_formed_register<VATOS_SEL>());

} // namespace sluice::arch
