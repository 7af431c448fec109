#include <sluice/driver/paging_domain.hpp>
#include <sluice/driver/sva_domain.hpp>
#include <sluice/machine/address_space.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <thread>

// 3.17: the SMMU hears what processors tell each other of a process's table, and a domain gives its ASID to a process
// while it is used and unmapped.
namespace sluice::machine {
namespace {

using driver::Broadcast;
using iommu::Target;

constexpr std::uint32_t sid = 0x20;
constexpr std::uint64_t address = 0x7f12'3456'7000;

struct NoBroadcasts final : Broadcasts {
  base::Status invalidate(std::uint16_t, std::span<const pagetable::Gather::Range>) override { return {}; }
};

class BroadcastRig {
public:
  explicit BroadcastRig(bool el2) : machine{config(el2)}, broadcasts{machine.smmu().model(), machine.port().time, el2} {
    const std::array streams{sid};
    device = *driver().add(nullptr, streams, {.pasid_bits = 9});
    std::fill_n(static_cast<char*>(page.cpu), 4096, 'x');
  }
  ~BroadcastRig() {
    static_cast<void>(device->detach(Target::pasid(5)));
    if (sva != nullptr) {
      EXPECT_TRUE(sva->destroy());
    }
    EXPECT_TRUE(driver().remove(*device));
    space.reset();
    machine.clients().free(page);
    const Remains remains = machine.tear_down();
    EXPECT_TRUE(remains.nothing());
  }
  static Config config(bool el2) {
    Config c;
    c.smmus.push_back({});
    auto& smmu = c.smmus.back();
    smmu.features.substreamid_bits = 16;
    smmu.features.btm = true;
    smmu.driver.stream_bits = 12;
    smmu.driver.broadcast = el2 ? Broadcast::el2_e2h : Broadcast::el1;
    c.port.arena.size = 16 << 20;
    return c;
  }
  driver::Smmu& driver() { return machine.smmu().driver(); }
  void make_space(std::uint16_t asid, Broadcasts& by) {
    pagetable::Config table;
    table.output_bits = 44; // the model's
    space = std::move(*AddressSpace::make(machine.port().platform(), table));
    space->run_on_processors(asid, by);
  }
  bool map() {
    using enum pagetable::Prot;
    return space->map(address, page.bus, 4096, read | write).ok();
  }
  bool reads(model::Port& port, std::optional<std::uint32_t> pasid, std::uint64_t at) {
    char byte = 0;
    return port.access({.stream_id = sid, .substream_id = pasid, .address = at}, &byte).served() && byte == 'x';
  }

  Machine machine;
  SmmuBroadcasts broadcasts;
  iommu::Device* device{};
  std::unique_ptr<AddressSpace> space;
  iommu::Domain* sva{};
  platform::DmaBlock page = *machine.clients().alloc(4096);
};

class SharedAsidThreads : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(, SharedAsidThreads, testing::Values(false, true),
                         [](const auto& p) { return p.param ? std::string{"El2"} : std::string{"El1"}; });

TEST_P(SharedAsidThreads, ABroadcastIsAllThatAProcessesTableNeeds) {
  BroadcastRig r{GetParam()};
  r.make_space(77, r.broadcasts);
  r.sva = *r.driver().make_sva(*r.space);
  ASSERT_TRUE(r.device->attach(*r.sva, Target::pasid(5)));
  model::Port port{r.machine.smmu().model()};
  const auto commands = r.driver().counters().commands;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(r.map());
    EXPECT_TRUE(r.reads(port, 5, address));
    ASSERT_TRUE(r.space->unmap(address, 4096).ok());
    EXPECT_FALSE(r.reads(port, 5, address)) << "after unmap returned";
  }
  EXPECT_EQ(r.driver().counters().commands, commands);
}

// What the test above would see if nobody told the SMMU.
TEST_P(SharedAsidThreads, WithoutABroadcastTheModelGoesOnWithWhatItHas) {
  BroadcastRig r{GetParam()};
  NoBroadcasts none;
  r.make_space(77, none);
  r.sva = *r.driver().make_sva(*r.space);
  ASSERT_TRUE(r.device->attach(*r.sva, Target::pasid(5)));
  model::Port port{r.machine.smmu().model()};
  ASSERT_TRUE(r.map());
  EXPECT_TRUE(r.reads(port, 5, address));
  ASSERT_TRUE(r.space->unmap(address, 4096).ok());
  EXPECT_TRUE(r.reads(port, 5, address));
}

// A process with the ASID that the domain has comes, is used and goes, again and again, while one thread reads what is
// always mapped and another maps, reads, unmaps and reads again.
TEST_P(SharedAsidThreads, ADomainGivesItsAsidAwayWhileItIsUsedAndUnmapped) {
  BroadcastRig r{GetParam()};
  constexpr std::uint64_t fixed = 0x10000;
  constexpr std::uint64_t moving = 0x20'0000;
  auto& domain = static_cast<driver::PagingDomain&>(**r.driver().make_paging({.pasid = true}));
  ASSERT_TRUE(domain.map(fixed, r.page.bus, 4096, iommu::prot::read_write).ok());
  ASSERT_TRUE(r.device->attach(domain));
  ASSERT_TRUE(r.device->attach(domain, Target::pasid(7)));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> rounds{0}, gaps{0}, stale{0}, absent{0};
  std::jthread reader{[&] {
    model::Port port{r.machine.smmu().model()};
    for (bool pasid = false; !stop.load(); pasid = !pasid) {
      gaps.fetch_add(r.reads(port, pasid ? std::optional<std::uint32_t>{7} : std::nullopt, fixed) ? 0 : 1);
    }
  }};
  std::jthread unmapper{[&] {
    model::Port port{r.machine.smmu().model()};
    for (std::uint64_t i = 0; !stop.load(); ++i) {
      const std::uint64_t at = moving + i % 8 * 4096;
      const auto target = i % 2 == 0 ? std::optional<std::uint32_t>{7} : std::nullopt;
      static_cast<void>(domain.map(at, r.page.bus, 4096, iommu::prot::read_write));
      absent.fetch_add(r.reads(port, target, at) ? 0 : 1);
      static_cast<void>(domain.unmap(at, 4096));
      stale.fetch_add(r.reads(port, target, at) ? 1 : 0);
      rounds.fetch_add(1);
    }
  }};
  for (int i = 0; i < 60; ++i) {
    const std::uint64_t before = rounds.load();
    EXPECT_TRUE(platform::wait_until(r.machine.port().time, 20'000'000, [&] { return rounds.load() >= before + 2; }));
    const auto asid = domain.tag().id;
    r.make_space(asid, r.broadcasts);
    ASSERT_TRUE(r.map());
    auto made = r.driver().make_sva(*r.space);
    ASSERT_TRUE(made);
    EXPECT_EQ(static_cast<driver::SvaDomain&>(**made).tag().id, asid);
    EXPECT_NE(domain.tag().id, asid);
    ASSERT_TRUE(r.device->attach(**made, Target::pasid(5)));
    {
      model::Port port{r.machine.smmu().model()};
      EXPECT_TRUE(r.reads(port, 5, address));
      EXPECT_FALSE(r.reads(port, 5, fixed)) << "nothing of the domain is under it";
    }
    ASSERT_TRUE(r.device->detach(Target::pasid(5)));
    ASSERT_TRUE((*made)->destroy());
    ASSERT_TRUE(r.space->unmap(address, 4096).ok());
  }
  stop.store(true);
  reader.join();
  unmapper.join();
  EXPECT_EQ(gaps.load(), 0U);
  EXPECT_EQ(stale.load(), 0U);
  EXPECT_EQ(absent.load(), 0U);
  EXPECT_EQ(r.driver().counters().asids_moved, 60U);
  ASSERT_TRUE(r.device->detach(Target::pasid(7)));
  ASSERT_TRUE(r.device->detach());
  EXPECT_TRUE(domain.destroy());
}

} // namespace
} // namespace sluice::machine
