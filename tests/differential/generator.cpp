#include "fake.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sluice::differential::test {
namespace {

constexpr Scope scope{.stage2 = true, .oas = 44, .iova_bits = 64, .stream_id = 0x28};

Case number(std::uint64_t n, std::uint64_t seed = 1) { return generate(scope, seed, n, n % 2 != 0); }

TEST(Generator, ACaseFollowsFromItsNumberAndTheSeed) {
  const Case a = number(17);
  const Case b = number(17);
  EXPECT_EQ(a.memory, b.memory);
  EXPECT_EQ(a.iova, b.iova);
  EXPECT_EQ(a.base, b.base);
  EXPECT_NE(a.memory, number(17, 2).memory);
  EXPECT_NE(a.memory, number(19).memory);
}

TEST(Generator, ACaseWithNothingWrongTranslatesToItsTargetUnlessItsPermissionsForbid) {
  Memory memory;
  Ours ours{features_of(Version::qemu11), lenient(), memory.ram()};
  unsigned good = 0;
  for (std::uint64_t n = 0; n < 600; ++n) {
    const Case c = number(n);
    if (!c.flaw.empty()) {
      continue;
    }
    for (const auto& [at, value] : c.memory) {
      memory.ram().put(at, value);
    }
    const Answer answer = ours.run(c);
    if (answer.translated()) {
      EXPECT_EQ(*answer.pa, c.target) << "case " << n << ", " << name(c.mode);
      ++good;
    } else {
      EXPECT_EQ(answer.outcome.event, arch::EventType::F_PERMISSION) << "case " << n << ", " << name(c.mode);
    }
    for (const auto& [at, value] : c.memory) {
      memory.ram().put(at, 0);
    }
  }
  EXPECT_GE(good, 200U);
}

TEST(Generator, EachModeAndEachFlawComesUp) {
  std::set<Mode> modes_seen;
  std::set<std::string_view> flaws_seen;
  for (std::uint64_t n = 0; n < 6000; ++n) {
    const Case c = number(n);
    modes_seen.insert(c.mode);
    flaws_seen.insert(c.flaw);
  }
  EXPECT_EQ(modes_seen.size(), modes);
  for (const Flaw& flaw : flaws()) {
    EXPECT_TRUE(flaws_seen.contains(flaw.name)) << flaw.name;
  }
}

TEST(Generator, WithoutStage2NoCaseHasOne) {
  Scope first = scope;
  first.stage2 = false;
  for (std::uint64_t n = 0; n < 200; ++n) {
    const Case c = generate(first, 1, n, false);
    EXPECT_TRUE(c.path2.empty());
    EXPECT_EQ(c.delta, 0U);
  }
}

TEST(Generator, TargetsLieInTheirAreaAndApart) {
  std::set<std::uint64_t> pages;
  for (unsigned n = 0; n < target_pages; ++n) {
    EXPECT_TRUE(area::is_target(target_page(n)) && area::is_target(target_page(n) + 0xfff));
    EXPECT_EQ(target_page(n) & 0xfff, 0U);
    pages.insert(target_page(n));
  }
  EXPECT_EQ(pages.size(), target_pages);
}

} // namespace
} // namespace sluice::differential::test
