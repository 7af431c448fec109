#include <sluice/model/stale_watch.hpp>

#include <sluice/arch/commands.hpp>
#include <sluice/model/tlbi_scope.hpp>

#include <bit>

namespace sluice::model {

using arch::Command;
using arch::Opcode;

Facts StaleWatch::plain(Facts facts) {
  facts.knobs.adversary = {};
  facts.knobs.ste_cache = facts.knobs.cd_cache = facts.knobs.tlb = facts.knobs.walk_cache = 1;
  return facts;
}

StaleWatch::StaleWatch(Bus& bus, const Facts& facts)
    : facts_{plain(facts)}, walker_{bus, facts_, tlb_, false}, memory_{bus, facts_, walker_, contexts_, choices_} {}

std::optional<StaleWatch::Difference> StaleWatch::configuration(const LiveRegisters& registers, std::uint32_t sid,
                                                                std::optional<std::uint32_t> ssid,
                                                                const Configuration& cached) {
  memory_.clear();
  contexts_.clear();
  tlb_.clear();
  Regime regime;
  Fault fault;
  memory_.resolve(registers, sid, ssid, regime, fault);
  const auto found = cached.differs(memory_, sid, ssid.value_or(0));
  if (!found) {
    return std::nullopt;
  }
  Difference d;
  d.use = {
      .kind = found->kind, .stream_id = sid, .substream_id = ssid, .cached = found->cached, .memory = found->memory};
  const std::uint32_t index = ssid.value_or(0);
  switch (found->kind) {
  case StaleKind::l1std:
    d.use.missing = arch::cmd::cfgi_ste(sid, false);
    break;
  case StaleKind::ste:
    d.use.missing = arch::cmd::cfgi_ste(sid, true);
    break;
  default:
    d.use.missing = arch::cmd::cfgi_cd(sid, index, found->kind == StaleKind::cd);
    break;
  }
  return d;
}

std::optional<StaleWatch::Difference> StaleWatch::translation(const Regime& regime, const Context& context,
                                                              const TlbEntry& entry, std::uint64_t address) {
  tlb_.clear();
  TlbEntry fresh;
  Fault fault;
  const auto wanted = static_cast<unsigned>(std::countr_zero(entry.allowed()));
  const bool found = walker_.translate(regime, address, wanted, fresh, fault);
  if (found && fresh.pa() == entry.pa() && (entry.allowed() & ~fresh.allowed()) == 0) {
    return std::nullopt;
  }
  Difference d{.use = {.kind = StaleKind::translation, .cached = entry.pa()}, .context = context, .entry = entry};
  if (found) {
    d.use.memory = fresh.pa();
  }
  const bool of_stage2 =
      regime.stage2 && (!regime.stage1 || (found ? fresh.ipa_page() == entry.ipa_page() : fault.stage2));
  const std::uint64_t ipa = regime.stage1 ? entry.ipa_page() : address;
  d.use.missing = of_stage2                     ? arch::cmd::tlbi_s2_ipa(context.vmid, ipa, true)
                  : context.world != World::el1 ? arch::cmd::tlbi_el2_va(context.asid, address, true)
                                                : arch::cmd::tlbi_nh_va(context.vmid, context.asid, address, true);
  return d;
}

std::optional<StaleWatch::Difference> StaleWatch::translated(const LiveRegisters& registers, const Request& asked,
                                                             std::uint64_t used) {
  memory_.clear();
  contexts_.clear();
  tlb_.clear();
  const std::uint64_t iova = asked.address & ~0xfffULL;
  const auto& ssid = asked.substream_id;
  Difference d{.use = {.kind = StaleKind::atc, .stream_id = asked.stream_id, .substream_id = ssid, .cached = used}};
  d.use.missing =
      ssid ? arch::cmd::atc_inv_pasid(asked.stream_id, *ssid, iova, 0) : arch::cmd::atc_inv(asked.stream_id, iova, 0);
  Regime regime;
  Fault fault;
  if (!memory_.resolve(registers, asked.stream_id, ssid, regime, fault)) {
    return d;
  }
  arch::Ste ste;
  memory_.find_stream(registers, asked.stream_id, ste, fault);
  const bool split = memory_.eats(registers, asked.stream_id, ste) == arch::Eats::split;
  const unsigned wanted =
      rights::wanted(asked.write, regime.rights.is_instruction(asked), regime.rights.privileged(asked));
  TlbEntry fresh;
  if (!regime.stage1 && (split || !regime.stage2)) { // 13.6.4, 13.6.5
    d.use.memory = iova;
  } else if (walker_.translate(regime, iova, wanted, fresh, fault)) {
    d.use.memory = split ? fresh.ipa_page() : fresh.pa();
    if ((fresh.allowed() >> wanted & 1) == 0) {
      return d;
    }
  } else if (split && fault.stage2) {
    return std::nullopt; // no affair of the endpoint's
  }
  return d.use.memory == used ? std::nullopt : std::optional{d};
}

bool StaleWatch::is_stale(const Difference& d, std::uint64_t syncs, std::uint64_t now_ns) {
  constexpr std::uint64_t last = 4; // in software's order, see StaleUse
  const std::uint64_t after = facts_.knobs.stale_after_syncs * (d.use.kind == StaleKind::atc ? last : 1);
  const std::uint64_t age = facts_.knobs.stale_after_us * 1000;
  for (Difference& s : seen_) {
    if (s.used && s.use.kind == d.use.kind && s.use.stream_id == d.use.stream_id &&
        s.use.substream_id == d.use.substream_id && page_of(s.use.address) == page_of(d.use.address) &&
        s.use.memory == d.use.memory) {
      const bool late = syncs - s.syncs >= after || (age != 0 && now_ns - s.at_ns >= age);
      const bool now = !s.reported && late;
      s.reported = s.reported || now;
      return now;
    }
  }
  Difference& s = seen_[next_++ % seen_.size()];
  s = d;
  s.syncs = syncs;
  s.at_ns = now_ns;
  s.used = true;
  s.reported = after == 0;
  return s.reported;
}

// 4.5.1: with a PASID only what has one, with G that of every PASID.
bool StaleWatch::drops(const Command& command, const StaleUse& use) const {
  if (command.get(Command::Opcode) != Opcode::CMD_ATC_INV || command.get(Command::StreamID) != use.stream_id) {
    return false;
  }
  const bool with_pasid = command.get(Command::SSV) != 0 && facts_.features.substreamid_bits != 0;
  if (with_pasid != use.substream_id.has_value() ||
      (with_pasid && command.get(Command::Global) == 0 && command.get(Command::SubstreamID) != *use.substream_id)) {
    return false;
  }
  const std::uint64_t size = command.get(Command::Size);
  return size >= arch::atc_inv_size_all || (command.get(Command::Address) ^ use.address) >> (12 + size) == 0;
}

bool StaleWatch::covers(const Command& command, const Difference& d, std::uint16_t any_vmid) const {
  if (d.use.kind == StaleKind::atc) {
    return drops(command, d.use);
  }
  const auto sid = static_cast<std::uint32_t>(command.get(Command::StreamID));
  const bool leaf = command.get(Command::Leaf) != 0;
  const bool of_cd = d.use.kind == StaleKind::cd || d.use.kind == StaleKind::l1cd;
  switch (command.get(Command::Opcode)) {
  case Opcode::CMD_CFGI_STE_RANGE: {
    const auto low = mask_below(static_cast<unsigned>(command.get(Command::Range)) + 1);
    return d.use.kind != StaleKind::translation && ((sid ^ d.use.stream_id) & ~low) == 0;
  }
  case Opcode::CMD_CFGI_STE:
    // 4.3.1: an L1STD is that of all StreamIDs of its span.
    return d.use.kind == StaleKind::l1std ? !leaf : d.use.kind != StaleKind::translation && sid == d.use.stream_id;
  case Opcode::CMD_CFGI_CD:
    return of_cd && sid == d.use.stream_id && (d.use.kind == StaleKind::cd || !leaf) &&
           (d.use.kind == StaleKind::l1cd || command.get(Command::SubstreamID) == d.use.substream_id.value_or(0));
  case Opcode::CMD_CFGI_CD_ALL:
    return of_cd && sid == d.use.stream_id;
  default:
    return d.use.kind == StaleKind::translation && names(command, facts_, any_vmid, d.context, d.entry);
  }
}

void StaleWatch::applied(const Command& command, std::uint16_t any_vmid) {
  for (Difference& s : seen_) {
    s.used = s.used && !covers(command, s, any_vmid);
  }
}

} // namespace sluice::model
