#include <sluice/base/field.hpp>

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

enum class Colour : std::uint8_t { red = 0, green = 5 };

struct Two : Words<Two, 2> {
  static constexpr Field<Two, 0> Bit{};
  static constexpr Field<Two, 3, 1, Colour> Hue{};
  static constexpr Address<Two, 55, 12> Where{};
  static constexpr Field<Two, 63, 60> Top{};
  static constexpr Field<Two, 127, 64> All{};

  static constexpr base::FieldList fields{Bit, Hue, Where, Top, All};
};
static_assert(well_formed<Two>());

// Whether calling `f` is a constant expression: it is not where a check fails.
template <class F, int = (F{}(), 0)>
constexpr bool is_constant(F) {
  return true;
}
constexpr bool is_constant(...) { return false; }

TEST(Fields, AValueCountsFromTheLowestBit) {
  Two t;
  t.set(Two::Hue, Colour::green).set(Two::Top, 9);
  EXPECT_EQ(t.w[0], 0x9000'0000'0000'000au);
  EXPECT_EQ(t.get(Two::Hue), Colour::green);
  EXPECT_EQ(t.get(Two::Top), 9u);
}
TEST(Fields, AnAddressIsItsOwnValue) {
  Two t;
  t.set(Two::Where, 0x00ab'cdef'0123'4000);
  EXPECT_EQ(t.w[0], 0x00ab'cdef'0123'4000u);
  EXPECT_EQ(t.get(Two::Where), 0x00ab'cdef'0123'4000u);
}
TEST(Fields, AFieldMayFillItsWord) {
  Two t;
  t.set(Two::All, ~std::uint64_t{0});
  EXPECT_EQ(t.w[1], ~std::uint64_t{0});
  EXPECT_EQ(t.w[0], 0u);
}
TEST(Fields, HoldsTellsWhichValuesFit) {
  static_assert(Two::Bit.holds(1) && !Two::Bit.holds(2));
  static_assert(Two::Top.holds(15) && !Two::Top.holds(16));
  static_assert(Two::All.holds(~std::uint64_t{0}));
  static_assert(Two::Where.holds(0x1000) && !Two::Where.holds(0x1001) && !Two::Where.holds(1ULL << 56));
}
TEST(Fields, AValueThatDoesNotFitIsNoConstant) {
  EXPECT_TRUE(is_constant([] { return Two::Top.put(15); }));
  EXPECT_FALSE(is_constant([] { return Two::Top.put(16); }));
  EXPECT_TRUE(is_constant([] { return Two{}.with(Two::Where, 0x1000).w[0]; }));
  EXPECT_FALSE(is_constant([] { return Two{}.with(Two::Where, 0x1001).w[0]; }));
}
TEST(FieldsDeathTest, AValueThatDoesNotFitStopsAtRunTime) {
  volatile std::uint64_t value = 16;
  Two t;
  EXPECT_DEATH(t.set(Two::Top, value), "");
  EXPECT_DEATH(t.set(Two::Where, value), "");
}
TEST(Fields, WithChangesACopy) {
  const Two t;
  EXPECT_EQ(t.with(Two::Bit, 1).w[0], 1u);
  EXPECT_EQ(t.w[0], 0u);
}
TEST(Fields, EqualityIsOfAllWords) {
  Two a;
  Two b;
  EXPECT_EQ(a, b);
  b.set(Two::All, 1);
  EXPECT_NE(a, b);
}
TEST(Fields, EncodingAndDecodingLosesNothing) {
  for (std::uint64_t bits = 0; bits < 8; ++bits) {
    Two t{{{bits << 1, 0}}};
    Two again;
    again.set(Two::Hue, t.get(Two::Hue));
    EXPECT_EQ(again, t);
  }
}

TEST(Reserved, BitsInNoFieldAreReserved) {
  EXPECT_EQ(reserved_bits<Two>(), (std::array<std::uint64_t, 2>{0x0f00'0000'0000'0ff0, 0}));
  EXPECT_EQ(defined_bits<Two>(), (std::array<std::uint64_t, 2>{0xf0ff'ffff'ffff'f00f, ~0ULL}));
}
TEST(Reserved, ReservedZeroFindsASingleBit) {
  Two t{{{0xf0ff'ffff'ffff'f00f, ~0ULL}}};
  EXPECT_TRUE(reserved_zero(t));
  t.w[0] |= 0x10;
  EXPECT_FALSE(reserved_zero(t));
}
TEST(Reserved, ReadChangeWriteKeepsReservedBits) {
  Two t{{{0x0f00'0000'0000'0ff0, 0}}};
  t.set(Two::Bit, 1).set(Two::Hue, Colour::green).set(Two::Where, 0x1000).set(Two::Top, 3);
  t.set(Two::Bit, 0).set(Two::Hue, Colour::red).set(Two::Where, 0).set(Two::Top, 0);
  EXPECT_EQ(t.w[0], 0x0f00'0000'0000'0ff0u);
}

struct Overlapping : Words<Overlapping, 1> {
  static constexpr Field<Overlapping, 7, 0> Low{};
  static constexpr Field<Overlapping, 8, 7> Next{};
  static constexpr base::FieldList fields{Low, Next};
};
struct Twice : Words<Twice, 1> {
  static constexpr Field<Twice, 7, 0> Low{};
  static constexpr base::FieldList fields{Low, Low};
};
struct Outside : Words<Outside, 1> {
  static constexpr Field<Outside, 64> Beyond{};
  static constexpr base::FieldList fields{Beyond};
};
struct Adjacent : Words<Adjacent, 1> {
  static constexpr Field<Adjacent, 7, 0> Low{};
  static constexpr Field<Adjacent, 63, 8> High{};
  static constexpr base::FieldList fields{High, Low};
};

TEST(WellFormed, TwoFieldsOnOneBitAreNot) { static_assert(!well_formed<Overlapping>()); }
TEST(WellFormed, AFieldThatIsListedTwiceIsNot) { static_assert(!well_formed<Twice>()); }
TEST(WellFormed, AFieldBeyondTheStructureIsNot) { static_assert(!well_formed<Outside>()); }
TEST(WellFormed, NeighboursThatOnlyTouchAre) { static_assert(well_formed<Adjacent>()); }
TEST(WellFormed, AFieldOfAnotherStructureDoesNotFit) {
  static_assert(FieldOf<decltype(Two::Bit), const Two> == false);
  static_assert(FieldOf<std::remove_const_t<decltype(Two::Bit)>, Two>);
  static_assert(!FieldOf<std::remove_const_t<decltype(Two::Bit)>, Adjacent>);
}

} // namespace
} // namespace sluice::base
