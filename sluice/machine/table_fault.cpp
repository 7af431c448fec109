#include <sluice/machine/table_fault.hpp>

#include <sluice/arch/cd.hpp>
#include <sluice/arch/geometry.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/arch/ste.hpp>

#include <algorithm>

namespace sluice::machine {

namespace {

// 5.2 STE.Config[0] and [1]: stage 1 and stage 2 translate, where [2] says that something passes at all.
std::uint64_t without(std::uint64_t word, std::uint64_t stage) {
  constexpr std::uint64_t passes = 4;
  auto config = static_cast<std::uint64_t>(arch::Ste::Config.take(word));
  if ((config & passes) != 0) {
    config &= ~stage;
  }
  arch::Ste ste;
  ste.w[0] = word;
  return ste.set(arch::Ste::Config, static_cast<arch::SteConfig>(config)).w[0];
}

// A page of either stage with its access flag set, and no table or context descriptor that is in use.
bool is_leaf(std::uint64_t word) {
  constexpr std::uint64_t af = 1 << 10;
  constexpr std::uint64_t page = 3;
  return (word & (af | page)) == (af | page);
}

} // namespace

bool TableFaultBus::read64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& value) {
  if (!inner_.read64(address, attributes, value)) {
    return false;
  }
  if (fault_ == HostFault::walk) {
    value &= in_tables_(address) && is_leaf(value) ? ~1ULL : ~0ULL;
  } else if ((fault_ == HostFault::s1 || fault_ == HostFault::s2) && is_first_word_of_an_ste(address)) {
    value = without(value, fault_ == HostFault::s1 ? 1 : 2);
  } else if (fault_ == HostFault::cd && is_first_word_of_a_cd(address)) {
    value &= ~arch::Cd::V.mask;
  }
  return true;
}

bool TableFaultBus::is_first_word_of_an_ste(std::uint64_t address) {
  return std::any_of(streams_.begin(), streams_.end(), [&](std::uint32_t s) { return ste_of(s) == address; });
}

// 5.4 The CD of a stream without SubstreamIDs, or the first of a linear table.
bool TableFaultBus::is_first_word_of_a_cd(std::uint64_t address) {
  return std::any_of(streams_.begin(), streams_.end(), [&](std::uint32_t s) {
    arch::Ste ste;
    return inner_.read64(ste_of(s), {}, ste.w[0]) && ste.get(arch::Ste::S1ContextPtr) == address;
  });
}

// 3.3.1; 0: none.
std::uint64_t TableFaultBus::ste_of(std::uint32_t stream) {
  using arch::STRTAB_BASE;
  using arch::STRTAB_BASE_CFG;
  constexpr std::uint64_t ste_bytes = 64;
  const auto base = STRTAB_BASE::from(smmu_->read(STRTAB_BASE::offset, 8)).get(STRTAB_BASE::ADDR);
  const auto cfg = STRTAB_BASE_CFG::from(static_cast<std::uint32_t>(smmu_->read(STRTAB_BASE_CFG::offset, 4)));
  if (cfg.get(STRTAB_BASE_CFG::FMT) != arch::StreamTableFormat::two_level) {
    return base + stream * ste_bytes;
  }
  const unsigned split = arch::effective_split(cfg.get(STRTAB_BASE_CFG::SPLIT));
  arch::L1Std first;
  if (!inner_.read64(base + (stream >> split) * sizeof(std::uint64_t), {}, first.w[0])) {
    return 0;
  }
  const std::uint64_t within = stream & ((1U << split) - 1);
  return within < arch::l1std_entries(static_cast<unsigned>(first.get(arch::L1Std::Span)))
             ? first.get(arch::L1Std::L2Ptr) + within * ste_bytes
             : 0;
}

} // namespace sluice::machine
