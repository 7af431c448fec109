#include "rig.hpp"

// 3.3.3, 5.2 STRW: StreamWorlds, and the registers and queues at their limits.
namespace sluice::model::test {
namespace {

constexpr std::uint64_t high = 0xffff'ff80'0000'0000; // of TTB1, 39 bits

struct Worlds : testing::Test {
  Worlds() : rig{Rig::with_substreams(), {}, false} {}
  void enable(std::uint32_t cr2) {
    rig.w32<arch::CR0>(0xc);
    rig.w32<arch::CR2>(cr2);
    rig.w32<arch::CR0>(0xd);
  }
  // A stream with low and high half; each maps one page, privileged only.
  void put(std::uint32_t sid, arch::Strw strw, std::uint64_t low_at, std::uint16_t asid = 5, std::uint16_t vmid = 0) {
    const auto low = rig.tree();
    const auto up = rig.tree();
    rig.map(low, 0x1000, low_at, s1_rw & ~(1ULL << 6));
    rig.map(up, 0x1000, low_at + 0x1000, s1_rw);
    const auto cd_at = rig.ram.alloc(64, 64);
    rig.put(cd_at, rig.cd(low, asid)
                       .set(Cd::EPD1, 0)
                       .set(Cd::T1SZ, 25)
                       .set(Cd::TG1, arch::Tg1::k4)
                       .set(Cd::TTB1, up.root)
                       .set(Cd::IR1, arch::Cacheability::write_back)
                       .set(Cd::OR1, arch::Cacheability::write_back));
    rig.put_ste(sid, rig.stage1_ste(cd_at).set(Ste::STRW, strw).set(Ste::S2VMID, vmid));
  }
  std::optional<std::uint64_t> pa(std::uint32_t sid, std::uint64_t address, bool privileged) {
    const auto t = rig.port->translate({sid, {}, address, 1, false, false, privileged});
    return t.outcome.served() ? std::optional{t.address} : std::nullopt;
  }
  Rig rig;
};

TEST_F(Worlds, NSEL1HasTwoHalvesAndTwoPrivileges) {
  enable(2);
  put(1, arch::Strw::el1, 0x10'0000);
  EXPECT_EQ(pa(1, 0x1000, true), 0x10'0000U);
  EXPECT_EQ(pa(1, 0x1000, false), std::nullopt);
  EXPECT_EQ(pa(1, high + 0x1000, false), 0x10'1000U);
}

TEST_F(Worlds, NSEL2HasOneHalfAndNoPrivileges) {
  enable(2);
  put(1, arch::Strw::el2, 0x10'0000);
  EXPECT_EQ(pa(1, 0x1000, false), 0x10'0000U);
  EXPECT_EQ(rig.read(1, high + 0x1000).event, EventType::F_TRANSLATION);
}

TEST_F(Worlds, WithE2HNSEL2IsAsNSEL1) {
  enable(3);
  put(1, arch::Strw::el2, 0x10'0000);
  EXPECT_EQ(pa(1, 0x1000, true), 0x10'0000U);
  EXPECT_EQ(pa(1, 0x1000, false), std::nullopt);
  EXPECT_EQ(pa(1, high + 0x1000, false), 0x10'1000U);
}

TEST_F(Worlds, EqualASIDsOfDifferentWorldsShareNothing) {
  enable(3);
  put(1, arch::Strw::el1, 0x10'0000);
  put(2, arch::Strw::el2, 0x20'0000);
  EXPECT_EQ(pa(1, 0x1000, true), 0x10'0000U);
  EXPECT_EQ(pa(2, 0x1000, true), 0x20'0000U);
}

TEST_F(Worlds, WithE2HASIDsOfEL2Differ) {
  enable(3);
  put(1, arch::Strw::el2, 0x10'0000, 1);
  put(2, arch::Strw::el2, 0x20'0000, 2);
  EXPECT_EQ(pa(1, 0x1000, true), 0x10'0000U);
  EXPECT_EQ(pa(2, 0x1000, true), 0x20'0000U);
}

TEST_F(Worlds, WithoutE2HEL2HasNoASIDs) {
  enable(2);
  put(1, arch::Strw::el2, 0x10'0000, 1);
  put(2, arch::Strw::el2, 0x20'0000, 2);
  EXPECT_EQ(pa(1, 0x1000, true), 0x10'0000U);
  EXPECT_EQ(pa(2, 0x1000, true), 0x10'0000U); // the one that is cached
}

TEST_F(Worlds, S2VMIDDoesNotTagEL2) {
  enable(3);
  put(1, arch::Strw::el2, 0x10'0000, 1, 4);
  put(2, arch::Strw::el2, 0x20'0000, 1, 5);
  EXPECT_EQ(pa(1, 0x1000, true), 0x10'0000U);
  EXPECT_EQ(pa(2, 0x1000, true), 0x10'0000U);
}

TEST_F(Worlds, CR2IsReadOnlyWhileSMMUENIs1) {
  enable(2);
  rig.w32<arch::CR2>(1);
  EXPECT_EQ(rig.r32<arch::CR2>(), 2U);
  enable(1);
  EXPECT_EQ(rig.r32<arch::CR2>(), 1U);
}

TEST_F(Worlds, E2HIsReservedWithoutHyp) {
  auto f = Rig::with_substreams();
  f.version = 1;
  f.hyp = false;
  Rig other{f, {}, false};
  other.w32<arch::CR2>(0xff);
  EXPECT_EQ(other.r32<arch::CR2>(), 2U);
}

// 3.5.1
TEST(LargestQueues, CommandsAndEventsWrap) {
  auto f = Rig::with_substreams();
  f.cmdq_log2 = f.eventq_log2 = 19;
  Rig rig{f, {}, false, 64 << 20};
  rig.cmdq_log2 = rig.eventq_log2 = 19;
  rig.cmdq = rig.ram.alloc(16ULL << 19, 16ULL << 19);
  rig.eventq = rig.ram.alloc(32ULL << 19, 32ULL << 19);
  rig.w64<arch::CMDQ_BASE>(rig.cmdq | 19);
  rig.w64<arch::EVENTQ_BASE>(rig.eventq | 19);
  // Both begin close to the wrap: their pointers may be written while they are off.
  const std::uint32_t near = (1U << 19) - 2;
  rig.prod = rig.cons = near;
  rig.w32<arch::CMDQ_PROD>(near);
  rig.w32<arch::CMDQ_CONS>(near);
  rig.w32<arch::EVENTQ_PROD>(near);
  rig.w32<arch::EVENTQ_CONS>(near);
  rig.w32<arch::CR0>(0xd);
  for (unsigned i = 0; i < 5; ++i) {
    rig.run({arch::cmd::tlbi_nsnh_all()});
    rig.read(1, 0x1000);
  }
  EXPECT_EQ(rig.r32<arch::CMDQ_CONS>(), (1U << 19) + 8);
  EXPECT_EQ(rig.r32<arch::EVENTQ_PROD>(), (1U << 19) + 3);
  EXPECT_EQ(rig.events().size(), 5U);
}

} // namespace
} // namespace sluice::model::test
