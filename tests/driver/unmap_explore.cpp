#if defined(SLUICE_EXPLORE)

#include "fake_smmu.hpp"

#include <sluice/arch/cd.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/driver/smmu.hpp>
#include <sluice/hosted/explore.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/hosted/log.hpp>
#include <sluice/hosted/memory.hpp>

#include <gtest/gtest.h>

#include <memory>

namespace sluice::test {
namespace {

using arch::Command;
using arch::Opcode;

// One thread attaches a device to a domain while another unmaps a page of it. The hardware looks the page up whenever
// it can and keeps what it finds until it is told to forget. When both are done it must not know the page.
class AttachAndUnmap : public hosted::ExploreTest {
public:
  static constexpr unsigned threads = 2;
  static constexpr std::uint64_t iova = 0x1000;

  void before() override {
    world_ = std::make_unique<World>(*this);
    auto& w = *world_;
    dma(*w.arena.at(w.arena.bus_base(), 1), w.arena.size());
    auto smmu = driver::Smmu::make({w.memory, sync(), time(), w.irq, w.log}, w.fake, {.command_queue_log2 = 3});
    expect(smmu.ok(), "an SMMU");
    w.smmu = std::move(*smmu);
    const driver::StreamID sids[] = {5};
    w.device = *w.smmu->add(nullptr, sids);
    w.domain = *w.smmu->make_paging({.stage = iommu::Stage::first});
    expect(w.domain->map(iova, 0x40000000, 0x1000, iommu::prot::read_write).ok(), "a page");
    w.fake.on_command = [this](const Command& c) { hear(c); };
  }
  void thread(unsigned who) override {
    if (who == 0) {
      expect(world_->device->attach(*world_->domain).ok(), "an attachment");
    } else {
      expect(world_->domain->unmap(iova, 0x1000).ok(), "an unmapping");
    }
  }
  void after() override {
    expect(!cached_, "no translation of an unmapped page is left");
    static_cast<void>(world_->device->detach());
    static_cast<void>(world_->domain->destroy());
    static_cast<void>(world_->smmu->remove(*world_->device));
    world_->smmu.reset();
  }

private:
  struct World {
    explicit World(AttachAndUnmap& test)
        : arena{{.size = 4 << 20}}, memory{arena}, irq{test.schedule(), 1}, fake{arena} {}
    hosted::Arena arena;
    hosted::Memory memory;
    hosted::Log log;
    hosted::Irq irq;
    FakeSmmu fake;
    platform::Owned<driver::Smmu> smmu;
    iommu::Device* device{};
    iommu::Domain* domain{};
  };

  void hear(const Command& c) {
    const auto opcode = c.get(Command::Opcode);
    if (opcode == Opcode::CMD_TLBI_NH_VA || opcode == Opcode::CMD_TLBI_NH_ASID) {
      cached_ = false;
    }
    cached_ = cached_ || walks();
  }
  std::uint64_t word(std::uint64_t bus) { return world_->fake.load(bus); }
  // 4K pages from level 0.
  bool walks() {
    const std::uint64_t l1 = word(world_->fake.get<arch::STRTAB_BASE>().get(arch::STRTAB_BASE::ADDR));
    const std::uint64_t ste = word(arch::L1Std::L2Ptr.take(l1) + 5 * arch::Ste::byte_size);
    if ((ste & 0xf) != 0xb) { // V, stage 1
      return false;
    }
    std::uint64_t table = word(arch::Ste::S1ContextPtr.take(ste) + 8) & 0x0000'ffff'ffff'f000;
    for (int shift = 39; shift >= 12; shift -= 9) {
      const std::uint64_t entry = word(table + 8 * ((iova >> shift) & 0x1ff));
      if ((entry & 1) == 0) {
        return false;
      }
      table = entry & 0x0000'ffff'ffff'f000;
    }
    return true;
  }

  std::unique_ptr<World> world_;
  bool cached_{};
};

TEST(UnmapExplore, WhoAttachesMeanwhileIsToldOrDoesNotSeeThePage) {
  const auto result = hosted::explore<AttachAndUnmap>({.seeds = 1000});
  EXPECT_FALSE(result.failed()) << result.report;
  RecordProperty("runs", static_cast<int>(result.runs));
}

} // namespace
} // namespace sluice::test

#endif
