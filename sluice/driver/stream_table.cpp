#include <sluice/driver/stream_table.hpp>

#include <sluice/base/fence.hpp>
#include <sluice/driver/entries.hpp>

#include <new>

namespace sluice::driver {

using base::Errc;
using base::Order;
using base::Result;
using base::Status;
using namespace arch;

Result<Dma> Leaf::make_table(platform::Memory& memory, unsigned log2) {
  const std::size_t size = Ste::byte_size << log2;
  return Dma::make(memory, size, size); // 5.1 L2Ptr: aligned to its size
}

Result<Leaf*> Leaf::make(platform::Memory& memory, unsigned log2) {
  auto table = make_table(memory, log2);
  if (!table) {
    return table.error();
  }
  auto room = memory.alloc(size(log2));
  if (!room) {
    return room.error();
  }
  Leaf* leaf = ::new (*room) Leaf{log2};
  leaf->table_ = std::move(*table);
  const Ste ste = abort_ste();
  for (std::uint32_t i = 0; i < (1U << log2); ++i) {
    leaf->entry(i)->store(ste.w[0], Order::relaxed); // the rest is zero
    ::new (&leaf->owners()[i]) base::Atomic<SmmuDevice*>{nullptr};
  }
  if (!memory.facts().coherent_walks) {
    memory.clean(leaf->table_.words(), leaf->table_.size());
  }
  return leaf;
}

void Leaf::destroy(platform::Memory& memory) {
  const std::size_t bytes = size(log2_);
  this->~Leaf();
  memory.free(this, bytes);
}

StreamTable::~StreamTable() {
  if (leaves_ == nullptr) {
    return;
  }
  for (std::uint32_t i = 0; i < leaf_count_; ++i) {
    if (Leaf* l = leaf(i)) {
      l->destroy(memory_);
    }
  }
  memory_.free(leaves_, sizeof(Leaf*) * leaf_count_);
}

Status StreamTable::make(unsigned bits, bool two_levels) {
  constexpr unsigned most_linear = 16; // 4 MiB
  bits_ = two_levels || bits <= most_linear ? bits : most_linear;
  two_levels_ = two_levels;
  leaf_bits_ = !two_levels ? bits_ : bits > 6 ? 8 : 6; // 6.3.25 SPLIT
  const unsigned level1_bits = bits_ > leaf_bits_ ? bits_ - leaf_bits_ : 0;
  const std::uint32_t count = 1U << level1_bits;

  auto leaves = memory_.alloc(sizeof(Leaf*) * count);
  if (!leaves) {
    return leaves.error();
  }
  leaves_ = static_cast<base::Atomic<Leaf*>*>(*leaves); // zeroed: no leaf
  leaf_count_ = count;
  if (two_levels) {
    const std::size_t size = L1Std::byte_size * count;
    auto level1 = Dma::make(memory_, size, size); // 6.3.24: aligned to its size
    if (!level1) {
      return level1.error();
    }
    level1_ = std::move(*level1);
    if (!memory_.facts().coherent_walks) {
      memory_.clean(level1_.words(), level1_.size()); // no Span, in memory too
    }
    return {};
  }
  auto only = Leaf::make(memory_, leaf_bits_);
  if (!only) {
    return only.error();
  }
  leaves_[0].store(*only, Order::release);
  return {};
}

Ste StreamTable::read(StreamID sid) const {
  const base::DmaWord* words = entry(sid);
  Ste ste;
  for (std::size_t i = 0; i < Ste::word_count; ++i) {
    ste.w[i] = words[i].load(Order::relaxed);
  }
  return ste;
}

SmmuDevice* StreamTable::owner(StreamID sid) const {
  if (!holds(sid)) {
    return nullptr;
  }
  Leaf* l = leaf(leaf_of(sid));
  return l != nullptr ? l->owner(index(sid)).load(Order::acquire) : nullptr;
}

void StreamTable::store_l1(std::uint32_t number, std::uint64_t l2ptr) {
  base::dma_publish(); // 3.21.3: the entries before what points to them
  base::DmaWord& word = level1_.words()[number];
  word.store(L1Std{}.with(L1Std::Span, leaf_bits_ + 1).with(L1Std::L2Ptr, l2ptr).w[0], Order::relaxed);
  if (!memory_.facts().coherent_walks) {
    memory_.clean(&word, sizeof word);
  }
}

void StreamTable::link(std::uint32_t number, Leaf& l) {
  store_l1(number, l.bus());
  leaves_[number].store(&l, Order::release);
}

Dma StreamTable::swing(std::uint32_t number, Dma table) {
  if (!memory_.facts().coherent_walks) {
    memory_.clean(table.words(), table.size());
  }
  store_l1(number, table.bus());
  return leaf(number)->exchange(std::move(table));
}

STRTAB_BASE StreamTable::base() const {
  const std::uint64_t bus = two_levels_ ? level1_.bus() : leaf(0)->bus();
  return STRTAB_BASE{}.with(STRTAB_BASE::ADDR, bus).with(STRTAB_BASE::RA, 1);
}

STRTAB_BASE_CFG StreamTable::base_cfg() const {
  auto cfg = STRTAB_BASE_CFG{}.with(STRTAB_BASE_CFG::LOG2SIZE, bits_);
  return two_levels_
             ? cfg.with(STRTAB_BASE_CFG::FMT, StreamTableFormat::two_level).with(STRTAB_BASE_CFG::SPLIT, leaf_bits_)
             : cfg;
}

} // namespace sluice::driver
