#include <sluice/frame/registers.hpp>

#include <gtest/gtest.h>

namespace sluice::frame {
namespace {

using namespace arch;

IdRegisters some_id() {
  IdRegisters id;
  id.idr0.set(IDR0::S1P, 1).set(IDR0::S2P, 1).set(IDR0::Hyp, 1);
  id.idr1.set(IDR1::SIDSIZE, 16).set(IDR1::ATTR_TYPES_OVR, 1);
  id.aidr.set(AIDR::ArchMinorRev, 2);
  return id;
}

TEST(Registers, IdentificationReadsAsMadeAndIgnoresWrites) {
  Registers r{some_id()};
  EXPECT_EQ(r.read(IDR0::offset, 4), some_id().idr0.raw());
  EXPECT_FALSE(r.write(IDR0::offset, 4, ~0U).taken);
  EXPECT_EQ(r.read(IDR0::offset, 4), some_id().idr0.raw());
  EXPECT_EQ(r.read(0xff0, 4), 0x0dU);
  EXPECT_EQ(r.read(0xffc, 4), 0xb1U);
}

TEST(Registers, AnUnalignedOrOddlySizedAccessIsRAZWI) {
  Registers r{some_id()};
  EXPECT_FALSE(r.write(STRTAB_BASE::offset + 2, 4, ~0U).taken);
  EXPECT_FALSE(r.write(STRTAB_BASE::offset + 4, 8, ~0U).taken);
  EXPECT_FALSE(r.write(STRTAB_BASE::offset, 2, ~0U).taken);
  EXPECT_EQ(r.read(STRTAB_BASE::offset, 8), 0U);
  EXPECT_EQ(r.read(IDR0::offset + 1, 4), 0U);
  EXPECT_EQ(r.read(IDR0::offset, 1), 0U);
}

TEST(Registers, A64BitAccessToTwo32BitRegistersIsRAZWI) {
  Registers r{some_id()};
  EXPECT_FALSE(r.write(CMDQ_PROD::offset, 8, 1).taken);
  EXPECT_EQ(r.read(IDR0::offset, 8), 0U);
}

TEST(Registers, BothHalvesOfA64BitRegisterAreWrittenAlone) {
  Registers r{some_id()};
  EXPECT_TRUE(r.write(STRTAB_BASE::offset, 4, 0x1234'5678).taken);
  EXPECT_TRUE(r.write(STRTAB_BASE::offset + 4, 4, 0x4000'00ab).taken);
  EXPECT_EQ(r.read(STRTAB_BASE::offset, 8), 0x4000'00ab'1234'5640U); // [5:0] are reserved
  EXPECT_EQ(r.read(STRTAB_BASE::offset + 4, 4), 0x4000'00abU);
}

TEST(Registers, NothingIsWhereTheMapHasNothing) {
  Registers r{some_id()};
  for (const std::uint32_t offset : {0x3cU, 0xa8U, 0xacU, 0x5000U, 0x10000U, 0x1ffffcU}) {
    EXPECT_FALSE(r.write(offset, 4, ~0U).taken) << offset;
    EXPECT_EQ(r.read(offset, 4), 0U) << offset;
  }
}

TEST(Registers, ReservedBitsReadZero) {
  Registers r{some_id()};
  r.write(CR1::offset, 4, ~0U);
  EXPECT_EQ(r.read(CR1::offset, 4), 0xfffU);
}

TEST(Registers, BitsOfAnAbsentFeatureReadZero) {
  Registers r{some_id()};
  r.write(CR2::offset, 4, ~0U);
  EXPECT_EQ(r.read(CR2::offset, 4), 3U); // no BTM, no ATSRECERR
  r.write(CR0::offset, 4, ~0U);
  EXPECT_EQ(r.read(CR0::offset, 4), 0xdU); // no PRI, ATS, VMW, DPT
}

TEST(Registers, ARegisterOfAnAbsentFeatureIsRAZWI) {
  Registers r{some_id()};
  EXPECT_FALSE(r.write(EVENTQ_IRQ_CFG1::offset, 4, 7).taken); // no MSI
  EXPECT_EQ(r.read(EVENTQ_IRQ_CFG1::offset, 4), 0U);
}

struct GuardCase {
  const char* name;
  std::uint32_t offset;
  unsigned size;
  std::uint32_t cr0;
};

class GuardedRegister : public testing::TestWithParam<GuardCase> {};

TEST_P(GuardedRegister, IsReadOnlyWhileItsGuardIsOnOrNotYetAcknowledgedOff) {
  const auto& c = GetParam();
  Registers r{some_id()};
  EXPECT_TRUE(r.write(c.offset, c.size, 0x40).taken);
  const auto before = r.read(c.offset, c.size);
  EXPECT_NE(before, 0U);
  r.write(CR0::offset, 4, c.cr0);
  EXPECT_FALSE(r.write(c.offset, c.size, 0).changed());
  r.put(CR0ACK::from(c.cr0));
  r.write(CR0::offset, 4, 0);
  EXPECT_FALSE(r.write(c.offset, c.size, 0).changed());
  EXPECT_EQ(r.read(c.offset, c.size), before);
  r.put(CR0ACK{});
  EXPECT_TRUE(r.write(c.offset, c.size, 0).changed());
}

INSTANTIATE_TEST_SUITE_P(Each, GuardedRegister,
                         testing::Values(GuardCase{"STRTAB_BASE", STRTAB_BASE::offset, 8, 1},
                                         GuardCase{"STRTAB_BASE_CFG", STRTAB_BASE_CFG::offset, 4, 1},
                                         GuardCase{"CMDQ_BASE", CMDQ_BASE::offset, 8, 8},
                                         GuardCase{"CMDQ_CONS", CMDQ_CONS::offset, 4, 8},
                                         GuardCase{"EVENTQ_BASE", EVENTQ_BASE::offset, 8, 4},
                                         GuardCase{"EVENTQ_PROD", EVENTQ_PROD::offset, 4, 4},
                                         GuardCase{"CR1_tables", CR1::offset, 4, 1}),
                         [](const auto& i) { return i.param.name; });

TEST(Registers, CR1sQueueBitsAreGuardedByEachQueue) {
  for (const std::uint32_t queue : {4U, 8U}) {
    Registers r{some_id()};
    r.write(CR0::offset, 4, queue);
    r.write(CR1::offset, 4, 0xfff);
    EXPECT_EQ(r.read(CR1::offset, 4), 0xfc0U);
  }
}

TEST(Registers, CR2IsGuardedBySMMUEN) {
  Registers r{some_id()};
  r.write(CR0::offset, 4, 1);
  EXPECT_FALSE(r.write(CR2::offset, 4, 2).changed());
}

TEST(Registers, AFieldOfCR0WaitsForItsAcknowledgement) {
  Registers r{some_id()};
  r.write(CR0::offset, 4, 8);
  r.write(CR0::offset, 4, 5); // CMDQEN is on its way: it stays, the others are taken
  EXPECT_EQ(r.read(CR0::offset, 4), 0xdU);
  r.put(CR0ACK::from(0xd));
  r.write(CR0::offset, 4, 5);
  EXPECT_EQ(r.read(CR0::offset, 4), 5U);
}

TEST(Registers, AFieldOfIRQ_CTRLWaitsForItsAcknowledgement) {
  Registers r{some_id()};
  r.write(IRQ_CTRL::offset, 4, 1);
  r.write(IRQ_CTRL::offset, 4, 4);
  EXPECT_EQ(r.read(IRQ_CTRL::offset, 4), 5U);
}

TEST(Registers, GBPAIsWrittenOnlyWithUpdateAndNotDuringOne) {
  Registers r{some_id()};
  EXPECT_FALSE(r.write(GBPA::offset, 4, 1U << 20).taken);
  EXPECT_TRUE(r.write(GBPA::offset, 4, 1U << 20 | 1U << 31).taken);
  EXPECT_FALSE(r.write(GBPA::offset, 4, 1U << 31).taken);
  EXPECT_EQ(r.read(GBPA::offset, 4), 1U << 20 | 1U << 31);
}

TEST(Registers, GBPAWithoutOverridesKeepsOnlyABORT) {
  auto id = some_id();
  id.idr1.set(IDR1::ATTR_TYPES_OVR, 0);
  Registers r{id};
  r.write(GBPA::offset, 4, ~0U);
  EXPECT_EQ(r.read(GBPA::offset, 4), 1U << 20 | 1U << 31);
}

TEST(Registers, PresetTablesAndQueuesAreReadOnly) {
  auto id = some_id();
  id.idr1.set(IDR1::TABLES_PRESET, 1).set(IDR1::QUEUES_PRESET, 1);
  Registers r{id};
  EXPECT_FALSE(r.write(STRTAB_BASE::offset, 8, ~0ULL).taken);
  EXPECT_FALSE(r.write(CMDQ_BASE::offset, 8, ~0ULL).taken);
}

TEST(Registers, CONSOfAnOutputQueueIsAlwaysWritable) {
  Registers r{some_id()};
  r.write(CR0::offset, 4, 0xd);
  r.put(CR0ACK::from(0xd));
  EXPECT_TRUE(r.write(EVENTQ_CONS::offset, 4, 0x8000'0003).taken);
  EXPECT_EQ(r.read(EVENTQ_CONS::offset, 4), 0x8000'0003U);
}

} // namespace
} // namespace sluice::frame
