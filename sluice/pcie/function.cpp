#include <sluice/pcie/function.hpp>

#include <sluice/base/check.hpp>

#include <bit>

namespace sluice::pcie {

namespace {

constexpr std::uint32_t bar_is_64_bits = 0x4; // 7.5.1.2.1: memory, not prefetchable

constexpr std::uint16_t bar_offset(unsigned index) { return static_cast<std::uint16_t>(config::bar0 + 4 * index); }

// 7.5.3: what an endpoint of the second capability version shows.
void add_pci_express(ConfigSpace& space) {
  constexpr std::uint16_t length = 0x3c;
  const std::uint16_t at = space.add_capability(config::id_pci_express, length);
  space.set(static_cast<std::uint16_t>(at + 0x02), 2, 0x0002);           // version 2, PCI Express endpoint
  space.set(static_cast<std::uint16_t>(at + 0x04), 4, 0x00008001);       // role-based errors, 256 bytes of payload
  space.make_writable(static_cast<std::uint16_t>(at + 0x08), 2, 0x7cff); // Device Control
  space.make_write_one_to_clear(static_cast<std::uint16_t>(at + 0x0a), 2, 0x000f); // Device Status
}

} // namespace

Function::Function(const FunctionIds& ids, Address address) : address_{address} {
  config_.set(config::vendor_id, 2, ids.vendor);
  config_.set(config::device_id, 2, ids.device);
  config_.set(config::revision_id, 4, ids.revision | ids.class_code << 8);
  config_.make_writable(config::command, 2,
                        config::command_memory_space | config::command_bus_master | config::command_interrupt_disable);
  add_pci_express(config_);
}

bool Function::bus_master() const { return (config_.read(config::command, 2) & config::command_bus_master) != 0; }

void Function::add_bar(unsigned index, std::uint64_t size) {
  base::check(index + 1 < bars && std::has_single_bit(size) && size >= 4096);
  bar_size_[index] = size;
  config_.set(bar_offset(index), 4, bar_is_64_bits);
  const std::uint64_t writable = ~(size - 1);
  config_.make_writable(bar_offset(index), 4, static_cast<std::uint32_t>(writable));
  config_.make_writable(bar_offset(index + 1), 4, static_cast<std::uint32_t>(writable >> 32));
}

void Function::add_bar32(unsigned index, std::uint32_t size) {
  base::check(index < bars && std::has_single_bit(size) && size >= 4096);
  bar_size_[index] = size;
  config_.make_writable(bar_offset(index), 4, ~(size - 1));
}

void Function::add_memory_bar(unsigned index, BarMemory& memory) {
  add_bar(index, memory.size());
  bar_memory_[index] = &memory;
}

void Function::map_bar(unsigned index) {
  base::check(bar_memory(index) != nullptr);
  if (mapped_.fetch_add(1, base::Order::acq_rel) == 0) {
    on_bar_mapping();
  }
}

void Function::unmap_bar(unsigned index) {
  base::check(bar_memory(index) != nullptr && any_bar_mapped());
  if (mapped_.fetch_sub(1, base::Order::acq_rel) == 1) {
    on_bar_mapping();
  }
}

void Function::add_intx() {
  config_.set(config::interrupt_pin, 1, 1);
  config_.make_writable(config::interrupt_line, 1, 0xff);
}

void Function::set_interrupt(bool pending) {
  // The lower byte: the upper one has bits that software clears.
  const std::uint32_t status = config_.read(config::status, 1) & ~std::uint32_t{config::status_interrupt};
  config_.set(config::status, 1, status | (pending ? config::status_interrupt : 0));
  const bool disabled = (config_.read(config::command, 2) & config::command_interrupt_disable) != 0;
  const bool line = pending && !disabled;
  if (line == line_) {
    return;
  }
  line_ = line;
  if (intx_ != nullptr) {
    line ? intx_->assert_line() : intx_->deassert_line();
  }
}

Function::Window Function::bar(unsigned index) const {
  if (index >= bars || bar_size_[index] == 0 ||
      (config_.read(config::command, 2) & config::command_memory_space) == 0) {
    return {};
  }
  const std::uint32_t word = config_.read(bar_offset(index), 4);
  const std::uint64_t low = word & ~0xfu;
  const std::uint64_t high = (word & bar_is_64_bits) != 0 ? config_.read(bar_offset(index + 1), 4) : 0;
  return {high << 32 | low, bar_size_[index]};
}

unsigned Function::decode(std::uint64_t address, unsigned size, std::uint64_t& offset) const {
  for (unsigned i = 0; i < bars; ++i) {
    const Window window = bar(i);
    if (size != 0 && size <= window.size && address - window.base <= window.size - size) {
      offset = address - window.base;
      return i;
    }
  }
  return bars;
}

std::uint64_t Function::memory_read(std::uint64_t address, unsigned size) {
  std::uint64_t offset = 0;
  const unsigned index = decode(address, size, offset);
  return index == bars ? ~0ULL : bar_read(index, offset, size);
}

void Function::memory_write(std::uint64_t address, unsigned size, std::uint64_t value) {
  std::uint64_t offset = 0;
  const unsigned index = decode(address, size, offset);
  if (index != bars) {
    bar_write(index, offset, size, value);
  }
}

} // namespace sluice::pcie
