#if defined(SLUICE_EXPLORE)

#include "fake_smmu.hpp"
#include "fake_space.hpp"

#include <sluice/arch/cd.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/driver/paging_domain.hpp>
#include <sluice/driver/smmu.hpp>
#include <sluice/hosted/explore.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/hosted/log.hpp>
#include <sluice/hosted/memory.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace sluice::test {
namespace {

// One thread makes the domain of an address space that has the ASID of another domain, while a second one unmaps a page
// of that. The hardware goes by each CD that it has read since it was told to forget it, looks the page up whenever it
// can, and keeps what it finds by ASID. When both are done it must not know the page under any.
class MoveAndUnmap : public hosted::ExploreTest {
public:
  static constexpr unsigned threads = 2;
  static constexpr std::uint64_t page = 0x1000;
  static constexpr driver::StreamID sid = 5;

  void before() override {
    moved_ = std::make_unique<Moved>(*this);
    auto& w = *moved_;
    dma(*w.arena.at(w.arena.bus_base(), 1), w.arena.size());
    w.fake.id(w.fake.get<arch::IDR0>().with(arch::IDR0::BTM, 1));
    w.fake.id(w.fake.get<arch::IDR1>().with(arch::IDR1::SSIDSIZE, 8));
    w.fake.on_command = [this](const arch::Command& c) { hear(c); };
    auto smmu = driver::Smmu::make({w.memory, sync(), time(), w.irq, w.log}, w.fake,
                                   {.broadcast = driver::Broadcast::el1, .command_queue_log2 = 3});
    expect(smmu.ok(), "an SMMU");
    w.smmu = std::move(*smmu);
    const driver::StreamID sids[] = {sid};
    w.device = *w.smmu->add(nullptr, sids);
    w.domain = static_cast<driver::PagingDomain*>(*w.smmu->make_paging({.stage = iommu::Stage::first}));
    expect(w.domain->map(page, 0x40000000, 0x1000, iommu::prot::read_write).ok(), "a page");
    expect(w.device->attach(*w.domain).ok(), "an attachment");
    w.space.known_as = w.domain->tag().id;
  }
  void thread(unsigned who) override {
    if (who == 0) {
      auto made = moved_->smmu->make_sva(moved_->space);
      expect(made.ok(), "an address space's domain");
      moved_->sva = *made;
    } else {
      expect(moved_->domain->unmap(page, 0x1000).ok(), "an unmapping");
    }
  }
  void after() override {
    expect(cached_.empty(), "no translation of an unmapped page is left");
    expect(moved_->domain->tag().id != moved_->space.known_as, "another ASID");
    static_cast<void>(moved_->device->detach());
    static_cast<void>(moved_->sva->destroy());
    static_cast<void>(moved_->domain->destroy());
    static_cast<void>(moved_->smmu->remove(*moved_->device));
    moved_->smmu.reset();
  }

private:
  struct Moved {
    explicit Moved(MoveAndUnmap& test)
        : arena{{.size = 4 << 20}}, memory{arena}, irq{test.schedule(), 1}, fake{arena} {}
    hosted::Arena arena;
    hosted::Memory memory;
    hosted::Log log;
    hosted::Irq irq;
    FakeSmmu fake;
    FakeSpace space;
    platform::Owned<driver::Smmu> smmu;
    iommu::Device* device{};
    driver::PagingDomain* domain{};
    iommu::Domain* sva{};
  };

  void hear(const arch::Command& c) {
    using arch::Opcode;
    const auto opcode = c.get(arch::Command::Opcode);
    if (opcode == Opcode::CMD_TLBI_NH_VA || opcode == Opcode::CMD_TLBI_NH_ASID) {
      cached_.erase(static_cast<std::uint16_t>(c.get(arch::Command::ASID)));
    }
    if (opcode != Opcode::CMD_SYNC && opcode != Opcode::CMD_TLBI_NH_VA && opcode != Opcode::CMD_TLBI_NH_ASID) {
      tags_.clear(); // configuration is invalidated
    }
    if (const std::uint64_t cd = context()) {
      tags_.insert(static_cast<std::uint16_t>(word(cd) >> 48));
      if (present(word(cd + 8) & 0x0000'ffff'ffff'f000)) {
        cached_.insert(tags_.begin(), tags_.end());
      }
    }
  }
  std::uint64_t word(std::uint64_t bus) { return moved_->fake.load(bus); }
  // Where the CD is; 0 while there is none.
  std::uint64_t context() {
    const std::uint64_t l1 = word(moved_->fake.get<arch::STRTAB_BASE>().get(arch::STRTAB_BASE::ADDR));
    const std::uint64_t entry = word(arch::L1Std::L2Ptr.take(l1) + sid * arch::Ste::byte_size);
    return arch::L1Std::L2Ptr.take(l1) != 0 && (entry & 0xf) == 0xb ? arch::Ste::S1ContextPtr.take(entry) : 0;
  }
  // 4K pages from level 0.
  bool present(std::uint64_t table) {
    for (int shift = 39; shift >= 12; shift -= 9) {
      const std::uint64_t entry = word(table + 8 * ((page >> shift) & 0x1ff));
      if ((entry & 1) == 0) {
        return false;
      }
      table = entry & 0x0000'ffff'ffff'f000;
    }
    return true;
  }

  std::unique_ptr<Moved> moved_;
  std::set<std::uint16_t> tags_;   // by which the hardware may go
  std::set<std::uint16_t> cached_; // under which it knows the page
};

TEST(SharedAsidExplore, WhoUnmapsWhileADomainTakesAnotherAsidNamesAllThatTheHardwareKnows) {
  const auto result = hosted::explore<MoveAndUnmap>({.seeds = 1000});
  EXPECT_FALSE(result.failed()) << result.report;
  RecordProperty("runs", static_cast<int>(result.runs));
}

} // namespace
} // namespace sluice::test

#endif
