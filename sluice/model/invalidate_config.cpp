#include <sluice/model/configuration.hpp>

namespace sluice::model {

namespace {

constexpr std::uint32_t sid_of(std::uint64_t key) { return static_cast<std::uint32_t>(key); }
constexpr std::uint32_t index_of(std::uint64_t key) { return static_cast<std::uint32_t>(key >> 32); }

} // namespace

// 4.3, table "configuration invalidation scopes"
void Configuration::invalidate(const arch::Command& cfgi) {
  using enum arch::Opcode;
  using arch::Command;
  const auto sid = static_cast<std::uint32_t>(cfgi.get(Command::StreamID));
  const auto ssid = static_cast<std::uint32_t>(cfgi.get(Command::SubstreamID));
  const bool leaf = cfgi.get(Command::Leaf) != 0;
  std::uint32_t first = sid;
  std::uint32_t last = sid;
  const auto of_streams = [&](std::uint64_t key, const auto&) { return sid_of(key) >= first && sid_of(key) <= last; };

  switch (cfgi.get(Command::Opcode)) {
  case CMD_CFGI_STE_RANGE: {
    const auto low = static_cast<std::uint32_t>(mask_below(static_cast<unsigned>(cfgi.get(Command::Range)) + 1));
    first &= ~low;
    last |= low;
    [[fallthrough]];
  }
  case CMD_CFGI_STE:
    if (first == last) {
      stes_.erase(sid);
      atschk_.erase(sid);
    } else {
      stes_.erase_if(of_streams);
      atschk_.erase_if(of_streams);
    }
    cds_.erase_if(of_streams);
    l1cds_.erase_if(of_streams);
    if (!leaf || first != last) {
      // keyed by {split, index of the first level}
      l1stds_.erase_if([&](std::uint64_t key, const L1StdOf& l1) {
        return sid_of(key) >= first >> l1.split && sid_of(key) <= last >> l1.split;
      });
    }
    return;
  case CMD_CFGI_CD:
    cds_.erase(key(sid, ssid));
    if (!leaf) {
      l1cds_.erase_if(
          [&](std::uint64_t key, const L1CdOf& l1) { return sid_of(key) == sid && index_of(key) == ssid >> l1.split; });
    }
    return;
  case CMD_CFGI_CD_ALL:
    cds_.erase_if(of_streams);
    l1cds_.erase_if(of_streams);
    return;
  default:
    return;
  }
}

// One structure in four goes: a descriptor as a whole, an STE or CD as a whole or by words.
void Configuration::lose_something() {
  const auto words = [this](std::uint64_t, auto& cached) {
    if (choices_.one_in(4)) {
      cached.have &= static_cast<std::uint8_t>(choices_.next());
    }
  };
  const auto whole = [this](std::uint64_t, const auto&) { return choices_.one_in(4); };
  stes_.each(words);
  cds_.each(words);
  l1stds_.erase_if(whole);
  l1cds_.erase_if(whole);
}

std::optional<Configuration::Differs> Configuration::differs(const Configuration& memory, std::uint32_t sid,
                                                             std::uint32_t index) const {
  std::optional<Differs> found;
  const auto first_levels = [&](StaleKind kind, const auto& mine, const auto& theirs) {
    theirs.each([&](std::uint64_t key, const auto& value) {
      const auto* cached = mine.find(key);
      if (!found && cached != nullptr && cached->value.w[0] != value.value.w[0]) {
        found = {kind, cached->value.w[0], value.value.w[0]};
      }
    });
  };
  const auto structures = [&](StaleKind kind, const auto* cached, const auto* fetched) {
    for (std::size_t i = 0; !found && cached != nullptr && fetched != nullptr && i < cached->value.w.size(); ++i) {
      if ((cached->have >> i & 1) != 0 && cached->value.w[i] != fetched->value.w[i]) {
        found = {kind, cached->value.w[i], fetched->value.w[i]};
      }
    }
  };
  first_levels(StaleKind::l1std, l1stds_, memory.l1stds_);
  structures(StaleKind::ste, stes_.find(sid), memory.stes_.find(sid));
  first_levels(StaleKind::l1cd, l1cds_, memory.l1cds_);
  structures(StaleKind::cd, cds_.find(key(sid, index)), memory.cds_.find(key(sid, index)));
  return found;
}

void Configuration::clear() {
  stes_.clear();
  atschk_.clear();
  l1stds_.clear();
  cds_.clear();
  l1cds_.clear();
}

} // namespace sluice::model
