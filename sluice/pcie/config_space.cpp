#include <sluice/pcie/config_space.hpp>

#include <algorithm>

namespace sluice::pcie {

using base::Order;

namespace {

constexpr std::uint32_t ones(unsigned size) { return size == 4 ? ~0u : (1u << size * 8) - 1; }
constexpr unsigned shift(std::uint16_t offset) { return offset % 4 * 8; }

void put(std::array<std::uint32_t, ConfigSpace::bytes / 4>& masks, std::uint16_t offset, unsigned size,
         std::uint32_t bits) {
  masks[offset / 4] |= (bits & ones(size)) << shift(offset);
}

} // namespace

ConfigSpace::ConfigSpace() { set(config::status, 2, config::status_capabilities_list); }

std::uint32_t ConfigSpace::read(std::uint16_t offset, unsigned size) const {
  if (!good(offset, size)) {
    return ~0u;
  }
  return words_[offset / 4].load(Order::acquire) >> shift(offset) & ones(size);
}

template <class F>
void ConfigSpace::update(std::uint16_t offset, F next) {
  auto& word = words_[offset / 4];
  std::uint32_t old = word.load(Order::relaxed);
  while (!word.compare_exchange(old, next(old), Order::acq_rel)) {
  }
}

void ConfigSpace::write(std::uint16_t offset, unsigned size, std::uint32_t value) {
  if (!good(offset, size)) {
    return;
  }
  const std::uint32_t lanes = ones(size) << shift(offset);
  const std::uint32_t in = (value & ones(size)) << shift(offset);
  const std::uint32_t writable = writable_[offset / 4] & lanes;
  const std::uint32_t cleared = in & clearable_[offset / 4];
  update(offset, [=](std::uint32_t old) { return ((old & ~writable) | (in & writable)) & ~cleared; });
}

void ConfigSpace::set(std::uint16_t offset, unsigned size, std::uint32_t value) {
  if (!good(offset, size)) {
    return;
  }
  const std::uint32_t lanes = ones(size) << shift(offset);
  const std::uint32_t in = (value & ones(size)) << shift(offset);
  update(offset, [=](std::uint32_t old) { return (old & ~lanes) | in; });
}

void ConfigSpace::make_writable(std::uint16_t offset, unsigned size, std::uint32_t bits) {
  put(writable_, offset, size, bits);
}

void ConfigSpace::make_write_one_to_clear(std::uint16_t offset, unsigned size, std::uint32_t bits) {
  put(clearable_, offset, size, bits);
}

std::uint16_t ConfigSpace::add_capability(std::uint8_t id, std::uint16_t size, std::uint16_t from) {
  const auto at = static_cast<std::uint16_t>((std::max(next_free_, from) + 3u) & ~3u);
  if (at + size > config::extended_capabilities) {
    return 0;
  }
  set(at, 1, id);
  set(last_ == 0 ? config::capabilities_pointer : static_cast<std::uint16_t>(last_ + 1), 1, at);
  last_ = at;
  next_free_ = static_cast<std::uint16_t>(at + size);
  return at;
}

std::uint16_t ConfigSpace::find_capability(std::uint8_t id) const {
  auto at = static_cast<std::uint16_t>(read(config::capabilities_pointer, 1));
  while (at != 0 && read(at, 1) != id) { // the list grows upwards
    at = static_cast<std::uint16_t>(read(static_cast<std::uint16_t>(at + 1), 1));
  }
  return at;
}

std::uint16_t ConfigSpace::add_extended_capability(std::uint16_t id, unsigned version, std::uint16_t size) {
  const auto at = static_cast<std::uint16_t>((next_extended_ + 3u) & ~3u);
  if (at + size > bytes) {
    return 0;
  }
  set(at, 4, id | (version & 0xf) << 16);
  if (last_extended_ != 0) {
    set(last_extended_, 4, read(last_extended_, 4) | static_cast<std::uint32_t>(at) << 20);
  }
  last_extended_ = at;
  next_extended_ = static_cast<std::uint16_t>(at + size);
  return at;
}

} // namespace sluice::pcie
