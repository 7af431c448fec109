#pragma once

#include <sluice/arch/command_forms.hpp>
#include <sluice/arch/descriptors.hpp>
#include <sluice/arch/events.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/pri.hpp>
#include <sluice/arch/registers.hpp>

#include <gtest/gtest.h>

namespace sluice::arch {

// One layout: a structure and the tuple of fields that hold at the same time.
template <class S>
struct Whole {
  using Structure = S;
  static constexpr auto fields() { return S::fields; }
};
template <Opcode Op>
struct OfOpcode {
  using Structure = Command;
  static constexpr auto fields() { return command_layout<Op>; }
};
template <EventType T>
struct OfType {
  using Structure = Event;
  static constexpr auto fields() { return event_layout<T>; }
};

template <class... T>
struct List {
  template <class F>
  static void each(F f) {
    (f(T{}), ...);
  }
};

using Structures = List<Whole<Ste>, Whole<Cd>, Whole<L1Std>, Whole<L1Cd>, Whole<PriRecord>, Whole<S1Table>,
                        Whole<S1Leaf>, Whole<S2Table>, Whole<S2Leaf>>;

template <Opcode... Op>
using Opcodes = List<OfOpcode<Op>...>;
using Commands =
    Opcodes<Opcode::CMD_PREFETCH_CONFIG, Opcode::CMD_PREFETCH_ADDR, Opcode::CMD_CFGI_STE, Opcode::CMD_CFGI_STE_RANGE,
            Opcode::CMD_CFGI_CD, Opcode::CMD_CFGI_CD_ALL, Opcode::CMD_CFGI_VMS_PIDM, Opcode::CMD_TLBI_NH_ALL,
            Opcode::CMD_TLBI_NH_ASID, Opcode::CMD_TLBI_NH_VA, Opcode::CMD_TLBI_NH_VAA, Opcode::CMD_TLBI_EL3_ALL,
            Opcode::CMD_TLBI_EL3_VA, Opcode::CMD_TLBI_EL2_ALL, Opcode::CMD_TLBI_EL2_ASID, Opcode::CMD_TLBI_EL2_VA,
            Opcode::CMD_TLBI_EL2_VAA, Opcode::CMD_TLBI_S12_VMALL, Opcode::CMD_TLBI_S2_IPA, Opcode::CMD_TLBI_NSNH_ALL,
            Opcode::CMD_ATC_INV, Opcode::CMD_PRI_RESP, Opcode::CMD_RESUME, Opcode::CMD_STALL_TERM, Opcode::CMD_SYNC,
            Opcode::CMD_TLBI_S_EL2_ALL, Opcode::CMD_TLBI_S_EL2_ASID, Opcode::CMD_TLBI_S_EL2_VA,
            Opcode::CMD_TLBI_S_EL2_VAA, Opcode::CMD_TLBI_S_S12_VMALL, Opcode::CMD_TLBI_S_S2_IPA,
            Opcode::CMD_TLBI_SNH_ALL, Opcode::CMD_DPTI_ALL, Opcode::CMD_DPTI_PA>;

template <EventType... T>
using Types = List<OfType<T>...>;
using Events =
    Types<EventType::F_UUT, EventType::C_BAD_STREAMID, EventType::F_STE_FETCH, EventType::C_BAD_STE,
          EventType::F_BAD_ATS_TREQ, EventType::F_STREAM_DISABLED, EventType::F_TRANSL_FORBIDDEN,
          EventType::C_BAD_SUBSTREAMID, EventType::F_CD_FETCH, EventType::C_BAD_CD, EventType::F_WALK_EABT,
          EventType::F_TRANSLATION, EventType::F_ADDR_SIZE, EventType::F_ACCESS, EventType::F_PERMISSION,
          EventType::F_TLB_CONFLICT, EventType::F_CFG_CONFLICT, EventType::E_PAGE_REQUEST, EventType::F_VMS_FETCH>;

template <class... R>
using Registers = List<Whole<R>...>;
using FrameRegisters =
    Registers<IDR0, IDR1, IDR2, IDR3, IDR4, IDR5, IIDR, AIDR, CR0, CR0ACK, CR1, CR2, S2PII, STATUSR, GBPA, AGBPA,
              IRQ_CTRL, IRQ_CTRLACK, GERROR, GERRORN, GERROR_IRQ_CFG0, GERROR_IRQ_CFG1, GERROR_IRQ_CFG2, STRTAB_BASE,
              STRTAB_BASE_CFG, CMDQ_BASE, CMDQ_PROD, CMDQ_CONS, EVENTQ_BASE, EVENTQ_IRQ_CFG0, EVENTQ_IRQ_CFG1,
              EVENTQ_IRQ_CFG2, PRIQ_BASE, PRIQ_IRQ_CFG0, PRIQ_IRQ_CFG1, PRIQ_IRQ_CFG2, GATOS_CTRL, GATOS_SID,
              GATOS_ADDR, GATOS_PAR, MPAMIDR, GMPAM, GBPMPAM, VATOS_SEL, IDR6, DPT_BASE, DPT_BASE_CFG, DPT_CFG_FAR,
              CMDQ_CONTROL_PAGE_BASE, CMDQ_CONTROL_PAGE_CFG, CMDQ_CONTROL_PAGE_STATUS, EVENTQ_PROD, EVENTQ_CONS,
              PRIQ_PROD, PRIQ_CONS>;
using OtherRegisters = Registers<VATOS_CTRL, VATOS_SID, VATOS_ADDR, VATOS_PAR, ECMDQ_BASE, ECMDQ_PROD, ECMDQ_CONS>;

} // namespace sluice::arch
