#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/register.hpp>

// Stream table and queues. 3.5.1, 6.3.24 to 6.3.36, 6.3.95 to 6.3.98
namespace sluice::arch {

// 6.3.25 STRTAB_BASE_CFG.FMT; 2 and 3 behave as linear.
enum class StreamTableFormat : std::uint8_t { linear = 0, two_level = 1 };

// 6.3.24
struct STRTAB_BASE : Register<STRTAB_BASE, 0x080, 64, Access::rw> {
  static constexpr base::Address<STRTAB_BASE, 55, 6> ADDR{};
  static constexpr base::Field<STRTAB_BASE, 62> RA{};

  static constexpr base::FieldList fields{ADDR, RA};
};

// 6.3.25
struct STRTAB_BASE_CFG : Register<STRTAB_BASE_CFG, 0x088, 32, Access::rw> {
  static constexpr base::Field<STRTAB_BASE_CFG, 5, 0> LOG2SIZE{};
  static constexpr base::Field<STRTAB_BASE_CFG, 10, 6> SPLIT{}; // l1.hpp effective_split
  static constexpr base::Field<STRTAB_BASE_CFG, 17, 16, StreamTableFormat> FMT{};

  static constexpr base::FieldList fields{LOG2SIZE, SPLIT, FMT};
};

// 6.3.26
struct CMDQ_BASE : Register<CMDQ_BASE, 0x090, 64, Access::rw> {
  static constexpr base::Field<CMDQ_BASE, 4, 0> LOG2SIZE{};
  static constexpr base::Address<CMDQ_BASE, 55, 5> ADDR{};
  static constexpr base::Field<CMDQ_BASE, 62> RA{};

  static constexpr base::FieldList fields{LOG2SIZE, ADDR, RA};
};

// 6.3.27
struct CMDQ_PROD : Register<CMDQ_PROD, 0x098, 32, Access::rw> {
  static constexpr base::Field<CMDQ_PROD, 19, 0> WR{};

  static constexpr base::FieldList fields{WR};
};

// 6.3.28
struct CMDQ_CONS : Register<CMDQ_CONS, 0x09c, 32, Access::rw> {
  static constexpr base::Field<CMDQ_CONS, 19, 0> RD{};
  static constexpr base::Field<CMDQ_CONS, 30, 24, Cerror> ERR{};

  static constexpr base::FieldList fields{RD, ERR};
};

// EVENTQ_BASE and PRIQ_BASE
template <class Self>
struct OutputBaseFields {
  static constexpr base::Field<Self, 4, 0> LOG2SIZE{};
  static constexpr base::Address<Self, 55, 5> ADDR{};
  static constexpr base::Field<Self, 62> WA{};

  static constexpr base::FieldList fields{LOG2SIZE, ADDR, WA};
};
// Overflow is active while OVFLG and OVACKFLG differ. 7.4, 8.1
template <class Self>
struct OutputProdFields {
  static constexpr base::Field<Self, 19, 0> WR{};
  static constexpr base::Field<Self, 31> OVFLG{};

  static constexpr base::FieldList fields{WR, OVFLG};
};
template <class Self>
struct OutputConsFields {
  static constexpr base::Field<Self, 19, 0> RD{};
  static constexpr base::Field<Self, 31> OVACKFLG{};

  static constexpr base::FieldList fields{RD, OVACKFLG};
};
struct EVENTQ_BASE : Register<EVENTQ_BASE, 0x0a0, 64, Access::rw>, OutputBaseFields<EVENTQ_BASE> {};
struct EVENTQ_PROD : Register<EVENTQ_PROD, page1 + 0x0a8, 32, Access::rw>, OutputProdFields<EVENTQ_PROD> {};
struct EVENTQ_CONS : Register<EVENTQ_CONS, page1 + 0x0ac, 32, Access::rw>, OutputConsFields<EVENTQ_CONS> {};
struct PRIQ_BASE : Register<PRIQ_BASE, 0x0c0, 64, Access::rw>, OutputBaseFields<PRIQ_BASE> {};
struct PRIQ_PROD : Register<PRIQ_PROD, page1 + 0x0c8, 32, Access::rw>, OutputProdFields<PRIQ_PROD> {};
struct PRIQ_CONS : Register<PRIQ_CONS, page1 + 0x0cc, 32, Access::rw>, OutputConsFields<PRIQ_CONS> {};

// 6.3.49 to 6.3.51 CMDQ_CONTROL_PAGE_{BASE,CFG,STATUS}<n>, n times 32 bytes apart
inline constexpr std::uint32_t cmdq_control_page_stride = 0x20;
struct CMDQ_CONTROL_PAGE_BASE : Register<CMDQ_CONTROL_PAGE_BASE, 0x4000, 64, Access::ro> {
  static constexpr base::Field<CMDQ_CONTROL_PAGE_BASE, 0> PRESET{};
  static constexpr base::Field<CMDQ_CONTROL_PAGE_BASE, 2, 1> CMDQGS{};
  static constexpr base::Address<CMDQ_CONTROL_PAGE_BASE, 55, 16> ADDR{};

  static constexpr base::FieldList fields{PRESET, CMDQGS, ADDR};
};
struct CMDQ_CONTROL_PAGE_CFG : Register<CMDQ_CONTROL_PAGE_CFG, 0x4008, 32, Access::ro> {
  static constexpr base::Field<CMDQ_CONTROL_PAGE_CFG, 0> EN{};

  static constexpr base::FieldList fields{EN};
};
struct CMDQ_CONTROL_PAGE_STATUS : Register<CMDQ_CONTROL_PAGE_STATUS, 0x400c, 32, Access::ro> {
  static constexpr base::Field<CMDQ_CONTROL_PAGE_STATUS, 0> ENACK{};

  static constexpr base::FieldList fields{ENACK};
};

// 6.3.107 to 6.3.109; offsets from the queue's own place in its control page.
struct ECMDQ_BASE : Register<ECMDQ_BASE, 0x00, 64, Access::rw> {
  static constexpr base::Field<ECMDQ_BASE, 4, 0> LOG2SIZE{};
  static constexpr base::Address<ECMDQ_BASE, 55, 5> ADDR{};
  static constexpr base::Field<ECMDQ_BASE, 62> RA{};

  static constexpr base::FieldList fields{LOG2SIZE, ADDR, RA};
};
struct ECMDQ_PROD : Register<ECMDQ_PROD, 0x08, 32, Access::rw> {
  static constexpr base::Field<ECMDQ_PROD, 19, 0> WR{};
  static constexpr base::Field<ECMDQ_PROD, 23> ERRACK{};
  static constexpr base::Field<ECMDQ_PROD, 31> EN{};

  static constexpr base::FieldList fields{WR, ERRACK, EN};
};
struct ECMDQ_CONS : Register<ECMDQ_CONS, 0x0c, 32, Access::rw> {
  static constexpr base::Field<ECMDQ_CONS, 19, 0> RD{};
  static constexpr base::Field<ECMDQ_CONS, 23> ERR{};
  static constexpr base::Field<ECMDQ_CONS, 26, 24, Cerror> ERR_REASON{};
  static constexpr base::Field<ECMDQ_CONS, 31> ENACK{};

  static constexpr base::FieldList fields{RD, ERR, ERR_REASON, ENACK};
};

static_assert(well_formed_register<STRTAB_BASE>() && well_formed_register<STRTAB_BASE_CFG>());
static_assert(well_formed_register<CMDQ_BASE>() && well_formed_register<CMDQ_PROD>());
static_assert(well_formed_register<CMDQ_CONS>() && well_formed_register<EVENTQ_BASE>());
static_assert(well_formed_register<EVENTQ_PROD>() && well_formed_register<EVENTQ_CONS>());
static_assert(well_formed_register<CMDQ_CONTROL_PAGE_BASE>() && well_formed_register<CMDQ_CONTROL_PAGE_CFG>());
static_assert(well_formed_register<ECMDQ_BASE>() && well_formed_register<ECMDQ_PROD>());
static_assert(well_formed_register<ECMDQ_CONS>());

} // namespace sluice::arch
