#include "rig.hpp"

namespace sluice::model::test {
namespace {

TEST(Handshake, CR0IsAcknowledgedField) {
  Rig rig{Features{}, {}, false};
  for (const std::uint32_t value : {8U, 0xcU, 0xdU, 0xcU, 0U}) {
    rig.w32<arch::CR0>(value);
    EXPECT_EQ(rig.r32<arch::CR0ACK>(), value);
  }
}

TEST(Handshake, ReservedBitsOfCR0AreNotAcknowledged) {
  Rig rig{Features{}, {}, false};
  rig.w32<arch::CR0>(~0U);
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), 0xdU);
}

TEST(Handshake, SMMUENWaitsForAPortInABurst) {
  Rig rig{Features{}, {}, false};
  rig.put_ste(1, Ste{}.set(Ste::V, 1)); // aborts
  {
    Port::Burst burst{*rig.port};
    rig.w32<arch::CR0>(1);
    EXPECT_EQ(rig.r32<arch::CR0>(), 1U);
    EXPECT_EQ(rig.r32<arch::CR0ACK>(), 0U);
    burst.pause();
    EXPECT_EQ(rig.r32<arch::CR0ACK>(), 1U);
    rig.w32<arch::CR0>(0);
    EXPECT_EQ(rig.r32<arch::CR0ACK>(), 1U);
  }
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), 0U);
}

TEST(Handshake, AWriteToSMMUENIsIgnoredWhileAnotherIsPending) {
  Rig rig{Features{}, {}, false};
  {
    Port::Burst burst{*rig.port};
    rig.w32<arch::CR0>(1);
    rig.w32<arch::CR0>(0);
    EXPECT_EQ(rig.r32<arch::CR0>(), 1U);
  }
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), 1U);
}

TEST(Handshake, WhatSMMUENGuardsIsReadOnlyUntilItsOffIsAcknowledged) {
  Rig rig;
  Port::Burst burst{*rig.port};
  rig.w32<arch::CR0>(0xc);
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), 0xdU);
  rig.w32<arch::STRTAB_BASE_CFG>(3);
  EXPECT_EQ(rig.r32<arch::STRTAB_BASE_CFG>(), Rig::streams_log2);
  burst.pause();
  rig.w32<arch::STRTAB_BASE_CFG>(3);
  EXPECT_EQ(rig.r32<arch::STRTAB_BASE_CFG>(), 3U);
}

TEST(Handshake, SMMUENInvalidatesNothing) {
  Rig rig;
  rig.put_ste(1, rig.bypass_ste());
  EXPECT_TRUE(rig.pa(1, 0x1000));
  rig.put_ste(1, Ste{}.set(Ste::V, 1));
  rig.w32<arch::CR0>(0xc);
  rig.w32<arch::CR0>(0xd);
  EXPECT_TRUE(rig.pa(1, 0x1000));
}

TEST(Handshake, WithSMMUENOffTrafficGoesByGBPA) {
  Rig rig{Features{}, {}, false};
  EXPECT_EQ(rig.pa(1, 0x1234), 0x1234U);
  rig.w32<arch::GBPA>(1U << 31 | 1U << 20);
  EXPECT_EQ(rig.r32<arch::GBPA>(), 1U << 20);
  const auto o = rig.read(1, 0x1000);
  EXPECT_EQ(o.kind, Outcome::Kind::aborted);
  EXPECT_EQ(o.event, std::nullopt);
}

TEST(Handshake, WithSMMUENOffAnAddressBeyondOASAbortsWithoutEvent) {
  Rig rig{Features{}, {}, false};
  rig.w32<arch::CR0>(4);
  const auto o = rig.read(1, 1ULL << 44);
  EXPECT_EQ(o.kind, Outcome::Kind::aborted);
  EXPECT_EQ(o.event, std::nullopt);
  EXPECT_TRUE(rig.events().empty());
}

TEST(Handshake, GBPAKeepsUpdateUntilPortsHaveSeenIt) {
  Rig rig{Features{}, {}, false};
  Port::Burst burst{*rig.port};
  rig.w32<arch::GBPA>(1U << 31 | 1U << 20);
  EXPECT_EQ(rig.r32<arch::GBPA>(), 1U << 31 | 1U << 20);
  rig.w32<arch::GBPA>(1U << 31);
  burst.pause();
  EXPECT_EQ(rig.r32<arch::GBPA>(), 1U << 20);
}

TEST(Handshake, AWriteOfGBPAWithoutUpdateIsIgnored) {
  Rig rig{Features{}, {}, false};
  const auto before = rig.r32<arch::GBPA>();
  rig.w32<arch::GBPA>(1U << 20);
  EXPECT_EQ(rig.r32<arch::GBPA>(), before);
}

TEST(Handshake, IRQ_CTRLIsAcknowledged) {
  Rig rig;
  rig.w32<arch::IRQ_CTRL>(7);
  EXPECT_EQ(rig.r32<arch::IRQ_CTRLACK>(), 5U); // no PRI
  rig.w32<arch::IRQ_CTRL>(0);
  EXPECT_EQ(rig.r32<arch::IRQ_CTRLACK>(), 0U);
}

TEST(Handshake, GERRORNReadsBackWhatWasWritten) {
  Rig rig;
  rig.w32<arch::GERRORN>(5);
  EXPECT_EQ(rig.r32<arch::GERRORN>(), 5U);
  EXPECT_EQ(rig.r32<arch::GERROR>(), 0U);
}

TEST(Handshake, StepSaysWhetherSomethingHappened) {
  Rig rig;
  EXPECT_FALSE(rig.smmu->step());
}

} // namespace
} // namespace sluice::model::test
