#include "memory.hpp"

#include "../finding.hpp"

namespace sluice::fuzz {

namespace {

constexpr std::uint64_t below(unsigned bits) { return bits >= 64 ? ~0ULL : (1ULL << bits) - 1; }
constexpr bool same(std::uint64_t a, std::uint64_t b, unsigned low) { return ((a ^ b) & ~below(low)) == 0; }

// Whether `word`, as a pointer or a leaf of some kind, names memory around `at`.
bool names(std::uint64_t word, std::uint64_t at, unsigned oas) {
  const std::uint64_t plain = word & below(56) & below(oas);
  const std::uint64_t narrow = plain & below(48);                                         // of the smaller granules
  const std::uint64_t moved = (word & below(48) & ~below(16)) | (word >> 12 & 0xf) << 48; // D8.3.1, 64 KB and 52 bits
  unsigned low = 16; // the largest table of a level, of STEs or of CDs
  if (word >> 56 == 0) {
    low = 20; // S2TTB: 16 concatenated tables
  }
  if (word >> 59 > 10) {
    low = static_cast<unsigned>(word >> 59) + 6; // S1ContextPtr and S1CDMax
  }
  if (same(plain, at, low) || same(narrow, at, low) || same(moved, at, low)) {
    return true;
  }
  if ((word & 3) != 1) {
    return false;
  }
  for (const unsigned block : {21U, 25U, 29U, 30U, 42U}) {
    if (same(plain, at, block) || same(narrow, at, block) || same(moved, at, block)) {
      return true;
    }
  }
  return false;
}

} // namespace

bool Memory::justified(std::uint64_t at) {
  if (justified_.contains(at >> 12) || std::ranges::any_of(tables, [&](const Region& r) { return r.holds(at); })) {
    return true;
  }
  const bool named = std::ranges::any_of(known_, [&](std::uint64_t word) { return names(word, at, oas); });
  if (named) {
    justified_.insert(at >> 12);
  }
  return named;
}

void Memory::check(std::uint64_t at, const char* what) {
  if ((at & ~below(oas)) != 0) {
    finding("the SMMU %s at 0x%llx, beyond its address size", what, static_cast<unsigned long long>(at));
  }
  if (!justified(at)) {
    finding("the SMMU %s at 0x%llx, which is in no table", what, static_cast<unsigned long long>(at));
  }
}

void Memory::set_byte(std::uint64_t at, std::uint8_t value) {
  const unsigned shift = at % 8 * 8;
  put(at & ~7ULL, (get(at & ~7ULL) & ~(0xffULL << shift)) | std::uint64_t{value} << shift);
}

bool Memory::read(const model::BusAccess& a, void* into) {
  const bool own = a.initiator.stream == model::Initiator::smmu_itself;
  if (own && !(a.size == 16 && commands.holds(a.address))) {
    finding("a command is read at 0x%llx", static_cast<unsigned long long>(a.address));
  }
  if (!own) {
    client_address = a.address;
    client_attributes = a.attributes;
  }
  if (aborts(a.address)) {
    return false;
  }
  auto* bytes = static_cast<std::uint8_t*>(into);
  for (std::uint32_t i = 0; i < a.size; ++i) {
    bytes[i] = byte(a.address + i);
  }
  return true;
}

bool Memory::write(const model::BusAccess& a, const void* from) {
  const bool own = a.initiator.stream == model::Initiator::smmu_itself;
  if (own && !(a.size == 32 && events.holds(a.address)) && !(a.size == 16 && page_requests.holds(a.address))) {
    finding("a record is written at 0x%llx", static_cast<unsigned long long>(a.address));
  }
  if (!own) {
    client_address = a.address;
    client_attributes = a.attributes;
    client_changed_tables = client_changed_tables || pages_.contains(a.address >> 12);
  }
  if (aborts(a.address)) {
    return false;
  }
  const auto* bytes = static_cast<const std::uint8_t*>(from);
  for (std::uint32_t i = 0; i < a.size; ++i) {
    set_byte(a.address + i, bytes[i]);
  }
  return true;
}

bool Memory::read64(std::uint64_t at, const model::Attributes& attributes, std::uint64_t& value) {
  check(at, "reads");
  reads_.push_back({at, attributes});
  if (aborts(at)) {
    return false;
  }
  value = get(at);
  known_.insert(value);
  return true;
}

bool Memory::compare_exchange64(std::uint64_t at, const model::Attributes&, std::uint64_t& expected,
                                std::uint64_t desired) {
  check(at, "updates");
  if (aborts(at)) {
    return false;
  }
  const std::uint64_t found = get(at);
  if (found == expected) {
    put(at, desired);
  }
  expected = found;
  return true;
}

bool Memory::message(const model::BusAccess& a, std::uint32_t) {
  if ((a.address & ~below(oas)) != 0 || a.size != 4) {
    finding("a message to 0x%llx", static_cast<unsigned long long>(a.address));
  }
  return !aborts(a.address);
}

} // namespace sluice::fuzz
