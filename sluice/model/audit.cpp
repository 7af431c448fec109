#include <sluice/model/port_core.hpp>
#include <sluice/model/tlbi_scope.hpp>

#include <algorithm>
#include <bit>

// The caches of a port against the tables.
namespace sluice::model {

namespace {

using arch::Command;
using Kind = Context::Kind;

// 3.4.1: bits 63:56 of a page's address repeat bit 55, or do not count.
std::uint64_t address_of(const TlbEntry& entry) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(entry.page() << 20) >> 8);
}

} // namespace

// What translations with a context's name are walked with.
struct PortCore::Audited {
  Context context{};
  std::uint32_t name{};
  std::uint64_t key{}; // of the binding; 0: none
  Regime regime{};
};

std::vector<PortCore::Audited> PortCore::audited() {
  std::vector<Audited> result;
  contexts_.each([&](const Context& context, std::uint32_t name) {
    Audited a{context, name, 0, {}};
    for (const Binding& b : bindings()) {
      const Regime& regime = regimes_[slot(stored(b.key))];
      const bool as_ipa = context.kind == Kind::ipa && regime.stage2 && regime.ipa_context == name;
      const bool as_va =
          context.kind != Kind::ipa && regime.stage1 && (regime.context == name || regime.global_context == name);
      if (b.key != 0 && (as_ipa || as_va)) {
        a.key = b.key;
        a.regime = regime;
        a.regime.stage1 = as_va;
        break;
      }
    }
    result.push_back(a);
  });
  return result;
}

Audit PortCore::audit(std::span<const Command> scope) {
  Audit audit;
  if (!registers_.smmuen) {
    return audit;
  }
  const auto in_scope = [&](const Context& context, const TlbEntry& entry) {
    return scope.empty() || std::any_of(scope.begin(), scope.end(), [&](const Command& command) {
             return names(command, facts_, vmid_wildcard(), context, entry);
           });
  };
  const auto known = audited();
  Tlb scratch{1, 1};
  Walker walker{bus_, facts_, scratch, false};
  for (const TlbEntry& entry : tlb_.all()) {
    const auto of = std::find_if(known.begin(), known.end(), [&](const auto& a) { return a.name == entry.context(); });
    if (entry.tag == 0 || of == known.end() || entry.allowed() == 0 || !in_scope(of->context, entry)) {
      continue;
    }
    if (of->key == 0) {
      ++audit.out_of_reach;
      continue;
    }
    ++audit.compared;
    scratch.clear();
    const std::uint64_t address = address_of(entry);
    TlbEntry fresh;
    Fault fault;
    const bool found =
        walker.translate(of->regime, address, static_cast<unsigned>(std::countr_zero(entry.allowed())), fresh, fault);
    if (found && fresh.pa() == entry.pa() && (entry.allowed() & ~fresh.allowed()) == 0) {
      continue;
    }
    StaleTranslation stale{.stream_id = static_cast<std::uint32_t>(of->key),
                           .address = address,
                           .by_ipa = of->context.kind == Kind::ipa,
                           .cached = entry.pa(),
                           .event = fault.event};
    if ((of->key >> 52 & 1) != 0) {
      stale.substream_id = static_cast<std::uint32_t>(of->key >> 32 & 0xfffff);
    }
    if (found) {
      stale.fresh = fresh.pa();
    }
    audit.stale.push_back(stale);
  }
  return audit;
}

std::optional<Stages> PortCore::stages_of(const Request& r) const {
  if (!registers_.smmuen) {
    return Stages::none;
  }
  const std::uint64_t key = key_of(r);
  if (bindings_[slot(key)].key != stored(key)) {
    return std::nullopt;
  }
  const Regime& regime = regimes_[slot(key)];
  if (regime.stage1) {
    return regime.stage2 ? Stages::both : Stages::first;
  }
  return regime.stage2 ? Stages::second : Stages::none;
}

} // namespace sluice::model
