#pragma once

#include <sluice/arch/attributes.hpp>
#include <sluice/arch/register.hpp>

// Control, status, bypass attributes, interrupts and errors.
namespace sluice::arch {

// 6.3.9 CR0, 6.3.10 CR0ACK
template <class Self>
struct Cr0Fields {
  static constexpr base::Field<Self, 0> SMMUEN{};
  static constexpr base::Field<Self, 1> PRIQEN{};
  static constexpr base::Field<Self, 2> EVENTQEN{};
  static constexpr base::Field<Self, 3> CMDQEN{};
  static constexpr base::Field<Self, 4> ATSCHK{};
  static constexpr base::Field<Self, 8, 6> VMW{};
  static constexpr base::Field<Self, 10> DPT_WALK_EN{};

  static constexpr base::FieldList fields{SMMUEN, PRIQEN, EVENTQEN, CMDQEN, ATSCHK, VMW, DPT_WALK_EN};
};
struct CR0 : Register<CR0, 0x020, 32, Access::rw>, Cr0Fields<CR0> {};
struct CR0ACK : Register<CR0ACK, 0x024, 32, Access::ro>, Cr0Fields<CR0ACK> {};

// 6.3.11
struct CR1 : Register<CR1, 0x028, 32, Access::rw> {
  static constexpr base::Field<CR1, 1, 0, RegisterCacheability> QUEUE_IC{};
  static constexpr base::Field<CR1, 3, 2, RegisterCacheability> QUEUE_OC{};
  static constexpr base::Field<CR1, 5, 4, Shareability> QUEUE_SH{};
  static constexpr base::Field<CR1, 7, 6, RegisterCacheability> TABLE_IC{};
  static constexpr base::Field<CR1, 9, 8, RegisterCacheability> TABLE_OC{};
  static constexpr base::Field<CR1, 11, 10, Shareability> TABLE_SH{};

  static constexpr base::FieldList fields{QUEUE_IC, QUEUE_OC, QUEUE_SH, TABLE_IC, TABLE_OC, TABLE_SH};
};

// 6.3.12
struct CR2 : Register<CR2, 0x02c, 32, Access::rw> {
  static constexpr base::Field<CR2, 0> E2H{};
  static constexpr base::Field<CR2, 1> RECINVSID{};
  static constexpr base::Field<CR2, 2> PTM{};
  static constexpr base::Field<CR2, 3> REC_CFG_ATS{};

  static constexpr base::FieldList fields{E2H, RECINVSID, PTM, REC_CFG_ATS};
};

// 6.3.17 Stage 2 permission indirection, with IDR3.S2PI: sixteen encodings of 4 bits.
struct S2PII : Register<S2PII, 0x030, 64, Access::rw> {
  static constexpr base::Field<S2PII, 63, 0> PII{};

  static constexpr base::FieldList fields{PII};
};

// 6.3.13
struct STATUSR : Register<STATUSR, 0x040, 32, Access::ro> {
  static constexpr base::Field<STATUSR, 0> DORMANT{};

  static constexpr base::FieldList fields{DORMANT};
};

// 6.3.14
struct GBPA : Register<GBPA, 0x044, 32, Access::rw> {
  static constexpr base::Field<GBPA, 3, 0, arch::MemAttr> MemAttr{};
  static constexpr base::Field<GBPA, 4> MTCFG{};
  static constexpr base::Field<GBPA, 11, 8> ALLOCCFG{};
  static constexpr base::Field<GBPA, 13, 12, ShareabilityOverride> SHCFG{};
  static constexpr base::Field<GBPA, 17, 16, PrivilegeOverride> PRIVCFG{};
  static constexpr base::Field<GBPA, 19, 18, InstructionOverride> INSTCFG{};
  static constexpr base::Field<GBPA, 20> ABORT{};
  static constexpr base::Field<GBPA, 31> Update{};

  static constexpr base::FieldList fields{MemAttr, MTCFG, ALLOCCFG, SHCFG, PRIVCFG, INSTCFG, ABORT, Update};
};

// 6.3.15
struct AGBPA : Register<AGBPA, 0x048, 32, Access::rw> {
  static constexpr base::Field<AGBPA, 31, 0> IMPDEF{};

  static constexpr base::FieldList fields{IMPDEF};
};

// 6.3.16 IRQ_CTRL, 6.3.18 IRQ_CTRLACK
template <class Self>
struct IrqCtrlFields {
  static constexpr base::Field<Self, 0> GERROR_IRQEN{};
  static constexpr base::Field<Self, 1> PRIQ_IRQEN{};
  static constexpr base::Field<Self, 2> EVENTQ_IRQEN{};

  static constexpr base::FieldList fields{GERROR_IRQEN, PRIQ_IRQEN, EVENTQ_IRQEN};
};
struct IRQ_CTRL : Register<IRQ_CTRL, 0x050, 32, Access::rw>, IrqCtrlFields<IRQ_CTRL> {};
struct IRQ_CTRLACK : Register<IRQ_CTRLACK, 0x054, 32, Access::ro>, IrqCtrlFields<IRQ_CTRLACK> {};

// 6.3.19 GERROR, 6.3.20 GERRORN: an error is active while the bits differ.
template <class Self>
struct GerrorFields {
  static constexpr base::Field<Self, 0> CMDQ_ERR{};
  static constexpr base::Field<Self, 2> EVENTQ_ABT_ERR{};
  static constexpr base::Field<Self, 3> PRIQ_ABT_ERR{};
  static constexpr base::Field<Self, 4> MSI_CMDQ_ABT_ERR{};
  static constexpr base::Field<Self, 5> MSI_EVENTQ_ABT_ERR{};
  static constexpr base::Field<Self, 6> MSI_PRIQ_ABT_ERR{};
  static constexpr base::Field<Self, 7> MSI_GERROR_ABT_ERR{};
  static constexpr base::Field<Self, 8> SFM_ERR{};
  static constexpr base::Field<Self, 9> CMDQP_ERR{};
  static constexpr base::Field<Self, 10> DPT_ERR{};

  static constexpr base::FieldList fields{CMDQ_ERR,           EVENTQ_ABT_ERR,   PRIQ_ABT_ERR,       MSI_CMDQ_ABT_ERR,
                                          MSI_EVENTQ_ABT_ERR, MSI_PRIQ_ABT_ERR, MSI_GERROR_ABT_ERR, SFM_ERR,
                                          CMDQP_ERR,          DPT_ERR};
};
struct GERROR : Register<GERROR, 0x060, 32, Access::ro>, GerrorFields<GERROR> {};
struct GERRORN : Register<GERRORN, 0x064, 32, Access::rw>, GerrorFields<GERRORN> {};

// x_IRQ_CFG0: where the message goes; ADDR 0 sends none. 3.18
template <class Self>
struct IrqCfg0Fields {
  static constexpr base::Address<Self, 55, 2> ADDR{};

  static constexpr base::FieldList fields{ADDR};
};
template <class Self>
struct IrqCfg1Fields {
  static constexpr base::Field<Self, 31, 0> DATA{};

  static constexpr base::FieldList fields{DATA};
};
template <class Self>
struct IrqCfg2Fields {
  static constexpr base::Field<Self, 3, 0, arch::MemAttr> MemAttr{};
  static constexpr base::Field<Self, 5, 4, Shareability> SH{};

  static constexpr base::FieldList fields{MemAttr, SH};
};
struct GERROR_IRQ_CFG0 : Register<GERROR_IRQ_CFG0, 0x068, 64, Access::rw>, IrqCfg0Fields<GERROR_IRQ_CFG0> {};
struct GERROR_IRQ_CFG1 : Register<GERROR_IRQ_CFG1, 0x070, 32, Access::rw>, IrqCfg1Fields<GERROR_IRQ_CFG1> {};
struct GERROR_IRQ_CFG2 : Register<GERROR_IRQ_CFG2, 0x074, 32, Access::rw>, IrqCfg2Fields<GERROR_IRQ_CFG2> {};
struct EVENTQ_IRQ_CFG0 : Register<EVENTQ_IRQ_CFG0, 0x0b0, 64, Access::rw>, IrqCfg0Fields<EVENTQ_IRQ_CFG0> {};
struct EVENTQ_IRQ_CFG1 : Register<EVENTQ_IRQ_CFG1, 0x0b8, 32, Access::rw>, IrqCfg1Fields<EVENTQ_IRQ_CFG1> {};
struct EVENTQ_IRQ_CFG2 : Register<EVENTQ_IRQ_CFG2, 0x0bc, 32, Access::rw>, IrqCfg2Fields<EVENTQ_IRQ_CFG2> {};
struct PRIQ_IRQ_CFG0 : Register<PRIQ_IRQ_CFG0, 0x0d0, 64, Access::rw>, IrqCfg0Fields<PRIQ_IRQ_CFG0> {};
struct PRIQ_IRQ_CFG1 : Register<PRIQ_IRQ_CFG1, 0x0d8, 32, Access::rw>, IrqCfg1Fields<PRIQ_IRQ_CFG1> {};
struct PRIQ_IRQ_CFG2 : Register<PRIQ_IRQ_CFG2, 0x0dc, 32, Access::rw> {
  static constexpr base::Field<PRIQ_IRQ_CFG2, 3, 0, arch::MemAttr> MemAttr{};
  static constexpr base::Field<PRIQ_IRQ_CFG2, 5, 4, Shareability> SH{};
  static constexpr base::Field<PRIQ_IRQ_CFG2, 31> LO{};

  static constexpr base::FieldList fields{MemAttr, SH, LO};
};

static_assert(well_formed_register<CR0>() && well_formed_register<CR0ACK>() && well_formed_register<CR1>());
static_assert(well_formed_register<CR2>() && well_formed_register<S2PII>() && well_formed_register<STATUSR>());
static_assert(well_formed_register<GBPA>() && well_formed_register<AGBPA>() && well_formed_register<IRQ_CTRL>());
static_assert(well_formed_register<IRQ_CTRLACK>() && well_formed_register<GERROR>() && well_formed_register<GERRORN>());
static_assert(well_formed_register<GERROR_IRQ_CFG0>() && well_formed_register<GERROR_IRQ_CFG1>());
static_assert(well_formed_register<GERROR_IRQ_CFG2>() && well_formed_register<PRIQ_IRQ_CFG2>());

} // namespace sluice::arch
