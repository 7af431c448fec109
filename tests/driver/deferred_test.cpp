#include "machine.hpp"

// Unmaps whose invalidation is put off: what the SMMU is told, when, and what may be reused.
namespace sluice::test {
namespace {

using arch::Command;
using arch::Opcode;

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t mib2 = 2ULL << 20;

struct Deferred : testing::Test {
  void SetUp() override { start(Machine::quick()); }
  void start(driver::Config config, bool ranges = true) {
    m.fake.id(m.fake.get<arch::IDR3>().with(arch::IDR3::RIL, ranges));
    config.deferred_unmaps = 8;
    ASSERT_TRUE(m.start(config));
    domain = &m.paging();
    device = &m.add({0x42});
    ASSERT_TRUE(device->attach(*domain).ok());
    ASSERT_TRUE(domain->map(0, 0x40000000, 64 << 20, iommu::prot::read_write).ok());
    ASSERT_TRUE(domain->map(1ULL << 30, 0x40000000, 64 * page, iommu::prot::read_write).ok());
    m.fake.forget();
  }
  static constexpr std::uint64_t at(std::uint64_t n) { return (1ULL << 30) + n * page; }

  Machine m;
  driver::PagingDomain* domain{};
  driver::SmmuDevice* device{};
};

TEST_F(Deferred, AnUnmapSendsNothingAndTheFlushAllInOne) {
  for (std::uint64_t n = 0; n < 4; ++n) {
    const auto u = domain->unmap_deferred(at(n), page);
    ASSERT_TRUE(u.progress.ok());
    EXPECT_EQ(u.progress.done, page);
    EXPECT_EQ(u.mark, n + 1);
    EXPECT_EQ(domain->iova_to_phys(at(n)), Errc::not_mapped);
  }
  EXPECT_TRUE(m.fake.commands().empty());
  EXPECT_EQ(domain->flushed(), 0U);
  ASSERT_TRUE(domain->flush_unmaps().ok());
  EXPECT_EQ(domain->flushed(), 4U);
  ASSERT_EQ(m.fake.commands().size(), 2U) << "neighbours are one range";
  EXPECT_EQ(m.fake.commands()[0].get(Command::Opcode), Opcode::CMD_TLBI_NH_VA);
  EXPECT_EQ(m.fake.commands()[0].get(Command::Address), at(0));
  m.fake.forget();
  ASSERT_TRUE(domain->flush_unmaps().ok());
  EXPECT_TRUE(m.fake.commands().empty()) << "there is nothing left";
}

TEST_F(Deferred, OneOfManyFlushes) {
  for (std::uint64_t n = 0; n < 8; ++n) {
    EXPECT_EQ(domain->flushed(), 0U);
    ASSERT_TRUE(domain->unmap_deferred(at(2 * n), page).progress.ok());
  }
  EXPECT_EQ(domain->flushed(), 8U);
  EXPECT_EQ(m.fake.count(Opcode::CMD_SYNC), 1U);
}

TEST_F(Deferred, TablesAreFreedWithTheFlushAndNotBefore) {
  ASSERT_TRUE(domain->map(2ULL << 30, 0x40001000, mib2, iommu::prot::read_write).ok());
  const auto before = m.port.memory.counts().dma_bytes;
  ASSERT_TRUE(domain->unmap_deferred(2ULL << 30, mib2).progress.ok());
  m.port.sync.reclaim();
  EXPECT_EQ(m.port.memory.counts().dma_bytes, before);
  ASSERT_TRUE(domain->flush_unmaps().ok());
  m.port.sync.reclaim();
  EXPECT_LT(m.port.memory.counts().dma_bytes, before);
}

TEST_F(Deferred, WithNobodyAttachedThereIsNothingToWaitFor) {
  ASSERT_TRUE(device->detach().ok());
  m.fake.forget();
  EXPECT_EQ(domain->unmap_deferred(at(0), page).mark, 0U);
  EXPECT_TRUE(m.fake.commands().empty());
}

TEST_F(Deferred, ADomainTakesWhatIsLeftWithIt) {
  ASSERT_TRUE(domain->unmap_deferred(0, mib2).progress.ok());
  ASSERT_TRUE(device->detach().ok());
  const auto tag = domain->tag();
  ASSERT_TRUE(m.destroy(*domain).ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_ASID), 1U) << "4: a tag in no domain is clean";
  static_cast<void>(tag);
}

TEST_F(Deferred, AStrictUnmapBesideThemTellsOfItself) {
  ASSERT_TRUE(domain->unmap_deferred(at(0), page).progress.ok());
  ASSERT_TRUE(domain->unmap(at(5), page).ok());
  EXPECT_EQ(m.fake.count(Opcode::CMD_SYNC), 1U);
  EXPECT_EQ(domain->flushed(), 0U);
}

// What a flush that is still waiting has taken is not in this one's list.
TEST_F(Deferred, AFlushBesideAnotherTellsEverything) {
  ASSERT_TRUE(domain->unmap_deferred(at(0), page).progress.ok());
  bool once = false;
  m.fake.on_command = [&](const Command& c) {
    if (c.get(Command::Opcode) == Opcode::CMD_TLBI_NH_VA && !std::exchange(once, true)) {
      EXPECT_EQ(domain->flushed(), 0U);
      ASSERT_TRUE(domain->unmap_deferred(at(9), page).progress.ok());
    }
  };
  ASSERT_TRUE(domain->flush_unmaps().ok());
  EXPECT_EQ(domain->flushed(), 1U) << "the second came after this flush had begun";
  m.fake.on_command = nullptr;
  ASSERT_TRUE(domain->flush_unmaps().ok());
  EXPECT_EQ(domain->flushed(), 2U);
}

TEST(DeferredUnmaps, SayWhetherAnotherFlushHasSomeInItsHands) {
  hosted::Port port;
  driver::DeferredUnmaps deferred{port.sync};
  pagetable::Gather none, taken;
  EXPECT_TRUE(deferred.take(taken).nothing);
  deferred.add(none);
  const auto first = deferred.take(taken);
  EXPECT_FALSE(first.nothing);
  EXPECT_TRUE(first.alone);
  deferred.add(none);
  const auto second = deferred.take(taken);
  EXPECT_FALSE(second.alone) << "the first is not confirmed";
  deferred.confirm(second.mark);
  deferred.confirm(first.mark);
  EXPECT_EQ(deferred.flushed(), 2U) << "and does not go back";
  EXPECT_TRUE(deferred.take(taken).nothing);
}

TEST_F(Deferred, AFlushThatIsNotConfirmedFreesNothing) {
  ASSERT_TRUE(domain->map(2ULL << 30, 0x40001000, mib2, iommu::prot::read_write).ok()) << "in pages, with a table";
  const auto before = m.port.memory.counts().dma_bytes;
  ASSERT_TRUE(domain->unmap_deferred(2ULL << 30, mib2).progress.ok());
  m.fake.stopped = true;
  EXPECT_EQ(domain->flush_unmaps(), Errc::timed_out);
  EXPECT_EQ(domain->flushed(), 0U);
  EXPECT_FALSE(domain->flush_unmaps().ok()) << "and it stays so";
  m.port.sync.reclaim();
  EXPECT_EQ(m.port.memory.counts().dma_bytes, before);
}

TEST_F(Deferred, CountersTellKindsApart) {
  const auto of = [&] { return m.smmu->counters(); };
  ASSERT_TRUE(domain->unmap(at(0), page).ok());
  EXPECT_EQ(of().invalidations_by_range, 1U);
  Machine plain;
  plain.fake.id(plain.fake.get<arch::IDR3>().with(arch::IDR3::RIL, 0));
  ASSERT_TRUE(plain.start());
  auto& d = plain.paging();
  ASSERT_TRUE(plain.add({0x42}).attach(d).ok());
  ASSERT_TRUE(d.map(0, 0x40001000, mib2, iommu::prot::read).ok());
  ASSERT_TRUE(d.unmap(0, page).ok());
  EXPECT_EQ(plain.smmu->counters().invalidations_by_page, 1U);
  ASSERT_TRUE(d.unmap(page, 200 * page).ok());
  EXPECT_EQ(plain.smmu->counters().invalidations_of_all, 1U);
}

TEST(Regions, OfADeviceAreTheDoorbellsAndThoseOfFirmware) {
  Machine m;
  ASSERT_TRUE(m.start());
  const iommu::Region rmr{0x70000000, 0x700fffff, iommu::RegionKind::direct, iommu::prot::read_write};
  auto& device = m.add({0x42}, {.regions = {&rmr, 1}});
  std::array<iommu::Region, 4> found;
  EXPECT_EQ(device.regions({}), 2U);
  ASSERT_EQ(device.regions(found), 2U);
  EXPECT_EQ(found[0], (iommu::Region{0x8000000, 0x80fffff, iommu::RegionKind::software_msi, {}}));
  EXPECT_EQ(found[1], rmr);
}

TEST(Support, SaysWhyNot) {
  using driver::Facility;
  using driver::Why;
  Machine m;
  const auto id0 = m.fake.get<arch::IDR0>();
  m.fake.id(id0.with(arch::IDR0::HTTU, arch::Httu::access_dirty));
  ASSERT_TRUE(m.start());
  EXPECT_EQ(m.smmu->why_not(Facility::stage1), Why::available);
  EXPECT_EQ(m.smmu->why_not(Facility::dirty), Why::available);
  EXPECT_EQ(m.smmu->why_not(Facility::stalls), Why::id_register);
  EXPECT_EQ(m.smmu->why_not(Facility::pasid), Why::no_pasid);
  EXPECT_EQ(m.smmu->why_not(Facility::sva), Why::no_pasid);
  EXPECT_EQ(m.smmu->why_not(Facility::nesting), Why::no_s2fwb);
  EXPECT_EQ(m.smmu->why_not(Facility::ats), Why::id_register);
  driver::Capabilities c = m.smmu->capabilities();
  EXPECT_EQ(driver::why_not(c, false, Facility::dirty), Why::incoherent_walks);
  c.stage2 = false;
  EXPECT_EQ(driver::why_not(c, true, Facility::nesting), Why::no_stage2);
}

// What is offered is what works, and what is not offered is refused.
TEST(Support, AgreesWithWhatMakePagingDoes) {
  for (const auto httu : {arch::Httu::none, arch::Httu::access, arch::Httu::access_dirty}) {
    for (const bool coherent : {true, false}) {
      Machine m{{.facts = {.coherent_walks = coherent}}};
      m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::HTTU, httu));
      ASSERT_TRUE(m.start());
      const bool offered = m.smmu->why_not(driver::Facility::dirty) == driver::Why::available;
      EXPECT_EQ(offered, coherent && httu == arch::Httu::access_dirty);
      const auto made = m.try_paging({.dirty = true});
      EXPECT_EQ(made.ok(), offered);
      if (!offered) {
        EXPECT_EQ(made, Errc::unsupported);
      }
    }
  }
}

} // namespace
} // namespace sluice::test
