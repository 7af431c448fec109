#pragma once

#include <sluice/arch/descriptors.hpp>
#include <sluice/pagetable/config.hpp>
#include <sluice/pagetable/prot.hpp>

#include <cstdint>

// What tells one kind of table from another, as constants and encodings. DDI 0487 D8.3
namespace sluice::pagetable {

// Attr0 to Attr2 of the MAIR that stage 1 leaves refer to.
inline constexpr std::uint64_t attr_wb = 0;
inline constexpr std::uint64_t attr_device = 1;
inline constexpr std::uint64_t attr_nc = 2;
inline constexpr std::uint32_t mair0 =
    arch::mair::normal_wb_ra_wa | arch::mair::device_ngnre << 8 | arch::mair::normal_nc << 16;

constexpr arch::Shareability shareability(Prot prot) {
  return has(prot, Prot::mmio | Prot::noncoherent) ? arch::Shareability::outer : arch::Shareability::inner;
}

struct StageOne {
  using L = arch::S1Leaf;

  // All of a leaf but type and address.
  static constexpr std::uint64_t leaf(Prot prot, const Config& config) {
    const bool write = has(prot, Prot::write);
    const bool privileged = has(prot, Prot::privileged);
    const bool clean = write && config.dirty; // DBM=1 with AP[2]=1 is writable-clean: 3.13
    const bool read_only = !write || clean;
    return L::Valid.put(1) |
           L::AttrIndx.put(has(prot, Prot::mmio)          ? attr_device
                           : has(prot, Prot::noncoherent) ? attr_nc
                                                          : attr_wb) |
           L::AP.put(privileged ? (read_only ? arch::Ap::privileged_ro : arch::Ap::privileged_rw)
                                : (read_only ? arch::Ap::ro : arch::Ap::rw)) |
           L::SH.put(shareability(prot)) | L::AF.put(1) | L::nG.put(1) | L::DBM.put(clean) |
           L::PXN.put(!has(prot, Prot::execute)) | L::UXN.put(!has(prot, Prot::execute) || privileged);
  }
  static constexpr Prot prot(std::uint64_t d, const Config&) {
    const bool privileged = !arch::unprivileged(L::AP.take(d));
    const bool no_execute = (privileged ? L::PXN.take(d) : L::UXN.take(d)) != 0;
    const auto attr = L::AttrIndx.take(d);
    return Prot::read | (!arch::read_only(L::AP.take(d)) || L::DBM.take(d) != 0 ? Prot::write : Prot::none) |
           (no_execute ? Prot::none : Prot::execute) | (privileged ? Prot::privileged : Prot::none) |
           (attr == attr_device ? Prot::mmio
            : attr == attr_nc   ? Prot::noncoherent
                                : Prot::none);
  }
  static constexpr std::uint64_t read_only_bit = L::AP.put(arch::Ap::privileged_ro);
  static constexpr bool dirty(std::uint64_t d) {
    return (d & (L::Valid.mask | L::DBM.mask | read_only_bit)) == (L::Valid.mask | L::DBM.mask);
  }
  static constexpr std::uint64_t cleaned(std::uint64_t d) { return d | read_only_bit; }
  static constexpr std::uint64_t dirtied(std::uint64_t d) { return d & ~read_only_bit; }
};

struct StageTwo {
  using L = arch::S2Leaf;

  static constexpr std::uint64_t memory_type(Prot prot, bool fwb) {
    if (fwb) {
      return L::FwbAttr.put(has(prot, Prot::mmio)          ? arch::FwbMemAttr::device_ngnre
                            : has(prot, Prot::noncoherent) ? arch::FwbMemAttr::normal_nc
                                                           : arch::FwbMemAttr::normal_wb);
    }
    return L::MemAttr.put(has(prot, Prot::mmio)          ? arch::MemAttr::device_ngnre
                          : has(prot, Prot::noncoherent) ? arch::MemAttr::onc_inc
                                                         : arch::MemAttr::owb_iwb);
  }
  static constexpr std::uint64_t leaf(Prot prot, const Config& config) {
    const bool write = has(prot, Prot::write);
    const bool clean = write && config.dirty; // DBM=1 with S2AP[1]=0 is writable-clean: 3.13
    return L::Valid.put(1) | memory_type(prot, config.fwb) | (has(prot, Prot::read) ? L::S2AP.put(arch::S2Ap::r) : 0) |
           (write && !clean ? L::S2AP.put(arch::S2Ap::w) : 0) | L::SH.put(shareability(prot)) | L::AF.put(1) |
           L::DBM.put(clean) | L::XN.put(has(prot, Prot::execute) ? arch::S2Xn::execute : arch::S2Xn::no_execute);
  }
  static constexpr Prot prot(std::uint64_t d, const Config& config) {
    const auto ap = L::S2AP.take(d);
    const auto type = d & L::MemAttr.mask;
    return (ap == arch::S2Ap::r || ap == arch::S2Ap::rw ? Prot::read : Prot::none) |
           (ap == arch::S2Ap::w || ap == arch::S2Ap::rw || L::DBM.take(d) != 0 ? Prot::write : Prot::none) |
           (L::XN.take(d) == arch::S2Xn::execute ? Prot::execute : Prot::none) |
           (type == memory_type(Prot::mmio, config.fwb)          ? Prot::mmio
            : type == memory_type(Prot::noncoherent, config.fwb) ? Prot::noncoherent
                                                                 : Prot::none);
  }
  static constexpr std::uint64_t write_bit = L::S2AP.put(arch::S2Ap::w);
  static constexpr bool dirty(std::uint64_t d) {
    constexpr auto bits = L::Valid.mask | L::DBM.mask | write_bit;
    return (d & bits) == bits;
  }
  static constexpr std::uint64_t cleaned(std::uint64_t d) { return d & ~write_bit; }
  static constexpr std::uint64_t dirtied(std::uint64_t d) { return d | write_bit; }
};

// Geometry of a granule. 64K descriptors can always hold 52 bits; smaller pages would need DS, which is not used.
template <arch::Granule g>
struct Geometry {
  static constexpr arch::Granule granule = g;
  static constexpr auto address_bits = granule == arch::Granule::k64 ? arch::AddressBits::a52 : arch::AddressBits::a48;
  static constexpr unsigned max_bits = granule == arch::Granule::k64 ? 52 : 48;
  static constexpr unsigned page_shift = arch::granule_bits(granule);
  static constexpr unsigned stride = arch::stride(granule);
  static constexpr std::uint64_t page_size = arch::granule_size(granule);
  static constexpr std::uint64_t table_size = page_size;
  static constexpr std::uint64_t entries = arch::table_entries(granule);

  // Levels are counted by what one entry covers, as log2: `page_shift` is level 3, each level up adds `stride`.
  static constexpr int level(unsigned shift) {
    return arch::last_level - static_cast<int>((shift - page_shift) / stride);
  }
  static constexpr std::uint64_t index(std::uint64_t address, unsigned shift) {
    return (address >> shift) & (entries - 1);
  }

  static constexpr bool valid(std::uint64_t d) { return (d & 1) != 0; }
  // Above level 3.
  static constexpr bool is_table(std::uint64_t d) {
    return arch::descriptor_type(d) == arch::DescriptorType::table_or_page;
  }
  static constexpr std::uint64_t table(std::uint64_t bus) {
    return arch::put_table_address(granule, address_bits, bus) | 3;
  }
  static constexpr std::uint64_t table_address(std::uint64_t d) {
    return arch::table_address(granule, address_bits, d);
  }
  static constexpr std::uint64_t leaf_address(std::uint64_t d, unsigned shift) {
    return arch::take_address(granule, shift, address_bits, d);
  }
  // All of a leaf but type and address.
  static constexpr std::uint64_t attributes(std::uint64_t d) {
    return d & ~(arch::address_mask(granule, page_shift, address_bits) | 2);
  }
  static constexpr std::uint64_t page(std::uint64_t attributes, std::uint64_t pa) {
    return attributes | 2 | arch::put_address(granule, page_shift, address_bits, pa);
  }
  static constexpr std::uint64_t block(std::uint64_t attributes, std::uint64_t pa) {
    return attributes | arch::put_address(granule, page_shift, address_bits, pa);
  }
  static constexpr std::uint64_t leaf_at(unsigned shift, std::uint64_t attributes, std::uint64_t pa) {
    return shift == page_shift ? page(attributes, pa) : block(attributes, pa);
  }
};

template <class StageRules, arch::Granule granule>
struct Format : StageRules, Geometry<granule> {};

} // namespace sluice::pagetable
