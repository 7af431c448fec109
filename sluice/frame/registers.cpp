#include <sluice/frame/registers.hpp>

namespace sluice::frame {

namespace {

using arch::register_map;

// Register number by word, for page 0 up to DPT and the same part of page 1, where all that is hot lies.
constexpr std::uint32_t mapped = 0x240;
constexpr std::uint8_t none = 0xff;

constexpr auto make_index() {
  std::array<std::uint8_t, 2 * mapped / 4> index{};
  index.fill(none);
  for (std::size_t i = 0; i < register_map.size(); ++i) {
    const std::uint32_t page = register_map[i].offset / arch::page1;
    const std::uint32_t at = register_map[i].offset % arch::page1;
    for (std::uint32_t word = 0; at < mapped && word < register_map[i].width / 32; ++word) {
      index[page * (mapped / 4) + at / 4 + word] = static_cast<std::uint8_t>(i);
    }
  }
  return index;
}
constexpr auto word_index = make_index();
static_assert(register_map.size() < none);

} // namespace

Registers::Registers(const arch::IdRegisters& id) : id_{id} {
  for (std::size_t i = 0; i < count; ++i) {
    const auto& reg = register_map[i];
    exists_[i] = arch::has(id, reg.exists_if) ? reg.defined : 0;
    for (const auto& optional : arch::optional_bits) {
      if (optional.offset == reg.offset && !arch::has(id, optional.needs)) {
        exists_[i] &= ~optional.bits;
      }
    }
  }
  reset(index_of<arch::IDR0>(), id.idr0.raw());
  reset(index_of<arch::IDR1>(), id.idr1.raw());
  reset(index_of<arch::IDR2>(), id.idr2.raw());
  reset(index_of<arch::IDR3>(), id.idr3.raw());
  reset(index_of<arch::IDR4>(), id.idr4.raw());
  reset(index_of<arch::IDR5>(), id.idr5.raw());
  reset(index_of<arch::IDR6>(), id.idr6.raw());
  reset(index_of<arch::IIDR>(), id.iidr.raw());
  reset(index_of<arch::AIDR>(), id.aidr.raw());
  for (std::uint32_t i = 0; i < 4; ++i) {
    reset(find(arch::cidr0_offset + 4 * i, 4), arch::cidr[i]);
  }
}

// 6.2: the register that an access of this size at this offset reaches as a whole or as one half.
std::size_t Registers::find(std::uint32_t offset, unsigned size) const {
  if ((size != 4 && size != 8) || offset % size != 0 || offset >= arch::frame_size) {
    return count;
  }
  const std::uint32_t page = offset / arch::page1;
  const std::uint32_t at = offset % arch::page1;
  std::size_t found = count;
  if (at < mapped) {
    const std::uint8_t i = word_index[page * (mapped / 4) + at / 4];
    found = i == none ? count : i;
  } else if (const auto* reg = arch::find_register(offset)) {
    found = static_cast<std::size_t>(reg - register_map.data());
  }
  return found != count && size == 8 && register_map[found].width != 64 ? count : found;
}

std::uint64_t Registers::read(std::uint32_t offset, unsigned size) const {
  const std::size_t i = find(offset, size);
  if (i == count) {
    return 0;
  }
  const std::uint64_t word = words_[i].load(base::Order::acquire);
  if (size == 8) {
    return word;
  }
  return offset == register_map[i].offset ? word & 0xffff'ffff : word >> 32;
}

// 6.2: whether what guards a register is on, in the control register or in its acknowledgement.
bool Registers::guarded(arch::Guard guard, std::uint64_t value) const {
  const auto cr0 = [&](auto bit) { return ((get<arch::CR0>().raw() | get<arch::CR0ACK>().raw()) & bit.mask) != 0; };
  const auto irq = [&](auto bit) {
    return ((get<arch::IRQ_CTRL>().raw() | get<arch::IRQ_CTRLACK>().raw()) & bit.mask) != 0;
  };
  switch (guard) {
  case arch::Guard::none:
    return false;
  case arch::Guard::smmuen:
    return cr0(arch::CR0::SMMUEN);
  case arch::Guard::cmdqen:
    return cr0(arch::CR0::CMDQEN);
  case arch::Guard::eventqen:
    return cr0(arch::CR0::EVENTQEN);
  case arch::Guard::priqen:
    return cr0(arch::CR0::PRIQEN);
  case arch::Guard::any_queue:
    return cr0(arch::CR0::CMDQEN) || cr0(arch::CR0::EVENTQEN) || cr0(arch::CR0::PRIQEN);
  case arch::Guard::dpt_walk_en:
    return cr0(arch::CR0::DPT_WALK_EN);
  case arch::Guard::gerror_irqen:
    return irq(arch::IRQ_CTRL::GERROR_IRQEN);
  case arch::Guard::eventq_irqen:
    return irq(arch::IRQ_CTRL::EVENTQ_IRQEN);
  case arch::Guard::priq_irqen:
    return irq(arch::IRQ_CTRL::PRIQ_IRQEN);
  case arch::Guard::update: // 6.3.14: GBPA and its like, all with Update in bit 31
    return get<arch::GBPA>().get(arch::GBPA::Update) != 0 || (value & arch::GBPA::Update.mask) == 0;
  case arch::Guard::atos_run:
  case arch::Guard::atos_start:
  case arch::Guard::vatos_run:
    return get<arch::GATOS_CTRL>().get(arch::GATOS_CTRL::RUN) != 0;
  }
  return false;
}

// The bits that writing `value` may change now.
std::uint64_t Registers::writable(std::size_t index, std::uint64_t value) const {
  const auto& reg = register_map[index];
  std::uint64_t bits = reg.writable & exists_[index];
  if ((reg.preset == arch::Preset::tables && id_.idr1.get(arch::IDR1::TABLES_PRESET) != 0) ||
      (reg.preset == arch::Preset::queues && id_.idr1.get(arch::IDR1::QUEUES_PRESET) != 0)) {
    return 0;
  }
  for (const auto& guard : reg.guards) {
    if ((bits & guard.bits) != 0 && guarded(guard.guard, value)) {
      bits &= ~guard.bits;
    }
  }
  // 6.3.9, 6.3.16: a field whose last change is not acknowledged yet cannot be changed again.
  if (reg.offset == arch::CR0::offset) {
    bits &= ~std::uint64_t{get<arch::CR0>().raw() ^ get<arch::CR0ACK>().raw()};
  } else if (reg.offset == arch::IRQ_CTRL::offset) {
    bits &= ~std::uint64_t{get<arch::IRQ_CTRL>().raw() ^ get<arch::IRQ_CTRLACK>().raw()};
  }
  return bits;
}

Registers::Written Registers::write(std::uint32_t offset, unsigned size, std::uint64_t value) {
  const std::size_t i = find(offset, size);
  if (i == count) {
    return {};
  }
  const auto& reg = register_map[i];
  std::uint64_t lanes = size == 8 ? ~0ULL : 0xffff'ffffULL;
  if (size == 4) {
    value &= lanes;
    if (offset != reg.offset) {
      value <<= 32;
      lanes <<= 32;
    }
  }
  const std::uint64_t old = words_[i].load(base::Order::relaxed);
  const std::uint64_t bits = writable(i, value) & lanes;
  const std::uint64_t now = (old & ~bits) | (value & bits);
  if (bits != 0) {
    words_[i].store(now, base::Order::release);
  }
  return {&reg, old, now, (old & ~lanes) | (value & lanes), bits != 0};
}

} // namespace sluice::frame
