#pragma once

#include <sluice/arch/cd.hpp>
#include <sluice/arch/descriptors.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/base/atomic.hpp>
#include <sluice/base/check.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

#include <cstddef>
#include <cstdint>

namespace sluice::machine::test {

// A guest's memory and what its own SMMU driver writes there, by hand: no code of driver, model or pagetable. Addresses
// are the guest's: IPAs.
class GuestMemory {
public:
  static constexpr std::uint64_t page = 4096;

  GuestMemory(void* at, std::uint64_t size, std::uint64_t ipa)
      : words_{static_cast<base::DmaWord*>(at)}, size_{size}, start_{ipa}, next_{ipa} {}

  std::uint64_t start() const { return start_; }
  std::uint64_t size() const { return size_; }
  std::uint64_t get(std::uint64_t ipa) const { return at(ipa).load(); }
  void put(std::uint64_t ipa, std::uint64_t value) { at(ipa).store(value); }
  // A page of zeroes.
  std::uint64_t alloc() {
    const std::uint64_t ipa = next_;
    next_ += page;
    base::check(next_ <= start_ + size_);
    return ipa;
  }

  // A stage 1 table for 39 bits of 4 KB pages, from level 1.
  std::uint64_t map(std::uint64_t root, std::uint64_t iova, std::uint64_t ipa) {
    const std::uint64_t leaf = slot(root, iova);
    put(leaf, ipa | rw);
    return leaf;
  }
  void unmap(std::uint64_t root, std::uint64_t iova) { put(slot(root, iova), 0); }

  // A table of one CD.
  std::uint64_t cd_table(std::uint64_t root, std::uint16_t asid) {
    const std::uint64_t ipa = alloc();
    put_cd(ipa, root, asid);
    return ipa;
  }
  void put_cd(std::uint64_t ipa, std::uint64_t root, std::uint16_t asid) {
    using arch::Cd;
    Cd cd;
    cd.set(Cd::V, 1).set(Cd::AA64, 1).set(Cd::A, 1).set(Cd::R, 1).set(Cd::EPD1, 1).set(Cd::ASID, asid);
    cd.set(Cd::T0SZ, 64 - 39).set(Cd::TG0, arch::Tg0::k4).set(Cd::IPS, arch::AddressSize::bits44);
    cd.set(Cd::IR0, arch::Cacheability::write_back).set(Cd::OR0, arch::Cacheability::write_back);
    cd.set(Cd::SH0, arch::Shareability::inner).set(Cd::TTB0, root).set(Cd::MAIR0, 0xff);
    for (std::size_t i = 0; i < Cd::word_count; ++i) {
      put(ipa + 8 * i, cd.w[i]);
    }
  }

private:
  static constexpr std::uint64_t rw = 1ULL << 11 | 1ULL << 10 | 3ULL << 8 | 1ULL << 6 | 3; // nG AF ISH U:RW P:RW, page

  base::DmaWord& at(std::uint64_t ipa) const {
    base::check(ipa - start_ < size_);
    return words_[(ipa - start_) / 8];
  }
  std::uint64_t slot(std::uint64_t table, std::uint64_t iova) {
    for (const unsigned shift : {30U, 21U}) {
      const std::uint64_t entry = table + 8 * (iova >> shift & 511);
      if (get(entry) == 0) {
        put(entry, alloc() | 3);
      }
      table = get(entry) & ~0xfffULL;
    }
    return table + 8 * (iova >> 12 & 511);
  }

  base::DmaWord* words_;
  std::uint64_t size_;
  std::uint64_t start_;
  std::uint64_t next_;
};

// Words 0 and 1 of the guest's STE.
inline uapi::arm_smmuv3::NestedSte guest_stage1(std::uint64_t cd_table) {
  using arch::Ste;
  const Ste ste = Ste{}
                      .with(Ste::V, 1)
                      .with(Ste::Config, arch::SteConfig::stage1)
                      .with(Ste::S1ContextPtr, cd_table)
                      .with(Ste::S1CIR, arch::Cacheability::write_back)
                      .with(Ste::S1COR, arch::Cacheability::write_back)
                      .with(Ste::S1CSH, arch::Shareability::inner);
  return {{ste.w[0], ste.w[1]}};
}
inline uapi::arm_smmuv3::NestedSte guest_config(arch::SteConfig config) {
  return {{arch::Ste{}.with(arch::Ste::V, 1).with(arch::Ste::Config, config).w[0], 0}};
}

} // namespace sluice::machine::test
