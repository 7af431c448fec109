#include "program.hpp"

#include <algorithm>

// 3.17: streams whose translations have the same tags share what is cached, whatever tables they go by.
namespace sluice::fuzz {

using reference::Tags;

// Whether no translation that is cached may be taken for one with these tags though it goes by other structures.
bool Program::undisturbed(const reference::Registers& registers, const Tags& tags) {
  const auto disturbs = [&](const Tags& other) { return reference::clash(other, tags); };
  if (std::ranges::any_of(cached_, disturbs)) {
    return false;
  }
  if (!machine_.prefetches() && !hinted_) {
    return true;
  }
  const auto& others = reachable(registers);
  return others && std::ranges::none_of(*others, disturbs);
}

// Whether this holds for all transactions that there may be.
bool Program::streams_agree() {
  const auto& all = reachable(machine_.registers());
  return all && std::ranges::none_of(*all, [&](const Tags& one) {
           return std::ranges::any_of(*all, [&](const Tags& other) { return reference::clash(other, one); });
         });
}

const std::optional<std::vector<Tags>>& Program::reachable(const reference::Registers& registers) {
  constexpr std::uint64_t most = 8; // log2 of the StreamIDs that are looked at
  if (reachable_.changes == machine_.memory.changes()) {
    return reachable_.tags;
  }
  reachable_ = {machine_.memory.changes(), {}};
  const std::uint64_t log2 = registers.cfg.get(arch::STRTAB_BASE_CFG::LOG2SIZE);
  if (log2 > most) {
    return reachable_.tags;
  }
  std::vector<Tags> all;
  for (std::uint32_t stream = 0; stream >> log2 == 0; ++stream) {
    const auto of_stream = reference::tags_of(registers, machine_.memory, stream);
    if (!of_stream) {
      return reachable_.tags;
    }
    for (const Tags& tags : *of_stream) {
      if (std::ranges::find(all, tags) == all.end()) {
        all.push_back(tags);
      }
    }
  }
  reachable_.tags = std::move(all);
  return reachable_.tags;
}

void Program::remember(const Tags& tags) {
  if ((tags.stage1 || tags.stage2) && std::ranges::find(cached_, tags) == cached_.end()) {
    cached_.push_back(tags);
  }
}

} // namespace sluice::fuzz
