#pragma once

#include <sluice/arch/attributes.hpp>
#include <sluice/arch/geometry.hpp>
#include <sluice/base/field.hpp>

// VMSAv8-64 descriptors of 64 bits. DDI 0487 D8.3.1
namespace sluice::arch {

// AP[2:1] of a stage 1 leaf. D8.4.1.2
enum class Ap : std::uint8_t {
  privileged_rw = 0,
  rw = 1,
  privileged_ro = 2,
  ro = 3,
};
constexpr bool read_only(Ap ap) { return (static_cast<unsigned>(ap) & 0b10) != 0; }
constexpr bool unprivileged(Ap ap) { return (static_cast<unsigned>(ap) & 0b01) != 0; }

// S2AP[1:0]. D8.4.2.1
enum class S2Ap : std::uint8_t { none = 0, r = 1, w = 2, rw = 3 };

// XN[1:0] of a stage 2 leaf with IDR3.XNX; without it only bit 1 counts. D8.4.2.1
enum class S2Xn : std::uint8_t {
  execute = 0,
  no_privileged_execute = 1,
  no_execute = 2,
  no_unprivileged_execute = 3,
};

// Stage 2 MemAttr[2:0] with STE.S2FWB. D8.6
enum class FwbMemAttr : std::uint8_t {
  device_ngnrne = 0,
  device_ngnre = 1,
  device_ngre = 2,
  device_gre = 3,
  reserved = 4,
  normal_nc = 5,
  normal_wb = 6,
  from_stage1 = 7,
};

// Bits 1 and 0 of any descriptor. At level 3 a leaf has `table_or_page`, above it has `block`.
enum class DescriptorType : std::uint8_t { invalid = 0, block = 1, invalid_too = 2, table_or_page = 3 };

struct S1Table : base::Words<S1Table, 1> {
  static constexpr base::Field<S1Table, 0> Valid{};
  static constexpr base::Field<S1Table, 1> Type{};
  static constexpr base::Field<S1Table, 10> AF{};         // HTTU 0b11
  static constexpr base::Address<S1Table, 47, 12> NLTA{}; // the plain layout; others: table_address()
  static constexpr base::Field<S1Table, 52> Protected{};
  static constexpr base::Field<S1Table, 59> PXNTable{};
  static constexpr base::Field<S1Table, 60> UXNTable{};
  static constexpr base::Field<S1Table, 62, 61> APTable{};
  static constexpr base::Field<S1Table, 63> NSTable{};

  static constexpr base::FieldList fields{Valid, Type, AF, NLTA, Protected, PXNTable, UXNTable, APTable, NSTable};
};

struct S1Leaf : base::Words<S1Leaf, 1> {
  static constexpr base::Field<S1Leaf, 0> Valid{};
  static constexpr base::Field<S1Leaf, 1> Type{}; // 1: page, at level 3
  static constexpr base::Field<S1Leaf, 4, 2> AttrIndx{};
  static constexpr base::Field<S1Leaf, 5> NS{};
  static constexpr base::Field<S1Leaf, 7, 6, Ap> AP{};
  static constexpr base::Field<S1Leaf, 9, 8, Shareability> SH{}; // OA[51:50] with DS
  static constexpr base::Field<S1Leaf, 10> AF{};
  static constexpr base::Field<S1Leaf, 11> nG{};
  static constexpr base::Address<S1Leaf, 47, 12> OA{}; // the plain page; others: leaf_address()
  static constexpr base::Field<S1Leaf, 50> GP{};
  static constexpr base::Field<S1Leaf, 51> DBM{};
  static constexpr base::Field<S1Leaf, 52> Contiguous{};
  static constexpr base::Field<S1Leaf, 53> PXN{};
  static constexpr base::Field<S1Leaf, 54> UXN{};
  static constexpr base::Field<S1Leaf, 58, 55> SW{};
  static constexpr base::Field<S1Leaf, 62, 59> PBHA{}; // bit 59 is AttrIndx[3] with AIE
  // Inside OA's bits or beside another meaning.
  static constexpr base::Field<S1Leaf, 16> nT{}; // of a block, BBML 1 and 2
  static constexpr base::Field<S1Leaf, 59> AttrIndx3{};

  static constexpr base::FieldList fields{Valid, Type, AttrIndx, NS,         AP,  SH,  AF, nG,
                                          OA,    GP,   DBM,      Contiguous, PXN, UXN, SW, PBHA};
};

struct S2Table : base::Words<S2Table, 1> {
  static constexpr base::Field<S2Table, 0> Valid{};
  static constexpr base::Field<S2Table, 1> Type{};
  static constexpr base::Field<S2Table, 10> AF{}; // HTTU 0b11
  static constexpr base::Address<S2Table, 47, 12> NLTA{};

  static constexpr base::FieldList fields{Valid, Type, AF, NLTA};
};

struct S2Leaf : base::Words<S2Leaf, 1> {
  static constexpr base::Field<S2Leaf, 0> Valid{};
  static constexpr base::Field<S2Leaf, 1> Type{};
  static constexpr base::Field<S2Leaf, 5, 2, arch::MemAttr> MemAttr{};
  static constexpr base::Field<S2Leaf, 7, 6, S2Ap> S2AP{};
  static constexpr base::Field<S2Leaf, 9, 8, Shareability> SH{}; // OA[51:50] with DS
  static constexpr base::Field<S2Leaf, 10> AF{};
  static constexpr base::Address<S2Leaf, 47, 12> OA{};
  static constexpr base::Field<S2Leaf, 51> DBM{};
  static constexpr base::Field<S2Leaf, 52> Contiguous{};
  static constexpr base::Field<S2Leaf, 54, 53, S2Xn> XN{};
  static constexpr base::Field<S2Leaf, 58, 55> SW{}; // 55 is NS in the Realm state, 58 is AssuredOnly with THE
  static constexpr base::Field<S2Leaf, 62, 59> PBHA{};
  // Inside another field's bits.
  static constexpr base::Field<S2Leaf, 4, 2, FwbMemAttr> FwbAttr{}; // with STE.S2FWB
  static constexpr base::Field<S2Leaf, 16> nT{};
  static constexpr base::Field<S2Leaf, 54> XN1{}; // XN without IDR3.XNX

  static constexpr base::FieldList fields{Valid, Type, MemAttr, S2AP, SH, AF, OA, DBM, Contiguous, XN, SW, PBHA};
};

static_assert(base::well_formed<S1Table>() && base::well_formed<S1Leaf>());
static_assert(base::well_formed<S2Table>() && base::well_formed<S2Leaf>());

constexpr DescriptorType descriptor_type(std::uint64_t d) { return static_cast<DescriptorType>(d & 3); }

// Bits of a descriptor that hold an address aligned to 2^low. With 52 bits, OA[51:48] is in [15:12] (64K), or OA[51:50]
// is in [9:8] (4K, 16K).
constexpr std::uint64_t address_mask(Granule g, unsigned low, AddressBits bits) {
  const std::uint64_t plain = ((std::uint64_t{1} << 48) - 1) & ~((std::uint64_t{1} << low) - 1);
  if (bits == AddressBits::a48) {
    return plain;
  }
  return g == Granule::k64 ? plain | 0xf000 : plain | (std::uint64_t{3} << 48) | 0x300;
}

// The address in a descriptor, and its bits for a descriptor.
constexpr std::uint64_t take_address(Granule g, unsigned low, AddressBits bits, std::uint64_t d) {
  const std::uint64_t plain = d & address_mask(g, low, AddressBits::a48);
  if (bits == AddressBits::a48) {
    return plain;
  }
  if (g == Granule::k64) {
    return plain | (d & 0xf000) << 36;
  }
  return plain | (d & (std::uint64_t{3} << 48)) | (d & 0x300) << 42;
}
constexpr std::uint64_t put_address(Granule g, unsigned low, AddressBits bits, std::uint64_t address) {
  const std::uint64_t plain = address & address_mask(g, low, AddressBits::a48);
  if (bits == AddressBits::a48) {
    return plain;
  }
  if (g == Granule::k64) {
    return plain | ((address >> 36) & 0xf000);
  }
  return plain | (address & (std::uint64_t{3} << 48)) | ((address >> 42) & 0x300);
}

// Of a table descriptor: the next level's table is one granule in size.
constexpr std::uint64_t table_address(Granule g, AddressBits bits, std::uint64_t d) {
  return take_address(g, granule_bits(g), bits, d);
}
constexpr std::uint64_t put_table_address(Granule g, AddressBits bits, std::uint64_t address) {
  return put_address(g, granule_bits(g), bits, address);
}
// Of a block or page at `level`.
constexpr std::uint64_t leaf_address(Granule g, int level, AddressBits bits, std::uint64_t d) {
  return take_address(g, level_shift(g, level), bits, d);
}
constexpr std::uint64_t put_leaf_address(Granule g, int level, AddressBits bits, std::uint64_t address) {
  return put_address(g, level_shift(g, level), bits, address);
}

} // namespace sluice::arch
