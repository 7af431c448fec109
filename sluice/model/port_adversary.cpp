#include <sluice/model/port_core.hpp>

#include <algorithm>

// What an SMMU may do with its caches that no transaction asks for: CMD_PREFETCH_* (4.2), and by Knobs::adversary all
// that 3.21.3 allows.
namespace sluice::model {

// 4.2: faults are silent, and what is cached already stays.
void PortCore::prefetch(std::uint32_t sid, std::optional<std::uint32_t> ssid, std::optional<std::uint64_t> address) {
  // 3.21.3: nothing is reachable while SMMUEN is 0.
  if (!registers_.smmuen || !contexts_.room(3)) {
    return;
  }
  Regime regime;
  Fault fault;
  if (!configuration_.resolve(registers_, sid, ssid, regime, fault) || !address || !(regime.stage1 || regime.stage2) ||
      (!regime.stage1 && *address > mask_below(regime.input_limit))) {
    return;
  }
  const std::uint64_t page = page_of(*address);
  if (tlb_.find(regime.context, page) != nullptr ||
      (regime.stage1 && tlb_.find(regime.global_context, page) != nullptr)) {
    return;
  }
  TlbEntry entry;
  walker_.translate(regime, *address, rights::wanted(false, false, true), entry, fault);
}

// 4.2.1, 4.2.2
void PortCore::prefetch(const arch::Command& command) {
  using arch::Command;
  const auto sid = static_cast<std::uint32_t>(command.get(Command::StreamID));
  std::optional<std::uint32_t> ssid;
  if (command.get(Command::SSV) != 0) {
    ssid = static_cast<std::uint32_t>(command.get(Command::SubstreamID));
  }
  if (command.get(Command::Opcode) == arch::Opcode::CMD_PREFETCH_CONFIG) {
    prefetch(sid, ssid, std::nullopt);
    return;
  }
  const unsigned stride =
      facts_.features.version == arch::v3_0 ? 0 : static_cast<unsigned>(command.get(Command::Stride));
  const std::uint64_t asked = 1ULL << command.get(Command::PrefetchSize);
  std::uint64_t address = command.get(Command::Address);
  for (std::uint64_t n = 0; n < asked && n < most_prefetched; ++n, address += 1ULL << (12 + stride)) {
    prefetch(sid, ssid, address);
  }
}

// Between two accesses, or before one goes its way.
void PortCore::wander() {
  const Adversary& adversary = facts_.knobs.adversary;
  if (adversary.partial && choices_.one_in(4)) {
    configuration_.lose_something();
    tlb_.lose_something(choices_);
    unbind_all();
  }
  if (adversary.prefetch && choices_.one_in(2)) {
    prefetch_something();
    tlb_.spread(choices_);
  }
}

// Everything reachable has its chance, and what lies beside recent accesses a good one.
void PortCore::prefetch_something() {
  const Request& recent = recent_[choices_.below(std::clamp<std::size_t>(latest_, 1, recent_.size()))];
  auto sid = recent.stream_id;
  if (choices_.one_in(4)) {
    const auto log2size = static_cast<unsigned>(registers_.cfg.get(arch::STRTAB_BASE_CFG::LOG2SIZE));
    sid ^= static_cast<std::uint32_t>(choices_.of_width(std::min(log2size, facts_.features.streamid_bits)));
  }
  auto ssid = recent.substream_id;
  if (choices_.one_in(4)) {
    ssid = static_cast<std::uint32_t>(choices_.of_width(facts_.features.substreamid_bits));
  }
  std::uint64_t address = recent.address;
  if (choices_.one_in(2)) {
    address ^= choices_.below(1024) << (12 + 9 * choices_.below(4)); // a sibling on some level
  }
  const bool tables_too = !choices_.one_in(4);
  prefetch(sid, ssid, tables_too ? std::optional{address} : std::nullopt);
}

void PortCore::idle() {
  if (facts_.knobs.adversary.acts()) {
    wander();
  }
}

} // namespace sluice::model
