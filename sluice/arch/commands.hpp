#pragma once

#include <sluice/arch/command.hpp>

// Builders of commands for the Non-secure queue.
namespace sluice::arch {

// 4.4.1.1 Range and hints of a TLBI by address: (NUM+1) * 2^SCALE * granule bytes from the address, entries of level
// TTL only when that is not 0. All zero: one entry of any level and granule.
struct Range {
  std::uint8_t NUM{};
  std::uint8_t SCALE{};
  TlbiTg TG{};
  std::uint8_t TTL{};

  friend constexpr bool operator==(const Range&, const Range&) = default;
};

namespace cmd {

namespace detail {
constexpr Command of(Opcode opcode) {
  Command c;
  c.set(Command::Opcode, opcode);
  return c;
}
constexpr Command by_stream(Opcode opcode, std::uint32_t sid) { return of(opcode).with(Command::StreamID, sid); }
constexpr Command by_address(Opcode opcode, std::uint64_t address, bool leaf, Range range) {
  Command c = of(opcode);
  c.set(Command::SCALE_DS, range.SCALE).set(Command::NUM, range.NUM);
  c.set(Command::TG, range.TG).set(Command::TTL, range.TTL);
  c.set(Command::Address, address & Command::Address.mask).set(Command::Leaf, leaf);
  return c;
}
} // namespace detail

// 4.2
constexpr Command prefetch_config(std::uint32_t sid) { return detail::by_stream(Opcode::CMD_PREFETCH_CONFIG, sid); }
constexpr Command prefetch_config(std::uint32_t sid, std::uint32_t ssid) {
  return prefetch_config(sid).with(Command::SubstreamID, ssid).with(Command::SSV, 1);
}
constexpr Command prefetch_addr(std::uint32_t sid, std::uint64_t address) {
  return detail::by_stream(Opcode::CMD_PREFETCH_ADDR, sid).with(Command::Address, address & Command::Address.mask);
}

// 4.3
constexpr Command cfgi_ste(std::uint32_t sid, bool leaf) {
  return detail::by_stream(Opcode::CMD_CFGI_STE, sid).with(Command::Leaf, leaf);
}
// The 2^(range+1) StreamIDs around `sid`.
constexpr Command cfgi_ste_range(std::uint32_t sid, unsigned range) {
  return detail::by_stream(Opcode::CMD_CFGI_STE_RANGE, sid).with(Command::Range, range);
}
constexpr Command cfgi_all() { return cfgi_ste_range(0, cfgi_range_all); }
constexpr Command cfgi_cd(std::uint32_t sid, std::uint32_t ssid, bool leaf) {
  return detail::by_stream(Opcode::CMD_CFGI_CD, sid).with(Command::SubstreamID, ssid).with(Command::Leaf, leaf);
}
constexpr Command cfgi_cd_all(std::uint32_t sid) { return detail::by_stream(Opcode::CMD_CFGI_CD_ALL, sid); }
constexpr Command cfgi_vms_pidm(std::uint16_t vmid) {
  return detail::of(Opcode::CMD_CFGI_VMS_PIDM).with(Command::VMID, vmid);
}

// 4.4
constexpr Command tlbi_nh_all(std::uint16_t vmid) {
  return detail::of(Opcode::CMD_TLBI_NH_ALL).with(Command::VMID, vmid);
}
constexpr Command tlbi_nh_asid(std::uint16_t vmid, std::uint16_t asid) {
  return detail::of(Opcode::CMD_TLBI_NH_ASID).with(Command::VMID, vmid).with(Command::ASID, asid);
}
constexpr Command tlbi_nh_va(std::uint16_t vmid, std::uint16_t asid, std::uint64_t va, bool leaf, Range range = {}) {
  return detail::by_address(Opcode::CMD_TLBI_NH_VA, va, leaf, range)
      .with(Command::VMID, vmid)
      .with(Command::ASID, asid);
}
constexpr Command tlbi_nh_vaa(std::uint16_t vmid, std::uint64_t va, bool leaf, Range range = {}) {
  return detail::by_address(Opcode::CMD_TLBI_NH_VAA, va, leaf, range).with(Command::VMID, vmid);
}
constexpr Command tlbi_el2_all() { return detail::of(Opcode::CMD_TLBI_EL2_ALL); }
constexpr Command tlbi_el2_asid(std::uint16_t asid) {
  return detail::of(Opcode::CMD_TLBI_EL2_ASID).with(Command::ASID, asid);
}
constexpr Command tlbi_el2_va(std::uint16_t asid, std::uint64_t va, bool leaf, Range range = {}) {
  return detail::by_address(Opcode::CMD_TLBI_EL2_VA, va, leaf, range).with(Command::ASID, asid);
}
constexpr Command tlbi_el2_vaa(std::uint64_t va, bool leaf, Range range = {}) {
  return detail::by_address(Opcode::CMD_TLBI_EL2_VAA, va, leaf, range);
}
constexpr Command tlbi_s12_vmall(std::uint16_t vmid) {
  return detail::of(Opcode::CMD_TLBI_S12_VMALL).with(Command::VMID, vmid);
}
constexpr Command tlbi_s2_ipa(std::uint16_t vmid, std::uint64_t ipa, bool leaf, Range range = {}) {
  return detail::by_address(Opcode::CMD_TLBI_S2_IPA, ipa & Command::IPA.mask, leaf, range).with(Command::VMID, vmid);
}
constexpr Command tlbi_nsnh_all() { return detail::of(Opcode::CMD_TLBI_NSNH_ALL); }

// 4.5.1 The 4096 * 2^size bytes around `address`, of requests without PASID.
constexpr Command atc_inv(std::uint32_t sid, std::uint64_t address, unsigned size) {
  return detail::by_stream(Opcode::CMD_ATC_INV, sid)
      .with(Command::Address, address & Command::Address.mask)
      .with(Command::Size, size);
}
// Of requests with PASID `ssid`; `global` also covers what is cached as global.
constexpr Command atc_inv_pasid(std::uint32_t sid, std::uint32_t ssid, std::uint64_t address, unsigned size,
                                bool global = false) {
  return atc_inv(sid, address, size)
      .with(Command::SSV, 1)
      .with(Command::SubstreamID, ssid)
      .with(Command::Global, global);
}
// 4.5.2
constexpr Command pri_resp(std::uint32_t sid, std::uint16_t prg_index, PriResponse response) {
  return detail::by_stream(Opcode::CMD_PRI_RESP, sid).with(Command::PRGIndex, prg_index).with(Command::Resp, response);
}
constexpr Command pri_resp_pasid(std::uint32_t sid, std::uint32_t ssid, std::uint16_t prg_index, PriResponse response) {
  return pri_resp(sid, prg_index, response).with(Command::SSV, 1).with(Command::SubstreamID, ssid);
}

// 4.7
constexpr Command resume_retry(std::uint32_t sid, std::uint16_t stag) {
  return detail::by_stream(Opcode::CMD_RESUME, sid).with(Command::STAG, stag).with(Command::Ac, 1);
}
// Terminates with an abort, or as RAZ/WI.
constexpr Command resume_terminate(std::uint32_t sid, std::uint16_t stag, bool abort) {
  return detail::by_stream(Opcode::CMD_RESUME, sid).with(Command::STAG, stag).with(Command::Ab, abort);
}
constexpr Command stall_term(std::uint32_t sid) { return detail::by_stream(Opcode::CMD_STALL_TERM, sid); }
constexpr Command sync(SyncSignal signal = SyncSignal::none) {
  return detail::of(Opcode::CMD_SYNC).with(Command::CS, signal);
}
constexpr Command sync_msi(std::uint64_t address, std::uint32_t data, MemAttr attr = MemAttr::owb_iwb,
                           Shareability sh = Shareability::inner) {
  return sync(SyncSignal::irq)
      .with(Command::MSIAddress, address)
      .with(Command::MSIData, data)
      .with(Command::MSIAttr, attr)
      .with(Command::MSH, sh);
}

} // namespace cmd
} // namespace sluice::arch
