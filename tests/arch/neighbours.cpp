#include "layouts.hpp"

namespace sluice::arch {
namespace {

template <std::size_t N>
std::array<std::uint64_t, N> filled(std::uint64_t word) {
  std::array<std::uint64_t, N> words;
  words.fill(word);
  return words;
}

// The bits from `lo` to `hi` counted one by one, as a reader of the manual would.
std::uint64_t bits_of(unsigned hi, unsigned lo) {
  std::uint64_t bits = 0;
  for (unsigned bit = lo; bit <= hi; ++bit) {
    bits |= std::uint64_t{1} << (bit % 64);
  }
  return bits;
}

template <class F>
void expect_no_bleed(F field) {
  using S = typename F::Structure;
  const auto all = F::take(~std::uint64_t{0});
  const std::uint64_t own = bits_of(field.hi, field.lo);

  S s{};
  s.set(field, all);
  auto expected = filled<S::word_count>(0);
  expected[field.word] = own;
  EXPECT_EQ(s.w, expected) << "ones at bits " << field.hi << ":" << field.lo;
  EXPECT_EQ(s.get(field), all);

  s.w = filled<S::word_count>(~std::uint64_t{0});
  s.set(field, typename F::Value{});
  expected = filled<S::word_count>(~std::uint64_t{0});
  expected[field.word] = ~own;
  EXPECT_EQ(s.w, expected) << "zeros at bits " << field.hi << ":" << field.lo;
  EXPECT_EQ(s.get(field), typename F::Value{});
}

template <class Layouts>
void expect_no_bleed_in() {
  Layouts::each([](auto layout) {
    std::apply([](auto... field) { (expect_no_bleed(field), ...); }, decltype(layout)::fields());
  });
}

// No bit is in two fields that hold at the same time.
template <class Layouts>
void expect_no_overlap_in() {
  Layouts::each([](auto layout) {
    std::array<std::uint64_t, decltype(layout)::Structure::word_count> seen{};
    const auto expect_free = [&](auto field) {
      EXPECT_EQ(seen[field.word] & field.mask, 0u) << "at bits " << field.hi << ":" << field.lo;
      seen[field.word] |= field.mask;
    };
    std::apply([&](auto... field) { (expect_free(field), ...); }, decltype(layout)::fields());
  });
}

TEST(Neighbours, AFieldOfAStructureTouchesItsOwnBitsOnly) { expect_no_bleed_in<Structures>(); }
TEST(Neighbours, AFieldOfACommandTouchesItsOwnBitsOnly) { expect_no_bleed_in<Commands>(); }
TEST(Neighbours, AFieldOfAnEventTouchesItsOwnBitsOnly) { expect_no_bleed_in<Events>(); }
TEST(Neighbours, AFieldOfARegisterTouchesItsOwnBitsOnly) {
  expect_no_bleed_in<FrameRegisters>();
  expect_no_bleed_in<OtherRegisters>();
}

TEST(Neighbours, TheFieldsOfOneCommandDoNotOverlap) { expect_no_overlap_in<Commands>(); }
TEST(Neighbours, TheFieldsOfOneEventDoNotOverlap) { expect_no_overlap_in<Events>(); }
TEST(Neighbours, TheFieldsOfOneRegisterDoNotOverlap) {
  expect_no_overlap_in<FrameRegisters>();
  expect_no_overlap_in<OtherRegisters>();
}

TEST(Neighbours, EveryCommandOfTheFormsIsInTheList) {
  std::size_t count = 0;
  Commands::each([&](auto) { ++count; });
  EXPECT_EQ(count, command_forms.size());
}
TEST(Neighbours, EveryEventOfTheFormsIsInTheList) {
  std::size_t count = 0;
  Events::each([&](auto) { ++count; });
  EXPECT_EQ(count, event_forms.size());
}

TEST(Neighbours, ReservedBitsSurviveAChangeOfEveryField) {
  Ste ste;
  constexpr auto reserved = base::reserved_bits<Ste>();
  ste.w = reserved;
  std::apply([&](auto... field) { (ste.set(field, decltype(field)::take(~std::uint64_t{0})), ...); }, Ste::fields);
  EXPECT_EQ(ste.w, filled<8>(~std::uint64_t{0}));
  std::apply([&](auto... field) { (ste.set(field, typename decltype(field)::Value{}), ...); }, Ste::fields);
  EXPECT_EQ(ste.w, reserved);
}

} // namespace
} // namespace sluice::arch
