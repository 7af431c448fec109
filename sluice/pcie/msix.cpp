#include <sluice/pcie/msix.hpp>

namespace sluice::pcie {

namespace {
constexpr std::uint64_t entry_bytes = 16;
}

std::uint32_t Msix::word(std::uint64_t offset) const {
  if (offset == pending_offset) {
    return pending_;
  }
  const std::uint64_t index = offset / entry_bytes;
  if (index >= vectors_) {
    return 0;
  }
  const Entry& entry = entries_[index];
  const std::uint32_t words[] = {static_cast<std::uint32_t>(entry.address),
                                 static_cast<std::uint32_t>(entry.address >> 32), entry.data, entry.control};
  return words[offset % entry_bytes / 4];
}

void Msix::set_word(std::uint64_t offset, std::uint32_t value) {
  const std::uint64_t index = offset / entry_bytes;
  if (index >= vectors_) {
    return;
  }
  Entry& entry = entries_[index];
  switch (offset % entry_bytes) {
  case 0:
    entry.address = (entry.address & ~0xffff'ffffULL) | (value & ~3u);
    break;
  case 4:
    entry.address = (entry.address & 0xffff'ffff) | std::uint64_t{value} << 32;
    break;
  case 8:
    entry.data = value;
    break;
  default:
    entry.control = value & Entry::masked;
  }
}

std::uint64_t Msix::read(std::uint64_t offset, unsigned size) const {
  if ((size != 4 && size != 8) || offset % size != 0) {
    return 0;
  }
  return size == 4 ? word(offset) : word(offset) | std::uint64_t{word(offset + 4)} << 32;
}

void Msix::write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if ((size != 4 && size != 8) || offset % size != 0) {
    return;
  }
  set_word(offset, static_cast<std::uint32_t>(value));
  if (size == 8) {
    set_word(offset + 4, static_cast<std::uint32_t>(value >> 32));
  }
}

void Msix::post(std::uint16_t vector) {
  if (vector < vectors_) {
    pending_ |= 1u << vector;
  }
}

std::uint16_t Msix::ready_vector() const {
  for (std::uint16_t v = 0; enabled() && (control_ & function_mask_bit) == 0 && v < vectors_; ++v) {
    if ((pending_ >> v & 1) != 0 && (entries_[v].control & Entry::masked) == 0) {
      return v;
    }
  }
  return vectors_;
}

std::optional<Msix::Message> Msix::take() {
  const std::uint16_t vector = ready_vector();
  if (vector == vectors_) {
    return std::nullopt;
  }
  pending_ &= ~(1u << vector);
  return Message{entries_[vector].address, entries_[vector].data};
}

void Msix::reset() {
  entries_ = {};
  pending_ = 0;
  control_ = 0;
}

} // namespace sluice::pcie
