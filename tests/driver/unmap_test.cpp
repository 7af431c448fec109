#include "machine.hpp"

namespace sluice::test {
namespace {

using arch::Command;
using arch::Granule;
using arch::Opcode;
using arch::TlbiTg;
using driver::Invalidation;
using driver::Tag;
using iommu::Stage;
using pagetable::Gather;

constexpr std::uint64_t kib = 1024, mib = 1024 * kib, gib = 1024 * mib;

struct Unmap : testing::Test {
  void start(bool ranges, Stage stage = Stage::first) {
    m.fake.id(m.fake.get<arch::IDR3>().with(arch::IDR3::RIL, ranges));
    ASSERT_TRUE(m.start());
    device = &m.add({0x42});
    domain = &m.paging(stage);
    ASSERT_TRUE(device->attach(*domain).ok());
  }
  // The commands of one unmap.
  std::vector<Command> unmap(std::uint64_t iova, std::uint64_t size) {
    EXPECT_TRUE(domain->map(iova, 0x4000000000, size, iommu::prot::read_write).ok());
    m.fake.forget();
    const auto progress = domain->unmap(iova, size);
    EXPECT_TRUE(progress.ok());
    EXPECT_EQ(progress.done, size);
    auto commands = m.fake.commands();
    if (!commands.empty()) {
      EXPECT_EQ(commands.back().get(Command::Opcode), Opcode::CMD_SYNC);
      EXPECT_EQ(m.fake.count(Opcode::CMD_SYNC), 1U) << "one unmap, one SYNC";
      commands.pop_back();
    }
    return commands;
  }
  Machine m;
  driver::SmmuDevice* device{};
  driver::PagingDomain* domain{};
};

TEST_F(Unmap, APageIsOneCommand) {
  for (const bool ranges : {false, true}) {
    Machine other;
    other.fake.id(other.fake.get<arch::IDR3>().with(arch::IDR3::RIL, ranges));
    ASSERT_TRUE(other.start());
    auto& dev = other.add({1});
    auto& dom = other.paging();
    ASSERT_TRUE(dev.attach(dom).ok());
    ASSERT_TRUE(dom.map(0x1000, 0x40000000, 0x2000, iommu::prot::read_write).ok());
    other.fake.forget();
    ASSERT_TRUE(dom.unmap(0x1000, 0x1000).ok());
    ASSERT_EQ(other.fake.commands().size(), 2U);
    const auto c = other.fake.commands()[0];
    EXPECT_EQ(c.get(Command::Opcode), Opcode::CMD_TLBI_NH_VA);
    EXPECT_EQ(c.get(Command::ASID), dom.tag().id);
    EXPECT_EQ(c.get(Command::VMID), 0U);
    EXPECT_EQ(c.get(Command::Address), 0x1000U);
    EXPECT_EQ(c.get(Command::Leaf), 1U);
    EXPECT_EQ(c.get(Command::TG), ranges ? TlbiTg::k4 : TlbiTg::any);
    EXPECT_EQ(c.get(Command::TTL), ranges ? 3U : 0U);
  }
}

TEST_F(Unmap, WithRangesAnyLengthIsOneCommand) {
  start(true);
  for (const std::uint64_t pages : {1U, 2U, 31U, 32U, 33U, 63U, 100U, 511U, 512U, 1000U}) {
    SCOPED_TRACE(pages);
    EXPECT_EQ(unmap(0x40001000, pages * 4 * kib).size(), 1U); // no blocks: the addresses do not align
  }
}

TEST_F(Unmap, WithoutRangesEachLeafIsACommand) {
  start(false);
  EXPECT_EQ(unmap(0x40000000, 16 * 4 * kib).size(), 16U);
  EXPECT_EQ(unmap(0x80000000, 4 * mib).size(), 2U) << "two blocks";
}

TEST_F(Unmap, BeyondAThresholdTheWholeAsidGoes) {
  start(false);
  EXPECT_EQ(unmap(0x40001000, 64 * 4 * kib).size(), 64U);
  const auto commands = unmap(0x40001000, 65 * 4 * kib);
  ASSERT_EQ(commands.size(), 1U);
  EXPECT_EQ(commands[0], arch::cmd::tlbi_nh_asid(0, domain->tag().id));
}

TEST_F(Unmap, OfStage2GoesByVmid) {
  start(true, Stage::second);
  const auto commands = unmap(0x40000000, 8 * 4 * kib);
  ASSERT_EQ(commands.size(), 1U);
  EXPECT_EQ(commands[0].get(Command::Opcode), Opcode::CMD_TLBI_S2_IPA);
  EXPECT_EQ(commands[0].get(Command::VMID), domain->tag().id);
}

TEST_F(Unmap, OfStage2BeyondAThresholdTheWholeVmidGoes) {
  start(false, Stage::second);
  const auto commands = unmap(0x40001000, 100 * 4 * kib);
  ASSERT_EQ(commands.size(), 1U);
  EXPECT_EQ(commands[0], arch::cmd::tlbi_s12_vmall(domain->tag().id));
}

TEST_F(Unmap, WhereATableGoesTheInvalidationIsNotLimitedToLeaves) {
  start(true);
  ASSERT_TRUE(domain->map(0, 0x40001000, 2 * mib, iommu::prot::read_write).ok()); // pages: the addresses do not align
  m.fake.forget();
  ASSERT_TRUE(domain->unmap(0, 2 * mib).ok());
  const auto c = m.fake.commands()[0];
  EXPECT_EQ(c.get(Command::Leaf), 0U);
  EXPECT_EQ(c.get(Command::TTL), 0U);
}

TEST_F(Unmap, OfADomainThatNobodyIsOnSendsNothing) {
  start(true);
  ASSERT_TRUE(device->detach().ok());
  EXPECT_TRUE(unmap(0x1000, 0x1000).empty());
}

TEST_F(Unmap, OfNothingSendsNothing) {
  start(true);
  m.fake.forget();
  EXPECT_EQ(domain->unmap(0x1000, 0x1000).error(), Errc::not_mapped);
  EXPECT_TRUE(m.fake.seen().empty());
}

TEST_F(Unmap, StoppedHalfWayStillTellsOfWhatIsGone) {
  start(true);
  ASSERT_TRUE(domain->map(0x1000, 0x40000000, 0x1000, iommu::prot::read_write).ok());
  m.fake.forget();
  const auto progress = domain->unmap(0x1000, 0x3000);
  EXPECT_EQ(progress.error(), Errc::not_mapped);
  EXPECT_EQ(progress.done, 0x1000U);
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_VA), 1U);
}

TEST_F(Unmap, TheTableHasChangedBeforeTheSmmuIsTold) {
  start(true);
  ASSERT_TRUE(domain->map(0x1000, 0x40000000, 0x1000, iommu::prot::read_write).ok());
  bool told = false;
  m.fake.on_command = [&](const Command& c) {
    if (c.get(Command::Opcode) == Opcode::CMD_TLBI_NH_VA) {
      told = true;
      EXPECT_EQ(domain->iova_to_phys(0x1000), Errc::not_mapped);
    }
  };
  ASSERT_TRUE(domain->unmap(0x1000, 0x1000).ok());
  EXPECT_TRUE(told);
}

TEST_F(Unmap, MapSendsNothing) {
  start(true);
  m.fake.forget();
  ASSERT_TRUE(domain->map(0, 0x40000000, 4 * gib, iommu::prot::read_write).ok());
  EXPECT_TRUE(m.fake.seen().empty());
}

TEST_F(Unmap, ErrorsOfMapAreTheTables) {
  start(true);
  EXPECT_EQ(domain->map(0x800, 0, 0x1000, iommu::prot::read).error(), Errc::unaligned);
  EXPECT_EQ(domain->map(0, 0, 0x1000, {}).error(), Errc::no_permission);
  EXPECT_EQ(domain->map(0, 1ULL << 48, 0x1000, iommu::prot::read).error(), Errc::output_range);
  EXPECT_EQ(domain->map(1ULL << 48, 0, 0x1000, iommu::prot::read).error(), Errc::input_range);
  ASSERT_TRUE(domain->map(0, 0x1000, 0x1000, iommu::prot::read).ok());
  EXPECT_EQ(domain->map(0, 0x1000, 0x1000, iommu::prot::read).error(), Errc::already_mapped);
  EXPECT_EQ(*domain->iova_to_phys(0x123), 0x1123U);
}

TEST_F(Unmap, StaticDomainsHaveNoMappings) {
  ASSERT_TRUE(m.start());
  EXPECT_EQ(m.smmu->identity().map(0, 0, 0x1000, iommu::prot::read).error(), Errc::unsupported);
  EXPECT_EQ(m.smmu->blocked().unmap(0, 0x1000).error(), Errc::unsupported);
  EXPECT_EQ(*m.smmu->identity().iova_to_phys(0x1234), 0x1234U);
  EXPECT_EQ(m.smmu->identity().iova_to_phys(1ULL << 48), Errc::input_range);
  EXPECT_EQ(m.smmu->blocked().iova_to_phys(0x1234), Errc::not_mapped);
}

// What a command covers. 4.4.1.1
struct Cover {
  std::uint64_t first, last;
};
Cover cover(const Command& c) {
  constexpr std::uint64_t page = 4096;
  const std::uint64_t granules =
      c.get(Command::TG) == TlbiTg::any ? 1 : (c.get(Command::NUM) + 1) << c.get(Command::SCALE);
  const std::uint64_t first = c.get(Command::Address);
  return {first, first + granules * page - 1};
}

TEST(Invalidations, OfARangeCoverItAllAndLittleMore) {
  for (std::uint64_t pages = 1; pages < 5000; ++pages) {
    Gather gather;
    gather.add(0x40000000, pages * 4096, 12, 1 << 3, false);
    const Invalidation inv{gather, {pagetable::Stage::one, 1}, Granule::k4, true};
    ASSERT_EQ(inv.commands().size(), 1U);
    const auto c = cover(inv.commands()[0]);
    ASSERT_EQ(c.first, 0x40000000U);
    ASSERT_GE(c.last, 0x40000000 + pages * 4096 - 1);
    ASSERT_LE(c.last - c.first + 1, pages * 4096 + pages * 4096 / 16);
  }
}

TEST(Invalidations, AvoidTheReservedEncoding) {
  for (std::uint64_t pages = 1; pages < 2000; ++pages) {
    for (const bool tables : {false, true}) {
      for (const int levels : {1 << 3, 1 << 2, 1 << 2 | 1 << 3}) {
        Gather gather;
        gather.add(0x40000000, pages * 4096, 12, static_cast<unsigned>(levels), tables);
        for (const auto stage : {pagetable::Stage::one, pagetable::Stage::two}) {
          const Invalidation inv{gather, {stage, 1}, Granule::k4, true};
          for (const auto& c : inv.commands()) {
            ASSERT_FALSE(c.get(Command::TG) != TlbiTg::any && c.get(Command::NUM) == 0 && c.get(Command::SCALE) == 0 &&
                         c.get(Command::TTL) == 0)
                << "CERROR_ILL";
          }
        }
      }
    }
  }
}

TEST(Invalidations, TheWholeInputRangeFits) {
  Gather gather;
  gather.add(0, 1ULL << 48, 30, 1 << 1, false);
  const Invalidation inv{gather, {pagetable::Stage::one, 1}, Granule::k4, true};
  ASSERT_EQ(inv.commands().size(), 1U);
  EXPECT_GE(cover(inv.commands()[0]).last, (1ULL << 48) - 1);
}

TEST(Invalidations, OneLevelIsAHint) {
  Gather gather;
  gather.add(0x40000000, 2 * mib, 21, 1 << 2, false);
  const Invalidation inv{gather, {pagetable::Stage::one, 1}, Granule::k4, true};
  EXPECT_EQ(inv.commands()[0].get(Command::TTL), 2U);
}

TEST(Invalidations, WithoutRangesNoHintIsGiven) {
  Gather gather;
  gather.add(0x40000000, 2 * mib, 21, 1 << 2, false);
  const Invalidation inv{gather, {pagetable::Stage::one, 1}, Granule::k4, false};
  EXPECT_EQ(inv.commands()[0], arch::cmd::tlbi_nh_va(0, 1, 0x40000000, true));
}

} // namespace
} // namespace sluice::test
