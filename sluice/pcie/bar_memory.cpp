#include <sluice/pcie/bar_memory.hpp>

namespace sluice::pcie {

using base::Order;

namespace {

constexpr std::uint64_t word_bytes = sizeof(BarMemory::Word);

bool in_one_piece(std::uint64_t offset, unsigned size) {
  return (size == 1 || size == 2 || size == 4 || size == 8) && offset % size == 0;
}
constexpr std::uint64_t lanes_of(unsigned size) { return size == 8 ? ~0ULL : (1ULL << size * 8) - 1; }

} // namespace

std::uint64_t BarMemory::read(std::uint64_t offset, unsigned size) const {
  if (in_one_piece(offset, size)) {
    return words_[offset / word_bytes].load(Order::acquire) >> offset % word_bytes * 8 & lanes_of(size);
  }
  std::uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    value |= read(offset + i, 1) << i * 8;
  }
  return value;
}

// What the other side stores beside it in the same word stays.
void BarMemory::write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (!in_one_piece(offset, size)) {
    for (unsigned i = 0; i < size; ++i) {
      write(offset + i, 1, value >> i * 8);
    }
    return;
  }
  Word& word = words_[offset / word_bytes];
  const unsigned shift = static_cast<unsigned>(offset % word_bytes * 8);
  const std::uint64_t lanes = lanes_of(size) << shift;
  std::uint64_t old = word.load(Order::relaxed);
  while (!word.compare_exchange(old, (old & ~lanes) | (value << shift & lanes), Order::acq_rel)) {
  }
}

void BarMemory::clear() {
  for (Word& word : words_) {
    word.store(0, Order::relaxed);
  }
}

} // namespace sluice::pcie
