#include "layouts.hpp"

#include <algorithm>
#include <span>
#include <vector>

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

// One field's set and get on words, so that the expectations are compiled once.
struct Probe {
  base::FieldBits bits;
  void (*set)(std::uint64_t* words, bool ones);
  std::uint64_t (*get)(const std::uint64_t* words);
};

template <class F>
constexpr Probe probe(F) {
  using S = typename F::Structure;
  return {{F::hi, F::lo, F::is_address},
          [](std::uint64_t* words, bool ones) {
            S s{};
            std::copy_n(words, S::word_count, s.w.begin());
            s.set(F{}, F::take(ones ? ~std::uint64_t{0} : 0));
            std::copy_n(s.w.begin(), S::word_count, words);
          },
          [](const std::uint64_t* words) {
            S s{};
            std::copy_n(words, S::word_count, s.w.begin());
            return F::put(s.get(F{}));
          }};
}

template <class Layout>
std::vector<Probe> probes() {
  return Layout::fields().apply([](auto... field) { return std::vector<Probe>{probe(field)...}; });
}

void expect_no_bleed(const Probe& field, std::size_t word_count) {
  const std::uint64_t own = bits_of(field.bits.hi, field.bits.lo);
  for (const bool ones : {true, false}) {
    std::vector<std::uint64_t> words(word_count, ones ? 0 : ~std::uint64_t{0});
    auto expected = words;
    expected.at(field.bits.lo / 64) ^= own;
    field.set(words.data(), ones);
    EXPECT_EQ(words, expected) << (ones ? "ones" : "zeros") << " at bits " << field.bits.hi << ":" << field.bits.lo;
    EXPECT_EQ(field.get(words.data()), ones ? own : 0);
  }
}

template <class Layouts>
void expect_no_bleed_in() {
  Layouts::each([](auto layout) {
    for (const Probe& field : probes<decltype(layout)>()) {
      expect_no_bleed(field, decltype(layout)::Structure::word_count);
    }
  });
}

// No bit is in two fields that hold at the same time.
void expect_no_overlap(std::span<const base::FieldBits> fields, std::size_t word_count) {
  std::vector<std::uint64_t> seen(word_count);
  for (const base::FieldBits& field : fields) {
    EXPECT_EQ(seen.at(field.word()) & field.mask(), 0u) << "at bits " << field.hi << ":" << field.lo;
    seen.at(field.word()) |= field.mask();
  }
}

template <class Layouts>
void expect_no_overlap_in() {
  Layouts::each([](auto layout) {
    expect_no_overlap(decltype(decltype(layout)::fields())::bits, decltype(layout)::Structure::word_count);
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
  for (const Probe& field : probes<Whole<Ste>>()) {
    field.set(ste.w.data(), true);
  }
  EXPECT_EQ(ste.w, filled<8>(~std::uint64_t{0}));
  for (const Probe& field : probes<Whole<Ste>>()) {
    field.set(ste.w.data(), false);
  }
  EXPECT_EQ(ste.w, reserved);
}

} // namespace
} // namespace sluice::arch
