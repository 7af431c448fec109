#include <sluice/vsmmu/stream_table.hpp>

#include <sluice/arch/l1.hpp>

#include <algorithm>

namespace sluice::vsmmu {

using namespace arch;

namespace {

constexpr std::uint64_t ones(unsigned bits) { return base::detail::ones(bits); }

FoundSte bad_stream() { return {EventType::C_BAD_STREAMID, 0, {}}; }

// A word or an entry, with its address cut to OAS. 3.4.3
template <class T>
bool fetch(GuestMemory& memory, std::uint64_t address, T& into) {
  return memory.read(address, into.w.data(), T::byte_size);
}

// 5.1 Behind a first-level descriptor.
FoundSte second_level(GuestMemory& memory, std::uint64_t mask, const L1Std& l1, std::uint32_t index, unsigned split) {
  const std::uint64_t span = l1.get(L1Std::Span);
  const std::uint32_t entries = l1std_entries(span);
  if (entries == 0 || span > split + 1 || index >= entries) {
    return bad_stream();
  }
  const std::uint64_t table = l1.get(L1Std::L2Ptr) & ~(Ste::byte_size * entries - 1);
  FoundSte found;
  found.address = (table + index * Ste::byte_size) & mask;
  if (!fetch(memory, found.address, found.ste)) {
    found.fault = EventType::F_STE_FETCH;
  }
  return found;
}

} // namespace

FoundSte find_ste(GuestMemory& memory, const frame::Registers& registers, std::uint32_t stream) {
  const auto cfg = registers.get<STRTAB_BASE_CFG>();
  const auto log2 = static_cast<unsigned>(cfg.get(STRTAB_BASE_CFG::LOG2SIZE));
  const unsigned bits = std::min(log2, stream_id_bits(registers.id()));
  if (bits < 32 && stream >> bits != 0) {
    return bad_stream();
  }
  const std::uint64_t mask = ones(oas_bits(registers.id()));
  const std::uint64_t base = registers.get<STRTAB_BASE>().get(STRTAB_BASE::ADDR);
  FoundSte found;
  if (cfg.get(STRTAB_BASE_CFG::FMT) != StreamTableFormat::two_level) {
    found.address = ((base & ~ones(std::min(log2 + 6, 63U))) + stream * std::uint64_t{Ste::byte_size}) & mask;
    if (!fetch(memory, found.address, found.ste)) {
      found.fault = EventType::F_STE_FETCH;
    }
    return found;
  }
  const unsigned split = effective_split(cfg.get(STRTAB_BASE_CFG::SPLIT));
  const unsigned align = std::max(6U, log2 > split ? log2 - split + 3 : 3U); // 6.3.24
  L1Std l1;
  found.address = ((base & ~ones(align)) + (stream >> split) * std::uint64_t{L1Std::byte_size}) & mask;
  if (!fetch(memory, found.address, l1)) {
    found.fault = EventType::F_STE_FETCH;
    return found;
  }
  return second_level(memory, mask, l1, stream & static_cast<std::uint32_t>(ones(split)), split);
}

} // namespace sluice::vsmmu
