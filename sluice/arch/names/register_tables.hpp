#pragma once

#include <sluice/arch/names/table.hpp>

// The names of every register's fields.
namespace sluice::arch::names::detail {

template <class R>
inline constexpr std::array<NamedField, 0> table_of{};

template <>
inline constexpr auto table_of<IDR0> = table<decltype(IDR0::fields)>(
    named(IDR0::S2P, "S2P"), named(IDR0::S1P, "S1P"), named(IDR0::TTF, "TTF"), named(IDR0::COHACC, "COHACC"),
    named(IDR0::BTM, "BTM"), named(IDR0::HTTU, "HTTU"), named(IDR0::DORMHINT, "DORMHINT"), named(IDR0::Hyp, "Hyp"),
    named(IDR0::ATS, "ATS"), named(IDR0::NS1ATS, "NS1ATS"), named(IDR0::ASID16, "ASID16"), named(IDR0::MSI, "MSI"),
    named(IDR0::SEV, "SEV"), named(IDR0::ATOS, "ATOS"), named(IDR0::PRI, "PRI"), named(IDR0::VMW, "VMW"),
    named(IDR0::VMID16, "VMID16"), named(IDR0::CD2L, "CD2L"), named(IDR0::VATOS, "VATOS"),
    named(IDR0::TTENDIAN, "TTENDIAN"), named(IDR0::ATSRECERR, "ATSRECERR"), named(IDR0::STALL_MODEL, "STALL_MODEL"),
    named(IDR0::TERM_MODEL, "TERM_MODEL"), named(IDR0::ST_LEVEL, "ST_LEVEL"), named(IDR0::RME_IMPL, "RME_IMPL"));
template <>
inline constexpr auto table_of<IDR1> = table<decltype(IDR1::fields)>(
    named(IDR1::SIDSIZE, "SIDSIZE"), named(IDR1::SSIDSIZE, "SSIDSIZE"), named(IDR1::PRIQS, "PRIQS"),
    named(IDR1::EVENTQS, "EVENTQS"), named(IDR1::CMDQS, "CMDQS"), named(IDR1::ATTR_PERMS_OVR, "ATTR_PERMS_OVR"),
    named(IDR1::ATTR_TYPES_OVR, "ATTR_TYPES_OVR"), named(IDR1::REL, "REL"), named(IDR1::QUEUES_PRESET, "QUEUES_PRESET"),
    named(IDR1::TABLES_PRESET, "TABLES_PRESET"), named(IDR1::ECMDQ, "ECMDQ"));
template <>
inline constexpr auto table_of<IDR2> = table<decltype(IDR2::fields)>(named(IDR2::BA_VATOS, "BA_VATOS"));
template <>
inline constexpr auto table_of<IDR3> = table<decltype(IDR3::fields)>(
    named(IDR3::HAD, "HAD"), named(IDR3::PBHA, "PBHA"), named(IDR3::XNX, "XNX"), named(IDR3::PPS, "PPS"),
    named(IDR3::MPAM, "MPAM"), named(IDR3::FWB, "FWB"), named(IDR3::STT, "STT"), named(IDR3::RIL, "RIL"),
    named(IDR3::BBML, "BBML"), named(IDR3::E0PD, "E0PD"), named(IDR3::PTWNNC, "PTWNNC"), named(IDR3::DPT, "DPT"),
    named(IDR3::PASIDTT, "PASIDTT"), named(IDR3::EPAN, "EPAN"), named(IDR3::S1PI, "S1PI"), named(IDR3::S2PI, "S2PI"),
    named(IDR3::S2PO, "S2PO"), named(IDR3::THE, "THE"), named(IDR3::MTEPERM, "MTEPERM"), named(IDR3::AIE, "AIE"));
template <>
inline constexpr auto table_of<IDR4> = table<decltype(IDR4::fields)>(named(IDR4::IMPDEF, "IMPDEF"));
template <>
inline constexpr auto
    table_of<IDR5> = table<decltype(IDR5::fields)>(named(IDR5::OAS, "OAS"), named(IDR5::GRAN4K, "GRAN4K"),
                                                   named(IDR5::GRAN16K, "GRAN16K"), named(IDR5::GRAN64K, "GRAN64K"),
                                                   named(IDR5::DS, "DS"), named(IDR5::D128, "D128"),
                                                   named(IDR5::VAX, "VAX"), named(IDR5::STALL_MAX, "STALL_MAX"));
template <>
inline constexpr auto table_of<IIDR> = table<decltype(IIDR::fields)>(named(IIDR::Implementer, "Implementer"),
                                                                     named(IIDR::Revision, "Revision"),
                                                                     named(IIDR::Variant, "Variant"),
                                                                     named(IIDR::ProductID, "ProductID"));
template <>
inline constexpr auto table_of<AIDR> = table<decltype(AIDR::fields)>(named(AIDR::ArchMinorRev, "ArchMinorRev"),
                                                                     named(AIDR::ArchMajorRev, "ArchMajorRev"));
template <>
inline constexpr auto
    table_of<CR0> = table<decltype(CR0::fields)>(named(CR0::SMMUEN, "SMMUEN"), named(CR0::PRIQEN, "PRIQEN"),
                                                 named(CR0::EVENTQEN, "EVENTQEN"), named(CR0::CMDQEN, "CMDQEN"),
                                                 named(CR0::ATSCHK, "ATSCHK"), named(CR0::VMW, "VMW"),
                                                 named(CR0::DPT_WALK_EN, "DPT_WALK_EN"));
template <>
inline constexpr auto table_of<CR0ACK> = table<decltype(CR0ACK::fields)>(
    named(CR0ACK::SMMUEN, "SMMUEN"), named(CR0ACK::PRIQEN, "PRIQEN"), named(CR0ACK::EVENTQEN, "EVENTQEN"),
    named(CR0ACK::CMDQEN, "CMDQEN"), named(CR0ACK::ATSCHK, "ATSCHK"), named(CR0ACK::VMW, "VMW"),
    named(CR0ACK::DPT_WALK_EN, "DPT_WALK_EN"));
template <>
inline constexpr auto
    table_of<CR1> = table<decltype(CR1::fields)>(named(CR1::QUEUE_IC, "QUEUE_IC"), named(CR1::QUEUE_OC, "QUEUE_OC"),
                                                 named(CR1::QUEUE_SH, "QUEUE_SH"), named(CR1::TABLE_IC, "TABLE_IC"),
                                                 named(CR1::TABLE_OC, "TABLE_OC"), named(CR1::TABLE_SH, "TABLE_SH"));
template <>
inline constexpr auto
    table_of<CR2> = table<decltype(CR2::fields)>(named(CR2::E2H, "E2H"), named(CR2::RECINVSID, "RECINVSID"),
                                                 named(CR2::PTM, "PTM"), named(CR2::REC_CFG_ATS, "REC_CFG_ATS"));
template <>
inline constexpr auto table_of<S2PII> = table<decltype(S2PII::fields)>(named(S2PII::PII, "PII"));
template <>
inline constexpr auto table_of<STATUSR> = table<decltype(STATUSR::fields)>(named(STATUSR::DORMANT, "DORMANT"));
template <>
inline constexpr auto
    table_of<GBPA> = table<decltype(GBPA::fields)>(named(GBPA::MemAttr, "MemAttr"), named(GBPA::MTCFG, "MTCFG"),
                                                   named(GBPA::ALLOCCFG, "ALLOCCFG"), named(GBPA::SHCFG, "SHCFG"),
                                                   named(GBPA::PRIVCFG, "PRIVCFG"), named(GBPA::INSTCFG, "INSTCFG"),
                                                   named(GBPA::ABORT, "ABORT"), named(GBPA::Update, "Update"));
template <>
inline constexpr auto table_of<AGBPA> = table<decltype(AGBPA::fields)>(named(AGBPA::IMPDEF, "IMPDEF"));
template <>
inline constexpr auto
    table_of<IRQ_CTRL> = table<decltype(IRQ_CTRL::fields)>(named(IRQ_CTRL::GERROR_IRQEN, "GERROR_IRQEN"),
                                                           named(IRQ_CTRL::PRIQ_IRQEN, "PRIQ_IRQEN"),
                                                           named(IRQ_CTRL::EVENTQ_IRQEN, "EVENTQ_IRQEN"));
template <>
inline constexpr auto
    table_of<IRQ_CTRLACK> = table<decltype(IRQ_CTRLACK::fields)>(named(IRQ_CTRLACK::GERROR_IRQEN, "GERROR_IRQEN"),
                                                                 named(IRQ_CTRLACK::PRIQ_IRQEN, "PRIQ_IRQEN"),
                                                                 named(IRQ_CTRLACK::EVENTQ_IRQEN, "EVENTQ_IRQEN"));
template <>
inline constexpr auto table_of<GERROR> = table<decltype(GERROR::fields)>(
    named(GERROR::CMDQ_ERR, "CMDQ_ERR"), named(GERROR::EVENTQ_ABT_ERR, "EVENTQ_ABT_ERR"),
    named(GERROR::PRIQ_ABT_ERR, "PRIQ_ABT_ERR"), named(GERROR::MSI_CMDQ_ABT_ERR, "MSI_CMDQ_ABT_ERR"),
    named(GERROR::MSI_EVENTQ_ABT_ERR, "MSI_EVENTQ_ABT_ERR"), named(GERROR::MSI_PRIQ_ABT_ERR, "MSI_PRIQ_ABT_ERR"),
    named(GERROR::MSI_GERROR_ABT_ERR, "MSI_GERROR_ABT_ERR"), named(GERROR::SFM_ERR, "SFM_ERR"),
    named(GERROR::CMDQP_ERR, "CMDQP_ERR"), named(GERROR::DPT_ERR, "DPT_ERR"));
template <>
inline constexpr auto table_of<GERRORN> = table<decltype(GERRORN::fields)>(
    named(GERRORN::CMDQ_ERR, "CMDQ_ERR"), named(GERRORN::EVENTQ_ABT_ERR, "EVENTQ_ABT_ERR"),
    named(GERRORN::PRIQ_ABT_ERR, "PRIQ_ABT_ERR"), named(GERRORN::MSI_CMDQ_ABT_ERR, "MSI_CMDQ_ABT_ERR"),
    named(GERRORN::MSI_EVENTQ_ABT_ERR, "MSI_EVENTQ_ABT_ERR"), named(GERRORN::MSI_PRIQ_ABT_ERR, "MSI_PRIQ_ABT_ERR"),
    named(GERRORN::MSI_GERROR_ABT_ERR, "MSI_GERROR_ABT_ERR"), named(GERRORN::SFM_ERR, "SFM_ERR"),
    named(GERRORN::CMDQP_ERR, "CMDQP_ERR"), named(GERRORN::DPT_ERR, "DPT_ERR"));
template <>
inline constexpr auto table_of<GERROR_IRQ_CFG0> = table<decltype(GERROR_IRQ_CFG0::fields)>(named(GERROR_IRQ_CFG0::ADDR,
                                                                                                 "ADDR"));
template <>
inline constexpr auto table_of<GERROR_IRQ_CFG1> = table<decltype(GERROR_IRQ_CFG1::fields)>(named(GERROR_IRQ_CFG1::DATA,
                                                                                                 "DATA"));
template <>
inline constexpr auto
    table_of<GERROR_IRQ_CFG2> = table<decltype(GERROR_IRQ_CFG2::fields)>(named(GERROR_IRQ_CFG2::MemAttr, "MemAttr"),
                                                                         named(GERROR_IRQ_CFG2::SH, "SH"));
template <>
inline constexpr auto table_of<STRTAB_BASE> = table<decltype(STRTAB_BASE::fields)>(named(STRTAB_BASE::ADDR, "ADDR"),
                                                                                   named(STRTAB_BASE::RA, "RA"));
template <>
inline constexpr auto
    table_of<STRTAB_BASE_CFG> = table<decltype(STRTAB_BASE_CFG::fields)>(named(STRTAB_BASE_CFG::LOG2SIZE, "LOG2SIZE"),
                                                                         named(STRTAB_BASE_CFG::SPLIT, "SPLIT"),
                                                                         named(STRTAB_BASE_CFG::FMT, "FMT"));
template <>
inline constexpr auto table_of<CMDQ_BASE> = table<decltype(CMDQ_BASE::fields)>(named(CMDQ_BASE::LOG2SIZE, "LOG2SIZE"),
                                                                               named(CMDQ_BASE::ADDR, "ADDR"),
                                                                               named(CMDQ_BASE::RA, "RA"));
template <>
inline constexpr auto table_of<CMDQ_PROD> = table<decltype(CMDQ_PROD::fields)>(named(CMDQ_PROD::WR, "WR"));
template <>
inline constexpr auto table_of<CMDQ_CONS> = table<decltype(CMDQ_CONS::fields)>(named(CMDQ_CONS::RD, "RD"),
                                                                               named(CMDQ_CONS::ERR, "ERR"));
template <>
inline constexpr auto table_of<EVENTQ_BASE> = table<decltype(EVENTQ_BASE::fields)>(
    named(EVENTQ_BASE::LOG2SIZE, "LOG2SIZE"), named(EVENTQ_BASE::ADDR, "ADDR"), named(EVENTQ_BASE::WA, "WA"));
template <>
inline constexpr auto table_of<EVENTQ_IRQ_CFG0> = table<decltype(EVENTQ_IRQ_CFG0::fields)>(named(EVENTQ_IRQ_CFG0::ADDR,
                                                                                                 "ADDR"));
template <>
inline constexpr auto table_of<EVENTQ_IRQ_CFG1> = table<decltype(EVENTQ_IRQ_CFG1::fields)>(named(EVENTQ_IRQ_CFG1::DATA,
                                                                                                 "DATA"));
template <>
inline constexpr auto
    table_of<EVENTQ_IRQ_CFG2> = table<decltype(EVENTQ_IRQ_CFG2::fields)>(named(EVENTQ_IRQ_CFG2::MemAttr, "MemAttr"),
                                                                         named(EVENTQ_IRQ_CFG2::SH, "SH"));
template <>
inline constexpr auto table_of<PRIQ_BASE> = table<decltype(PRIQ_BASE::fields)>(named(PRIQ_BASE::LOG2SIZE, "LOG2SIZE"),
                                                                               named(PRIQ_BASE::ADDR, "ADDR"),
                                                                               named(PRIQ_BASE::WA, "WA"));
template <>
inline constexpr auto table_of<PRIQ_IRQ_CFG0> = table<decltype(PRIQ_IRQ_CFG0::fields)>(named(PRIQ_IRQ_CFG0::ADDR,
                                                                                             "ADDR"));
template <>
inline constexpr auto table_of<PRIQ_IRQ_CFG1> = table<decltype(PRIQ_IRQ_CFG1::fields)>(named(PRIQ_IRQ_CFG1::DATA,
                                                                                             "DATA"));
template <>
inline constexpr auto table_of<PRIQ_IRQ_CFG2> = table<decltype(PRIQ_IRQ_CFG2::fields)>(
    named(PRIQ_IRQ_CFG2::MemAttr, "MemAttr"), named(PRIQ_IRQ_CFG2::SH, "SH"), named(PRIQ_IRQ_CFG2::LO, "LO"));
template <>
inline constexpr auto table_of<GATOS_CTRL> = table<decltype(GATOS_CTRL::fields)>(named(GATOS_CTRL::RUN, "RUN"));
template <>
inline constexpr auto
    table_of<GATOS_SID> = table<decltype(GATOS_SID::fields)>(named(GATOS_SID::StreamID, "StreamID"),
                                                             named(GATOS_SID::SubstreamID, "SubstreamID"),
                                                             named(GATOS_SID::SSID_VALID, "SSID_VALID"));
template <>
inline constexpr auto table_of<GATOS_ADDR> = table<decltype(GATOS_ADDR::fields)>(
    named(GATOS_ADDR::HTTUI, "HTTUI"), named(GATOS_ADDR::InD, "InD"), named(GATOS_ADDR::RnW, "RnW"),
    named(GATOS_ADDR::PnU, "PnU"), named(GATOS_ADDR::TYPE, "TYPE"), named(GATOS_ADDR::ADDR, "ADDR"));
template <>
inline constexpr auto table_of<GATOS_PAR> = table<decltype(GATOS_PAR::fields)>(named(GATOS_PAR::FAULT, "FAULT"),
                                                                               named(GATOS_PAR::SH, "SH"),
                                                                               named(GATOS_PAR::Size, "Size"),
                                                                               named(GATOS_PAR::ADDR, "ADDR"),
                                                                               named(GATOS_PAR::ATTR, "ATTR"));
template <>
inline constexpr auto table_of<MPAMIDR> = table<decltype(MPAMIDR::fields)>(named(MPAMIDR::PARTID_MAX, "PARTID_MAX"),
                                                                           named(MPAMIDR::PMG_MAX, "PMG_MAX"));
template <>
inline constexpr auto table_of<GMPAM> = table<decltype(GMPAM::fields)>(named(GMPAM::SO_PARTID, "SO_PARTID"),
                                                                       named(GMPAM::SO_PMG, "SO_PMG"),
                                                                       named(GMPAM::Update, "Update"));
template <>
inline constexpr auto table_of<GBPMPAM> = table<decltype(GBPMPAM::fields)>(named(GBPMPAM::GBP_PARTID, "GBP_PARTID"),
                                                                           named(GBPMPAM::GBP_PMG, "GBP_PMG"),
                                                                           named(GBPMPAM::Update, "Update"));
template <>
inline constexpr auto table_of<VATOS_SEL> = table<decltype(VATOS_SEL::fields)>(named(VATOS_SEL::VMID, "VMID"));
template <>
inline constexpr auto table_of<IDR6> =
    table<decltype(IDR6::fields)>(named(IDR6::CMDQ_CONTROL_PAGE_LOG2NUMQ, "CMDQ_CONTROL_PAGE_LOG2NUMQ"),
                                  named(IDR6::CMDQ_CONTROL_PAGE_LOG2NUMP, "CMDQ_CONTROL_PAGE_LOG2NUMP"));
template <>
inline constexpr auto table_of<CMDQ_CONTROL_PAGE_BASE> = table<decltype(CMDQ_CONTROL_PAGE_BASE::fields)>(
    named(CMDQ_CONTROL_PAGE_BASE::PRESET, "PRESET"), named(CMDQ_CONTROL_PAGE_BASE::CMDQGS, "CMDQGS"),
    named(CMDQ_CONTROL_PAGE_BASE::ADDR, "ADDR"));
template <>
inline constexpr auto table_of<CMDQ_CONTROL_PAGE_CFG> =
    table<decltype(CMDQ_CONTROL_PAGE_CFG::fields)>(named(CMDQ_CONTROL_PAGE_CFG::EN, "EN"));
template <>
inline constexpr auto table_of<CMDQ_CONTROL_PAGE_STATUS> =
    table<decltype(CMDQ_CONTROL_PAGE_STATUS::fields)>(named(CMDQ_CONTROL_PAGE_STATUS::ENACK, "ENACK"));
template <>
inline constexpr auto table_of<EVENTQ_PROD> = table<decltype(EVENTQ_PROD::fields)>(named(EVENTQ_PROD::WR, "WR"),
                                                                                   named(EVENTQ_PROD::OVFLG, "OVFLG"));
template <>
inline constexpr auto table_of<EVENTQ_CONS> =
    table<decltype(EVENTQ_CONS::fields)>(named(EVENTQ_CONS::RD, "RD"), named(EVENTQ_CONS::OVACKFLG, "OVACKFLG"));
template <>
inline constexpr auto table_of<PRIQ_PROD> = table<decltype(PRIQ_PROD::fields)>(named(PRIQ_PROD::WR, "WR"),
                                                                               named(PRIQ_PROD::OVFLG, "OVFLG"));
template <>
inline constexpr auto table_of<PRIQ_CONS> = table<decltype(PRIQ_CONS::fields)>(named(PRIQ_CONS::RD, "RD"),
                                                                               named(PRIQ_CONS::OVACKFLG, "OVACKFLG"));
template <>
inline constexpr auto table_of<VATOS_CTRL> = table<decltype(VATOS_CTRL::fields)>(named(VATOS_CTRL::RUN, "RUN"));
template <>
inline constexpr auto
    table_of<VATOS_SID> = table<decltype(VATOS_SID::fields)>(named(VATOS_SID::StreamID, "StreamID"),
                                                             named(VATOS_SID::SubstreamID, "SubstreamID"),
                                                             named(VATOS_SID::SSID_VALID, "SSID_VALID"));
template <>
inline constexpr auto table_of<VATOS_ADDR> = table<decltype(VATOS_ADDR::fields)>(
    named(VATOS_ADDR::HTTUI, "HTTUI"), named(VATOS_ADDR::InD, "InD"), named(VATOS_ADDR::RnW, "RnW"),
    named(VATOS_ADDR::PnU, "PnU"), named(VATOS_ADDR::TYPE, "TYPE"), named(VATOS_ADDR::ADDR, "ADDR"));
template <>
inline constexpr auto table_of<VATOS_PAR> = table<decltype(VATOS_PAR::fields)>(named(VATOS_PAR::FAULT, "FAULT"),
                                                                               named(VATOS_PAR::SH, "SH"),
                                                                               named(VATOS_PAR::Size, "Size"),
                                                                               named(VATOS_PAR::ADDR, "ADDR"),
                                                                               named(VATOS_PAR::ATTR, "ATTR"));
template <>
inline constexpr auto table_of<ECMDQ_BASE> = table<decltype(ECMDQ_BASE::fields)>(
    named(ECMDQ_BASE::LOG2SIZE, "LOG2SIZE"), named(ECMDQ_BASE::ADDR, "ADDR"), named(ECMDQ_BASE::RA, "RA"));
template <>
inline constexpr auto table_of<ECMDQ_PROD> = table<decltype(ECMDQ_PROD::fields)>(named(ECMDQ_PROD::WR, "WR"),
                                                                                 named(ECMDQ_PROD::ERRACK, "ERRACK"),
                                                                                 named(ECMDQ_PROD::EN, "EN"));
template <>
inline constexpr auto table_of<ECMDQ_CONS> =
    table<decltype(ECMDQ_CONS::fields)>(named(ECMDQ_CONS::RD, "RD"), named(ECMDQ_CONS::ERR, "ERR"),
                                        named(ECMDQ_CONS::ERR_REASON, "ERR_REASON"), named(ECMDQ_CONS::ENACK, "ENACK"));

} // namespace sluice::arch::names::detail
