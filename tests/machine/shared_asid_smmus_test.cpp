#include <sluice/driver/paging_domain.hpp>
#include <sluice/driver/sva_domain.hpp>
#include <sluice/machine/address_space.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

// 3.17: one process behind two SMMUs. Both know it by the processors' ASID and hear each broadcast; each has domains of
// its own under it, which take other ASIDs without a gap.
namespace sluice::machine {
namespace {

using driver::Broadcast;
using iommu::Target;

constexpr std::uint32_t shared_stream = 0x20;
constexpr std::uint64_t of_process = 0x7f12'3456'7000;

// As the interconnect does: all hear, and it is done when all have.
class ToBoth final : public Broadcasts {
public:
  explicit ToBoth(Machine& machine)
      : a_{machine.smmu(0).model(), machine.port().time, false}, b_{machine.smmu(1).model(), machine.port().time,
                                                                    false} {}
  base::Status invalidate(std::uint16_t asid, std::span<const pagetable::Gather::Range> ranges) override {
    const base::Status first = a_.invalidate(asid, ranges);
    const base::Status second = b_.invalidate(asid, ranges);
    return first ? second : first;
  }

private:
  SmmuBroadcasts a_, b_;
};

// What is behind one of the two.
class Side {
public:
  static constexpr std::uint64_t fixed = 0x10000, moving = 0x20'0000;

  Side(Machine& m, std::size_t index, std::uint64_t page) : machine{m}, node{m.smmu(index)}, page_{page} {
    const std::array streams{shared_stream};
    device = *driver().add(nullptr, streams, {.pasid_bits = 9});
    domain = static_cast<driver::PagingDomain*>(*driver().make_paging({.pasid = true}));
    EXPECT_TRUE(domain->map(fixed, page, 4096, iommu::prot::read_write));
    EXPECT_TRUE(device->attach(*domain));
    EXPECT_TRUE(device->attach(*domain, Target::pasid(7)));
  }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  ~Side() {
    EXPECT_TRUE(device->detach(Target::pasid(7)));
    EXPECT_TRUE(device->detach());
    EXPECT_TRUE(domain->destroy());
    EXPECT_TRUE(driver().remove(*device));
  }
  driver::Smmu& driver() { return node.driver(); }
  driver::SvaDomain& bind(AddressSpace& space) {
    auto made = driver().make_sva(space);
    EXPECT_TRUE(made);
    EXPECT_TRUE(device->attach(**made, Target::pasid(5)));
    return static_cast<driver::SvaDomain&>(**made);
  }
  void unbind(driver::SvaDomain& sva) {
    EXPECT_TRUE(device->detach(Target::pasid(5)));
    EXPECT_TRUE(sva.destroy());
  }
  bool reads(std::optional<std::uint32_t> pasid, std::uint64_t at) {
    model::Port port{node.model()};
    return reads(port, pasid, at);
  }
  static bool reads(model::Port& port, std::optional<std::uint32_t> pasid, std::uint64_t at) {
    char byte = 0;
    return port.access({.stream_id = shared_stream, .substream_id = pasid, .address = at}, &byte).served() &&
           byte == 'x';
  }

  // Until `stop`: reads what is always there, and maps and unmaps beside it.
  void work(std::atomic<bool>& stop) {
    model::Port port{node.model()};
    for (std::uint64_t i = 0; !stop.load(); ++i) {
      const auto target = i % 2 == 0 ? std::optional<std::uint32_t>{7} : std::nullopt;
      const std::uint64_t at = moving + i % 8 * 4096;
      gaps.fetch_add(reads(port, target, fixed) ? 0 : 1);
      static_cast<void>(domain->map(at, page_, 4096, iommu::prot::read_write));
      gaps.fetch_add(reads(port, target, at) ? 0 : 1);
      static_cast<void>(domain->unmap(at, 4096));
      stale.fetch_add(reads(port, target, at) ? 1 : 0);
      rounds.fetch_add(1);
    }
  }

  Machine& machine;
  SmmuNode& node;
  iommu::Device* device{};
  driver::PagingDomain* domain{};
  std::atomic<std::uint64_t> rounds{0}, gaps{0}, stale{0};

private:
  std::uint64_t page_;
};

class SharedAsidSmmusThreads : public testing::Test {
protected:
  SharedAsidSmmusThreads() {
    std::fill_n(static_cast<char*>(page.cpu), 4096, 'x');
    for (std::size_t i = 0; i < 2; ++i) {
      sides.push_back(std::make_unique<Side>(machine, i, page.bus));
    }
  }
  ~SharedAsidSmmusThreads() override {
    sides.clear();
    space.reset();
    machine.clients().free(page);
    EXPECT_TRUE(machine.tear_down().nothing());
  }
  static Config config() {
    Config c;
    for (int i = 0; i < 2; ++i) {
      c.smmus.push_back({});
      auto& smmu = c.smmus.back();
      smmu.features.substreamid_bits = 16;
      smmu.features.btm = true;
      smmu.knobs.watch_stale = true;
      smmu.knobs.stale_after_syncs = 1U << 14; // a thread may be off its processor before its invalidation
      smmu.driver.stream_bits = 12;
      smmu.driver.broadcast = Broadcast::el1;
    }
    c.port.arena.size = 32 << 20;
    return c;
  }
  void make_space(std::uint16_t asid) {
    pagetable::Config table;
    table.output_bits = 44; // the models'
    space = std::move(*AddressSpace::make(machine.port().platform(), table));
    space->run_on_processors(asid, both);
  }
  bool map() {
    using enum pagetable::Prot;
    return space->map(of_process, page.bus, 4096, read | write).ok();
  }

  Machine machine{config()};
  ToBoth both{machine};
  platform::DmaBlock page = *machine.clients().alloc(4096);
  std::vector<std::unique_ptr<Side>> sides;
  std::unique_ptr<AddressSpace> space;
};

TEST_F(SharedAsidSmmusThreads, AProcessIsKnownToBothByTheProcessorsAsidAndABroadcastReachesBoth) {
  make_space(77);
  auto& a = sides[0]->bind(*space);
  auto& b = sides[1]->bind(*space);
  EXPECT_TRUE(a.shared() && b.shared());
  EXPECT_EQ(a.tag().id, 77U);
  EXPECT_EQ(b.tag().id, 77U);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(map());
    for (auto& side : sides) {
      EXPECT_TRUE(side->reads(5, of_process));
    }
    ASSERT_TRUE(space->unmap(of_process, 4096).ok());
    for (auto& side : sides) {
      EXPECT_FALSE(side->reads(5, of_process)) << "after unmap returned";
    }
  }
  sides[0]->unbind(a);
  ASSERT_TRUE(map());
  EXPECT_TRUE(sides[1]->reads(5, of_process)) << "it does not end with the other";
  EXPECT_TRUE(space->end());
  EXPECT_FALSE(sides[1]->reads(5, of_process));
  sides[1]->unbind(b);
}

// The process comes with the ASID that a domain of the one, of the other, or of both SMMUs has.
TEST_F(SharedAsidSmmusThreads, EachSmmusDomainGivesTheAsidAwayWhileItIsUsedAndUnmapped) {
  std::atomic<bool> stop{false};
  std::vector<std::jthread> workers;
  for (auto& side : sides) {
    workers.emplace_back([&stop, &s = *side] { s.work(stop); });
  }
  std::uint64_t both_moved = 0, one_moved = 0;
  for (unsigned i = 0; i < 30; ++i) {
    const std::uint64_t before[] = {sides[0]->rounds.load(), sides[1]->rounds.load()};
    EXPECT_TRUE(platform::wait_until(machine.port().time, 20'000'000, [&] {
      return sides[0]->rounds.load() > before[0] && sides[1]->rounds.load() > before[1];
    }));
    const std::uint16_t had[] = {sides[0]->domain->tag().id, sides[1]->domain->tag().id};
    const std::uint16_t asid = had[i % 2];
    make_space(asid);
    ASSERT_TRUE(map());
    driver::SvaDomain* bound[] = {&sides[i % 2]->bind(*space), &sides[1 - i % 2]->bind(*space)};
    for (std::size_t s = 0; s < 2; ++s) {
      EXPECT_EQ(bound[s]->tag().id, asid);
      EXPECT_EQ(sides[s]->domain->tag().id == had[s], had[s] != asid) << "who does not have it keeps his";
      EXPECT_TRUE(sides[s]->reads(5, of_process));
      EXPECT_FALSE(sides[s]->reads(5, Side::fixed)) << "nothing of the domain is under it";
    }
    (had[0] == had[1] ? both_moved : one_moved) += 1;
    ASSERT_TRUE(space->unmap(of_process, 4096).ok());
    sides[i % 2]->unbind(*bound[0]);
    sides[1 - i % 2]->unbind(*bound[1]);
  }
  stop.store(true);
  workers.clear();
  for (auto& side : sides) {
    EXPECT_EQ(side->gaps.load(), 0U);
    EXPECT_EQ(side->stale.load(), 0U);
    EXPECT_EQ(side->node.model().stale_uses().count, 0U);
  }
  EXPECT_GT(both_moved, 0U);
  EXPECT_EQ(sides[0]->driver().counters().asids_moved + sides[1]->driver().counters().asids_moved,
            2 * both_moved + one_moved);
}

// An ASID that is free at one SMMU may be a domain's at the other, and that domain may not be able to give it up.
TEST_F(SharedAsidSmmusThreads, WhereOneCannotShareItTheOtherDoesAndBothAreTold) {
  const auto asid = sides[1]->domain->tag().id;
  sides[1]->domain->distrust();
  make_space(asid);
  auto& a = sides[0]->bind(*space);
  auto& b = sides[1]->bind(*space);
  EXPECT_TRUE(a.shared());
  EXPECT_FALSE(b.shared()) << "it has one of its SMMU's, and is invalidated by commands";
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(map());
    for (auto& side : sides) {
      EXPECT_TRUE(side->reads(5, of_process));
    }
    ASSERT_TRUE(space->unmap(of_process, 4096).ok());
    for (auto& side : sides) {
      EXPECT_FALSE(side->reads(5, of_process));
    }
  }
  sides[0]->unbind(a);
  sides[1]->unbind(b);
}

} // namespace
} // namespace sluice::machine
