#include "rig.hpp"

#include <random>

// Random tables against a slow reference: the walk written once more from the manual, level by level, with nothing
// cached.
namespace sluice::model::test {
namespace {

struct Expected {
  bool served{};
  std::uint64_t pa{};
  EventType fault{};
  bool stage2{};
  arch::EventClass event_class{arch::EventClass::in};
  std::uint64_t ipa{};
};

struct Stage {
  bool on{};
  bool second{};
  Tree tree;
  unsigned output_bits{};
};

class Reference {
public:
  Reference(const Ram& ram, const Stage& s1, const Stage& s2) : ram_{ram}, s1_{s1}, s2_{s2} {}

  Expected translate(std::uint64_t address, bool write, bool user) const {
    Expected e;
    std::uint64_t ipa = address;
    if (s1_.on) {
      if (address >> s1_.tree.input_bits != 0) {
        e.fault = EventType::F_TRANSLATION;
        return e;
      }
      std::uint64_t table = s1_.tree.root;
      bool no_user = false;
      bool no_write = false;
      for (int level = s1_.tree.start;; ++level) {
        std::uint64_t at = table + index(s1_.tree, level, address) * 8;
        if (s2_.on) {
          const std::uint64_t at_ipa = at;
          std::uint64_t rights = 0;
          if (!second(at_ipa, at, rights, e) || (rights & 1) == 0) {
            e.fault = rights == 0 || (rights & 1) != 0 ? e.fault : EventType::F_PERMISSION;
            e.event_class = arch::EventClass::ttd;
            e.stage2 = true;
            e.ipa = at_ipa & ~0xfffULL;
            return e;
          }
        }
        const std::uint64_t d = ram_.get(at);
        const Next n = step(s1_, level, d);
        if (n == Next::fault) {
          e.fault = EventType::F_TRANSLATION;
          return e;
        }
        const unsigned low = n == Next::table ? bits(s1_.tree) : shift(s1_.tree, level);
        const std::uint64_t out = d & ((1ULL << 48) - 1) & ~((1ULL << low) - 1);
        if (out >> s1_.output_bits != 0) {
          e.fault = EventType::F_ADDR_SIZE;
          return e;
        }
        if (n == Next::table) {
          table = out;
          no_user = no_user || (d >> 61 & 1) != 0;
          no_write = no_write || (d >> 62 & 1) != 0;
          continue;
        }
        if ((d >> 10 & 1) == 0) {
          e.fault = EventType::F_ACCESS;
          return e;
        }
        const bool denied = (user && ((d >> 6 & 1) == 0 || no_user)) || (write && ((d >> 7 & 1) != 0 || no_write));
        if (denied) {
          e.fault = EventType::F_PERMISSION;
          return e;
        }
        ipa = out | (address & ((1ULL << low) - 1));
        break;
      }
    }
    e.pa = ipa;
    if (s2_.on) {
      std::uint64_t rights = 0;
      const bool found = second(ipa, e.pa, rights, e);
      if (!found || (rights >> (write ? 1 : 0) & 1) == 0) {
        e.fault = found ? EventType::F_PERMISSION : e.fault;
        e.stage2 = true;
        e.ipa = ipa & ~0xfffULL;
        return e;
      }
    }
    e.served = true;
    return e;
  }

private:
  enum class Next { fault, table, leaf };

  static unsigned bits(const Tree& t) {
    return t.granule == arch::Granule::k4 ? 12 : t.granule == arch::Granule::k16 ? 14 : 16;
  }
  static unsigned shift(const Tree& t, int level) { return bits(t) + (bits(t) - 3) * static_cast<unsigned>(3 - level); }
  static std::uint64_t index(const Tree& t, int level, std::uint64_t address) {
    const std::uint64_t i = address >> shift(t, level);
    return level == t.start ? i : i & ((1ULL << (bits(t) - 3)) - 1);
  }
  static Next step(const Stage& s, int level, std::uint64_t d) {
    if (level == 3) {
      return (d & 3) == 3 ? Next::leaf : Next::fault;
    }
    if ((d & 3) == 3) {
      return Next::table;
    }
    const bool block = level == 2 || (level == 1 && s.tree.granule == arch::Granule::k4);
    return (d & 3) == 1 && block ? Next::leaf : Next::fault;
  }
  bool second(std::uint64_t ipa, std::uint64_t& pa, std::uint64_t& rights, Expected& e) const {
    rights = 0;
    if (ipa >> s2_.tree.input_bits != 0) {
      e.fault = EventType::F_TRANSLATION;
      return false;
    }
    std::uint64_t table = s2_.tree.root;
    for (int level = s2_.tree.start;; ++level) {
      const std::uint64_t d = ram_.get(table + index(s2_.tree, level, ipa) * 8);
      const Next n = step(s2_, level, d);
      if (n == Next::fault) {
        e.fault = EventType::F_TRANSLATION;
        return false;
      }
      const unsigned low = n == Next::table ? bits(s2_.tree) : shift(s2_.tree, level);
      const std::uint64_t out = d & ((1ULL << 48) - 1) & ~((1ULL << low) - 1);
      if (out >> s2_.output_bits != 0) {
        e.fault = EventType::F_ADDR_SIZE;
        return false;
      }
      if (n == Next::table) {
        table = out;
        continue;
      }
      if ((d >> 10 & 1) == 0) {
        e.fault = EventType::F_ACCESS;
        return false;
      }
      rights = d >> 6 & 3;
      pa = out | (ipa & ((1ULL << low) - 1));
      return true;
    }
  }

  const Ram& ram_;
  Stage s1_, s2_;
};

class Random {
public:
  explicit Random(std::uint64_t seed) : engine_{seed} {}
  std::uint64_t below(std::uint64_t n) { return engine_() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  arch::Granule granule() { return static_cast<arch::Granule>(below(3)); }

private:
  std::mt19937_64 engine_;
};

// A leaf, sometimes spoilt in one of the ways that a walk must notice.
std::uint64_t spoilt(Random& random, std::uint64_t d) {
  switch (random.below(12)) {
  case 0:
    return d & ~1ULL;
  case 1:
    return d & ~(1ULL << 10);
  case 2:
    return d ^ 1ULL << 7;
  case 3:
    return d ^ 1ULL << 6;
  case 4:
    return d | 1ULL << 45;
  case 5:
    return d ^ 2;
  default:
    return d;
  }
}

class RandomWalks : public testing::TestWithParam<int> {};

TEST_P(RandomWalks, AgreeWithTheReferenceOnAddressAndFault) {
  Random random{static_cast<std::uint64_t>(GetParam())};
  Features f;
  f.oas_bits = 44;
  // Every third SMMU does what it may with its caches, which nobody must notice.
  Knobs knobs;
  if (GetParam() % 3 == 0) {
    knobs.adversary = {.prefetch = true, .any_order = true, .partial = true, .late = true};
  }
  Rig rig{f, knobs, true, 32 << 20};
  Stage s1, s2;
  s1.on = !random.one_in(4);
  s2.on = !s1.on || random.one_in(2);
  s1.output_bits = s2.output_bits = 44;

  // Stage 2: one to one for all of RAM, then random mappings above it.
  unsigned t0sz = 0;
  do {
    s2.tree.granule = random.granule();
    t0sz = static_cast<unsigned>(20 + random.below(10));
    s2.tree.start = static_cast<int>(random.below(4));
  } while (arch::s2_concatenation(s2.tree.granule, s2.tree.start, t0sz, false, true) == 0);
  s2.tree = rig.stage2_tree(s2.tree.granule, 64 - t0sz, s2.tree.start);
  const std::uint64_t ram_size = 32 << 20;
  const std::uint64_t unit = arch::level_shift(s2.tree.granule, 2);
  const bool ram_in_blocks = unit <= 25 && s2.tree.start <= 2;
  const unsigned step = ram_in_blocks ? static_cast<unsigned>(unit) : arch::granule_bits(s2.tree.granule);
  for (std::uint64_t at = 0; at < ram_size; at += 1ULL << step) {
    rig.map(s2.tree, at, at, s2_rw, ram_in_blocks ? 2 : 3);
  }
  std::vector<std::uint64_t> mapped;      // what traffic is likely to hit
  const std::uint64_t above = 1ULL << 30; // 1 GB: its own level 2 table in every granule but 64K
  const auto size2 = arch::granule_size(s2.tree.granule);
  for (int i = 0; i < 40; ++i) {
    const std::uint64_t ipa = above + random.below(64) * size2;
    const auto at = rig.map(s2.tree, ipa, random.below(1ULL << 20) * size2, s2_rw);
    mapped.push_back(ipa);
    rig.ram.put(at, spoilt(random, rig.ram.get(at)));
  }

  if (s1.on) {
    mapped.clear();
  }
  s1.tree = rig.tree(random.granule(), static_cast<unsigned>(32 + random.below(17)));
  const auto size1 = arch::granule_size(s1.tree.granule);
  for (int i = 0; i < 60; ++i) {
    const std::uint64_t va = random.below(128) * size1;
    const std::uint64_t out = random.one_in(2) ? above + random.below(64) * size1 : random.below(1ULL << 10) * size1;
    const auto at = rig.map(s1.tree, va, out, s1_rw);
    if (s1.on) {
      mapped.push_back(va);
    }
    rig.ram.put(at, spoilt(random, rig.ram.get(at)));
  }
  // Blocks, and rights taken away by tables.
  const unsigned block = arch::level_shift(s1.tree.granule, 2);
  for (std::uint64_t i = 1; i < 8 && (i + 1) << block <= 1ULL << s1.tree.input_bits && s1.tree.start <= 2; ++i) {
    const auto at = rig.slot(s1.tree, i << block, 2);
    if (rig.ram.get(at) == 0) {
      rig.map(s1.tree, i << block, i << block, s1_rw, 2);
      rig.ram.put(at, spoilt(random, rig.ram.get(at)));
      if ((rig.ram.get(at) & 3) == 3) {
        rig.ram.put(at, 0); // would be a table in the middle of nowhere
      }
    }
  }
  if (s1.tree.start <= 2 && random.one_in(2)) {
    const auto at = rig.slot(s1.tree, 0, 2);
    rig.ram.put(at, rig.ram.get(at) | random.below(4) << 61);
  }

  const auto cd_at = rig.ram.alloc(4096);
  rig.put(cd_at, rig.cd(s1.tree));
  const Ste one = rig.stage1_ste(cd_at);
  const Ste two = rig.stage2_ste(s2.tree);
  rig.put_ste(1, s1.on && s2.on ? rig.nested(one, two) : s1.on ? one : two);

  const Reference reference{rig.ram, s1, s2};
  unsigned served = 0;
  for (int i = 0; i < 600; ++i) {
    const std::uint64_t base = !s1.on && random.one_in(2) ? above : 0;
    std::uint64_t address = base + random.below(160) * (s1.on ? size1 : size2) + random.below(4096);
    if (!mapped.empty() && !random.one_in(3)) {
      address = mapped[random.below(mapped.size())] + random.below(4096);
    }
    address = random.one_in(8) ? random.below(8) << block | random.below(1ULL << block) : address;
    address = random.one_in(50) ? 1ULL << (30 + random.below(14)) | address : address;
    const bool write = random.one_in(2);
    const bool user = random.one_in(2);
    const auto expected = reference.translate(address, write, user);
    const auto t = rig.port->translate({1, {}, address, 1, write, false, !user});
    ASSERT_EQ(t.outcome.served(), expected.served)
        << std::hex << address << " " << static_cast<unsigned>(expected.fault) << " "
        << static_cast<unsigned>(t.outcome.event.value_or(EventType{}));
    if (expected.served) {
      ++served;
      ASSERT_EQ(t.address, expected.pa) << std::hex << address;
      continue;
    }
    ASSERT_EQ(t.outcome.event, expected.fault) << std::hex << address;
    std::uint64_t data = 0;
    rig.port->access({1, {}, address, 1, write, false, !user}, &data);
    const auto e = rig.event();
    ASSERT_EQ(e.get(Event::S2), expected.stage2 ? 1U : 0U) << std::hex << address;
    ASSERT_EQ(e.get(Event::CLASS), expected.event_class);
    if (expected.stage2) {
      ASSERT_EQ(e.get(Event::IPA), expected.ipa) << std::hex << address;
    }
  }
  EXPECT_GT(served, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomWalks, testing::Range(1, 61));

} // namespace
} // namespace sluice::model::test
