#include <sluice/pcie/copy_ring.hpp>

namespace sluice::pcie {

std::optional<CopyRing::Entry> CopyRing::next() {
  const std::uint32_t filled = get(filled_at);
  if (broken_ || filled == done_) {
    return std::nullopt;
  }
  if (filled - done_ > entries) {
    broken_ = true;
    memory_.write(fault_at, 4, 1);
    return std::nullopt;
  }
  const std::uint64_t at = entry();
  return Entry{memory_.read(at + source_at, 8), memory_.read(at + destination_at, 8), get(at + size_at),
               get(at + how_at)};
}

// The count last: who has read it finds the rest, and may fill the entry again.
void CopyRing::complete(std::uint32_t state, std::uint32_t moved) {
  memory_.write(entry() + state_at, 8, std::uint64_t{moved} << 32 | state);
  memory_.write(done_at, 4, ++done_);
}

void CopyRing::reset() {
  memory_.clear();
  done_ = 0;
  broken_ = false;
}

} // namespace sluice::pcie
