#include <sluice/driver/cd_table.hpp>

#include <sluice/base/fence.hpp>

#include <new>

namespace sluice::driver {

using base::Order;
using base::Result;
using base::Status;
using namespace arch;

CdShape cd_shape(const Capabilities& capabilities, const Config& config, unsigned wanted) {
  constexpr unsigned most_linear = 10; // 64 KiB
  constexpr unsigned most_small = 16;  // 8 KiB of L1CDs for leaves of 4 KiB; beyond, as many for leaves of 64 KiB
  CdShape shape;
  shape.bits = wanted < capabilities.substream_bits ? wanted : capabilities.substream_bits;
  if (!capabilities.stage1) {
    shape.bits = 0;
  }
  if (!capabilities.two_level_cds || config.linear_cd_tables) {
    shape.bits = shape.bits < most_linear ? shape.bits : most_linear;
  } else if (shape.bits > most_small) {
    shape.format = S1Format::two_level_64k;
  } else if (shape.bits > cd_split(S1Format::two_level_4k)) {
    shape.format = S1Format::two_level_4k;
  }
  return shape;
}

CdLeaf::CdLeaf(platform::Memory& memory, unsigned log2)
    : Held{nullptr, [](Held& self) { static_cast<CdLeaf&>(self).destroy(); }}, memory_{memory}, log2_{log2} {
  Retired::free = [](platform::Retired& self) { static_cast<CdLeaf&>(self).destroy(); };
}

Result<Dma> CdLeaf::make_table(platform::Memory& memory, unsigned log2) {
  const std::size_t size = Cd::byte_size << log2;
  return Dma::make(memory, size, size); // 5.2 S1ContextPtr, 5.3 L2Ptr: aligned to its size
}

Result<CdLeaf*> CdLeaf::make(platform::Memory& memory, unsigned log2) {
  auto table = make_table(memory, log2);
  if (!table) {
    return table.error();
  }
  auto place = memory.alloc(room(log2));
  if (!place) {
    return place.error();
  }
  CdLeaf* leaf = ::new (*place) CdLeaf{memory, log2};
  leaf->table_ = std::move(*table);
  for (std::uint32_t i = 0; i < (1U << log2); ++i) {
    ::new (&leaf->owner(i)) Owner{nullptr};
  }
  if (!memory.facts().coherent_walks) {
    memory.clean(leaf->words(), leaf->size());
  }
  return leaf;
}

void CdLeaf::destroy() {
  platform::Memory& memory = memory_;
  const std::size_t bytes = room(log2_);
  this->~CdLeaf();
  memory.free(this, bytes);
}

void CdLeaf::retire(platform::Sync& sync) {
  free_cds();
  sync.retire(*this);
}

CdTable::CdTable(platform::Memory& memory, const CdShape& shape)
    : Held{nullptr, [](Held& self) { static_cast<CdTable&>(self).destroy(); }}, memory_{memory}, shape_{shape} {
  Retired::free = [](platform::Retired& self) { static_cast<CdTable&>(self).destroy(); };
}

CdTable::~CdTable() {
  if (leaves_ == nullptr) {
    return;
  }
  for (std::uint32_t i = 0; i < leaf_count_; ++i) {
    if (CdLeaf* l = leaf(i)) {
      l->destroy();
    }
  }
  memory_.free(leaves_, leaf_count_ * sizeof(CdLeaf*));
}

void CdTable::retire(platform::Sync& sync) {
  level1_.reset();
  for (std::uint32_t i = 0; i < leaf_count_; ++i) {
    if (CdLeaf* l = leaf(i)) {
      l->free_cds();
    }
  }
  sync.retire(*this);
}

Result<platform::Owned<CdTable>> CdTable::make(platform::Memory& memory, const CdShape& shape) {
  auto table = platform::make<CdTable>(memory, memory, shape);
  if (!table) {
    return table.error();
  }
  const Status made = (*table)->make();
  if (!made) {
    return made.error();
  }
  return std::move(*table);
}

Status CdTable::make() {
  const std::uint32_t count = 1U << (shape_.bits - shape_.leaf_bits());
  auto place = memory_.alloc(count * sizeof(CdLeaf*));
  if (!place) {
    return place.error();
  }
  leaves_ = static_cast<base::Atomic<CdLeaf*>*>(*place); // zeroed: no leaf
  leaf_count_ = count;
  if (!shape_.two_levels()) {
    const auto only = CdLeaf::make(memory_, shape_.bits);
    if (!only) {
      return only.error();
    }
    leaves_[0].store(*only, Order::release);
    return {};
  }
  const std::size_t size = L1Cd::byte_size * count;
  auto level1 = Dma::make(memory_, size, size); // 5.2 S1ContextPtr: aligned to its size
  if (!level1) {
    return level1.error();
  }
  level1_ = std::move(*level1);
  if (!memory_.facts().coherent_walks) {
    memory_.clean(level1_.words(), level1_.size()); // not valid, in memory too
  }
  return {};
}

Cd CdTable::read(SubstreamID ssid) const {
  Cd cd;
  if (const CdLeaf* l = leaf_for(ssid)) {
    const base::DmaWord* words = l->entry(index(ssid));
    for (std::size_t i = 0; i < Cd::word_count; ++i) {
      cd.w[i] = words[i].load(Order::relaxed);
    }
  }
  return cd;
}

iommu::Attachment* CdTable::owner(SubstreamID ssid) const {
  CdLeaf* l = holds(ssid) ? leaf_for(ssid) : nullptr;
  return l != nullptr ? l->owner(index(ssid)).load(Order::acquire) : nullptr;
}

SubstreamID CdTable::next_pasid(SubstreamID ssid) const {
  for (SubstreamID s = ssid != 0 ? ssid : 1; holds(s);) {
    const CdLeaf* l = leaf_for(s);
    if (l == nullptr || l->used == 0) {
      s = (leaf_of(s) + 1) << shape_.leaf_bits();
    } else if (owner(s) != nullptr) {
      return s;
    } else {
      ++s;
    }
  }
  return 0;
}

void CdTable::set_owner(SubstreamID ssid, iommu::Attachment* attachment) {
  CdLeaf& l = *leaf_for(ssid);
  auto& owner = l.owner(index(ssid));
  const std::uint32_t before = owner.load(Order::relaxed) != nullptr ? 1 : 0;
  const std::uint32_t now = attachment != nullptr ? 1 : 0;
  owner.store(attachment, Order::release);
  l.used += now - before;
  pasids_ += ssid != 0 ? now - before : 0;
}

void CdTable::fill(CdLeaf& leaf, SubstreamID ssid, const Cd& cd) {
  base::DmaWord* words = leaf.entry(index(ssid));
  for (std::size_t i = 0; i < Cd::word_count; ++i) {
    words[i].store(cd.w[i], Order::relaxed);
  }
  if (!memory_.facts().coherent_walks) {
    memory_.clean(words, Cd::byte_size);
  }
}

// 0: to nothing. Only with two levels does an address have to fit into a descriptor; a linear table may be shorter than
// a page, and aligned to no more than its size.
void CdTable::point_to(std::uint32_t number, std::uint64_t leaf) {
  if (!shape_.two_levels()) {
    return;
  }
  const L1Cd descriptor = leaf != 0 ? L1Cd{}.with(L1Cd::V, 1).with(L1Cd::L2Ptr, leaf) : L1Cd{};
  base::dma_publish(); // 3.21.3: the entries before what points to them
  base::DmaWord& word = level1_.words()[number];
  word.store(descriptor.w[0], Order::relaxed);
  if (!memory_.facts().coherent_walks) {
    memory_.clean(&word, sizeof word);
  }
}

void CdTable::link(std::uint32_t number, CdLeaf& leaf) {
  point_to(number, leaf.bus());
  leaves_[number].store(&leaf, Order::release);
}

CdLeaf& CdTable::unlink(std::uint32_t number) {
  point_to(number, 0);
  CdLeaf& l = *leaf(number);
  leaves_[number].store(nullptr, Order::release);
  return l;
}

Dma CdTable::swing(std::uint32_t number, Dma table) {
  if (!memory_.facts().coherent_walks) {
    memory_.clean(table.words(), table.size());
  }
  point_to(number, table.bus());
  return leaf(number)->exchange(std::move(table));
}

} // namespace sluice::driver
