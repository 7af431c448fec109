#pragma once

#include <sluice/arch/attributes.hpp>
#include <sluice/base/field.hpp>

namespace sluice::arch {

// 4 Command opcodes
enum class Opcode : std::uint8_t {
  CMD_PREFETCH_CONFIG = 0x01,
  CMD_PREFETCH_ADDR = 0x02,
  CMD_CFGI_STE = 0x03,
  CMD_CFGI_STE_RANGE = 0x04, // CMD_CFGI_ALL is Range 31
  CMD_CFGI_CD = 0x05,
  CMD_CFGI_CD_ALL = 0x06,
  CMD_CFGI_VMS_PIDM = 0x07,
  CMD_TLBI_NH_ALL = 0x10,
  CMD_TLBI_NH_ASID = 0x11,
  CMD_TLBI_NH_VA = 0x12,
  CMD_TLBI_NH_VAA = 0x13,
  CMD_TLBI_EL3_ALL = 0x18,
  CMD_TLBI_EL3_VA = 0x1a,
  CMD_TLBI_EL2_ALL = 0x20,
  CMD_TLBI_EL2_ASID = 0x21,
  CMD_TLBI_EL2_VA = 0x22,
  CMD_TLBI_EL2_VAA = 0x23,
  CMD_TLBI_S12_VMALL = 0x28,
  CMD_TLBI_S2_IPA = 0x2a,
  CMD_TLBI_NSNH_ALL = 0x30,
  CMD_ATC_INV = 0x40,
  CMD_PRI_RESP = 0x41,
  CMD_RESUME = 0x44,
  CMD_STALL_TERM = 0x45,
  CMD_SYNC = 0x46,
  CMD_TLBI_S_EL2_ALL = 0x50,
  CMD_TLBI_S_EL2_ASID = 0x51,
  CMD_TLBI_S_EL2_VA = 0x52,
  CMD_TLBI_S_EL2_VAA = 0x53,
  CMD_TLBI_S_S12_VMALL = 0x58,
  CMD_TLBI_S_S2_IPA = 0x5a,
  CMD_TLBI_SNH_ALL = 0x60,
  CMD_DPTI_ALL = 0x70,
  CMD_DPTI_PA = 0x73,
};

// 4.7.3 CMD_SYNC.CS
enum class SyncSignal : std::uint8_t { none = 0, irq = 1, sev = 2, reserved = 3 };

// 4.5.2 CMD_PRI_RESP.Resp
enum class PriResponse : std::uint8_t { failure = 0, invalid_request = 1, success = 2, reserved = 3 };

// 4.4.1.1 TG of a TLBI command: another encoding than those of CD and STE.
enum class TlbiTg : std::uint8_t { any = 0, k4 = 1, k16 = 2, k64 = 3 };

// 7.1 CMDQ_CONS.ERR and ECMDQ_CONS.ERR_REASON
enum class Cerror : std::uint8_t { NONE = 0, ILL = 1, ABT = 2, ATC_INV_SYNC = 3 };

// 4.1.1 A command queue entry. Which fields there are depends on the opcode: command_forms.hpp.
struct Command : base::Words<Command, 2> {
  static constexpr base::Field<Command, 7, 0, arch::Opcode> Opcode{};

  static constexpr base::Field<Command, 10> SSec{};
  static constexpr base::Field<Command, 11> SSV{};
  static constexpr base::Field<Command, 31, 12> SubstreamID{};
  static constexpr base::Field<Command, 63, 32> StreamID{};
  static constexpr base::Field<Command, 47, 32> VMID{};
  static constexpr base::Field<Command, 63, 48> ASID{};

  // TLBI by address. 4.4.1
  static constexpr base::Field<Command, 16, 12> NUM{};
  static constexpr base::Field<Command, 24, 20> SCALE{};
  static constexpr base::Field<Command, 25, 20> SCALE_DS{}; // SCALE when IDR5.DS is 1
  static constexpr base::Field<Command, 64> Leaf{};         // also CFGI_STE, CFGI_CD
  static constexpr base::Field<Command, 65> S2_IPA_NS{};    // TLBI_S_S2_IPA.NS
  static constexpr base::Field<Command, 71> TTL128{};
  static constexpr base::Field<Command, 73, 72> TTL{};
  static constexpr base::Field<Command, 75, 74, TlbiTg> TG{};
  static constexpr base::Address<Command, 127, 76> Address{}; // also PREFETCH_ADDR, ATC_INV
  static constexpr base::Address<Command, 119, 76> IPA{};     // Address of TLBI_S2_IPA and DPTI_PA

  // CMD_PREFETCH_ADDR 4.2.2
  static constexpr base::Field<Command, 68, 64> PrefetchSize{};
  static constexpr base::Field<Command, 73, 69> Stride{};
  static constexpr base::Field<Command, 75> NS{};

  static constexpr base::Field<Command, 68, 64> Range{}; // CMD_CFGI_STE_RANGE 4.3.2

  // CMD_ATC_INV 4.5.1
  static constexpr base::Field<Command, 9> Global{};
  static constexpr base::Field<Command, 69, 64> Size{};

  // CMD_PRI_RESP 4.5.2
  static constexpr base::Field<Command, 72, 64> PRGIndex{};
  static constexpr base::Field<Command, 77, 76, PriResponse> Resp{};

  // CMD_RESUME 4.7.1
  static constexpr base::Field<Command, 12> Ac{};
  static constexpr base::Field<Command, 13> Ab{};
  static constexpr base::Field<Command, 79, 64> STAG{};

  // CMD_SYNC 4.7.3
  static constexpr base::Field<Command, 13, 12, SyncSignal> CS{};
  static constexpr base::Field<Command, 23, 22, Shareability> MSH{};
  static constexpr base::Field<Command, 27, 24, MemAttr> MSIAttr{};
  static constexpr base::Field<Command, 63, 32> MSIData{};
  static constexpr base::Address<Command, 119, 66> MSIAddress{};
  static constexpr base::Field<Command, 127> MSI_NS{};
};
static_assert(sizeof(Command) == 16);

inline constexpr std::uint64_t cfgi_range_all = 31;   // 4.3.3 CMD_CFGI_STE_RANGE.Range that makes it CMD_CFGI_ALL
inline constexpr std::uint64_t atc_inv_size_all = 52; // 4.5.1 CMD_ATC_INV.Size that covers every address

} // namespace sluice::arch
