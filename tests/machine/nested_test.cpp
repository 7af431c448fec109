#include "guest.hpp"

#include <sluice/arch/commands.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/driver/code.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

// The driver's nested domains on the model: a guest's tables, a device's DMA through both stages.
namespace sluice::machine {
namespace {

using arch::Command;
using arch::Event;
using arch::EventType;
using arch::SteConfig;
using base::Errc;
using test::GuestMemory;
using uapi::arm_smmuv3::NestedSte;
namespace cmd = arch::cmd;
namespace u = uapi::arm_smmuv3;

constexpr std::uint64_t iova = 0xffff'f000; // nothing of a guest's memory lies there

Config nesting_smmu() {
  Config config;
  config.smmus.push_back({.streams = {0x8, 0x10}});
  config.smmus.back().driver.stream_bits = 12;
  config.port.arena.size = 16 << 20;
  return config;
}

// The events that a guest was told of.
class Sink final : public iommu::EventSink {
public:
  void on_event(std::span<const std::byte> record) override {
    std::array<std::uint64_t, 4> words{};
    std::memcpy(words.data(), record.data(), sizeof words);
    for (std::size_t i = 0; i < words.size(); ++i) {
      last[i].store(words[i]);
    }
    count.fetch_add(1);
  }
  Event event() const {
    Event e;
    for (std::size_t i = 0; i < e.w.size(); ++i) {
      e.w[i] = last[i].load();
    }
    return e;
  }
  base::Atomic<std::uint32_t> count{0};
  std::array<base::Atomic<std::uint64_t>, 4> last{};
};

// One guest with one endpoint, its memory at IPAs that are no machine addresses.
struct Guest {
  static constexpr std::uint64_t ipa = 0x4000'0000'00;
  static constexpr std::uint64_t bytes = 64 * GuestMemory::page;

  Guest(Machine& m, std::size_t index, iommu::Domain* on = nullptr)
      : machine{m}, endpoint{m.smmu().endpoint(index)}, block{*m.clients().alloc(bytes)}, memory{block.cpu, bytes, ipa},
        vsid{0x900 + static_cast<std::uint32_t>(index)} {
    auto& driver = machine.smmu().driver();
    parent = on != nullptr ? on : *driver.make_paging({.nest_parent = true});
    owns_parent = on == nullptr;
    if (owns_parent) {
      EXPECT_TRUE(parent->map(ipa, block.bus, bytes, iommu::prot::read_write));
    }
    viommu = *driver.viommu_alloc(u::viommu_type, *parent, {});
    EXPECT_TRUE(viommu->vdevice_add(*endpoint.device, vsid));
    EXPECT_TRUE(viommu->set_event_sink(u::veventq_type, &sink));
    root = memory.alloc();
    cds = memory.cd_table(root, asid);
    data = memory.alloc();
    stage1 = &nested(test::guest_stage1(cds));
    bypass = &nested(test::guest_config(SteConfig::bypass));
  }
  ~Guest() {
    static_cast<void>(endpoint.device->detach());
    for (auto* domain : domains) {
      EXPECT_TRUE(domain->destroy());
    }
    EXPECT_TRUE(viommu->set_event_sink(u::veventq_type, nullptr));
    EXPECT_TRUE(viommu->vdevice_remove(*endpoint.device));
    EXPECT_TRUE(viommu->destroy());
    if (owns_parent) {
      EXPECT_TRUE(parent->destroy());
    }
    machine.clients().free(block);
  }

  iommu::Domain& nested(const NestedSte& words) {
    domains.push_back(*viommu->nested_alloc(u::hwpt_data_type, std::as_bytes(std::span{&words, 1})));
    return *domains.back();
  }
  void attach(iommu::Domain& domain) {
    const bool first = endpoint.device->attached() == nullptr;
    EXPECT_TRUE(first ? endpoint.device->attach(domain) : endpoint.device->replace(domain));
  }
  base::Status invalidate(const Command& command) {
    iommu::InvalidateRequest request{
        .type = u::invalidate_data_type, .entry_size = 16, .entries = std::as_bytes(std::span{command.w})};
    return viommu->invalidate(request);
  }
  // What the endpoint reads; nothing if it is refused.
  std::optional<std::uint64_t> read(model::Port& port, std::uint64_t at) {
    std::uint64_t word = 0;
    const auto report = endpoint.read(port, at, &word, sizeof word);
    last = report.abort ? report.abort->outcome : model::Outcome{};
    return report.complete() ? std::optional{word} : std::nullopt;
  }

  Machine& machine;
  Endpoint& endpoint;
  platform::DmaBlock block;
  GuestMemory memory;
  std::uint32_t vsid;
  iommu::Domain* parent{};
  bool owns_parent{};
  iommu::Viommu* viommu{};
  Sink sink;
  std::uint16_t asid{4};
  std::uint64_t root{}, cds{}, data{};
  iommu::Domain* stage1{};
  iommu::Domain* bypass{};
  std::vector<iommu::Domain*> domains;
  model::Outcome last;
};

class NestedDma : public testing::Test {
protected:
  NestedDma() {
    guest->memory.map(guest->root, iova, guest->data);
    guest->memory.put(guest->data, 0x1122'3344);
  }
  ~NestedDma() override {
    guest.reset();
    port.reset();
    // A fault at the end of a test may just be on its way through the driver's own thread.
    EXPECT_TRUE(platform::wait_until(machine.port().time, 2'000'000, [&] {
      const auto s = machine.smmu().model().snapshot();
      return s.eventq_prod == s.eventq_cons;
    }));
    const Remains remains = machine.tear_down();
    EXPECT_TRUE(remains.nothing());
    EXPECT_TRUE(remains.queues_idle);
  }
  std::optional<std::uint64_t> read(std::uint64_t at) { return guest->read(*port, at); }

  Machine machine{nesting_smmu()};
  std::unique_ptr<Guest> guest{std::make_unique<Guest>(machine, 0)};
  std::unique_ptr<model::Port> port{std::make_unique<model::Port>(machine.smmu().model())};
};

TEST_F(NestedDma, GoesThroughBothStages) {
  guest->attach(*guest->stage1);
  EXPECT_EQ(guest->parent->iova_to_phys(iova), Errc::not_mapped) << "not by the second stage alone";
  EXPECT_EQ(read(iova), 0x1122'3344U);
  const std::uint64_t word = 77;
  EXPECT_TRUE(guest->endpoint.write(*port, iova + 8, &word, sizeof word).complete());
  EXPECT_EQ(guest->memory.get(guest->data + 8), 77U);
}

TEST_F(NestedDma, InBypassUsesTheGuestsAddresses) {
  guest->attach(*guest->bypass);
  EXPECT_EQ(read(guest->data), 0x1122'3344U);
  EXPECT_FALSE(read(iova));
}

TEST_F(NestedDma, OfAnAbortingGuestIsRefusedInSilence) {
  guest->attach(guest->nested(test::guest_config(SteConfig::abort)));
  EXPECT_FALSE(read(guest->data));
  EXPECT_FALSE(guest->last.recorded);
}

TEST_F(NestedDma, IsStaleUntilTheGuestsOwnInvalidation) {
  guest->attach(*guest->stage1);
  ASSERT_TRUE(read(iova));
  guest->memory.unmap(guest->root, iova);
  EXPECT_TRUE(read(iova)) << "stale";
  ASSERT_TRUE(guest->invalidate(cmd::tlbi_nh_va(0, guest->asid, iova, true)));
  EXPECT_FALSE(read(iova));
  EXPECT_EQ(guest->last.event, EventType::F_TRANSLATION);
}

TEST_F(NestedDma, EachWayOfInvalidatingTranslationsEndsStaleness) {
  guest->attach(*guest->stage1);
  for (const Command& c :
       {cmd::tlbi_nsnh_all(), cmd::tlbi_nh_all(0), cmd::tlbi_nh_asid(0, guest->asid), cmd::tlbi_nh_vaa(0, iova, true),
        cmd::tlbi_nh_va(0, guest->asid, iova, true, {0, 0, arch::TlbiTg::k4, 3})}) {
    guest->memory.map(guest->root, iova, guest->data);
    ASSERT_TRUE(read(iova));
    guest->memory.unmap(guest->root, iova);
    ASSERT_TRUE(read(iova));
    ASSERT_TRUE(guest->invalidate(c));
    EXPECT_FALSE(read(iova));
  }
}

TEST_F(NestedDma, UsesTheOldCdUntilTheGuestInvalidatesIt) {
  guest->attach(*guest->stage1);
  ASSERT_EQ(read(iova), 0x1122'3344U);
  const std::uint64_t other = guest->memory.alloc(), page = guest->memory.alloc();
  guest->memory.map(other, iova, page);
  guest->memory.put(page, 0x5566);
  for (const Command& c : {cmd::cfgi_cd(guest->vsid, 0, true), cmd::cfgi_cd_all(guest->vsid)}) {
    guest->memory.put_cd(guest->cds, guest->root, 4);
    ASSERT_TRUE(guest->invalidate(c));
    ASSERT_EQ(read(iova), 0x1122'3344U);
    guest->memory.put_cd(guest->cds, other, 5);
    EXPECT_EQ(read(iova), 0x1122'3344U) << "stale";
    ASSERT_TRUE(guest->invalidate(c));
    EXPECT_EQ(read(iova), 0x5566U);
  }
}

TEST_F(NestedDma, OfAnotherGuestIsNotTouchedByAGuestsInvalidation) {
  Guest other{machine, 1};
  other.memory.map(other.root, iova, other.data);
  other.memory.put(other.data, 0x99);
  guest->attach(*guest->stage1);
  other.attach(*other.stage1);
  ASSERT_EQ(read(iova), 0x1122'3344U);
  ASSERT_EQ(other.read(*port, iova), 0x99U) << "the same IOVA and ASID";
  guest->memory.unmap(guest->root, iova);
  other.memory.unmap(other.root, iova);
  ASSERT_TRUE(guest->invalidate(cmd::tlbi_nsnh_all()));
  EXPECT_FALSE(read(iova));
  EXPECT_EQ(other.read(*port, iova), 0x99U) << "stale, as the other guest has not invalidated";
  ASSERT_TRUE(other.invalidate(cmd::tlbi_nsnh_all()));
  EXPECT_FALSE(other.read(*port, iova));
}

TEST_F(NestedDma, EndsWhereTheParentUnmaps) {
  guest->attach(*guest->stage1);
  ASSERT_TRUE(read(iova));
  ASSERT_TRUE(guest->parent->unmap(guest->data, GuestMemory::page));
  EXPECT_FALSE(read(iova)) << "what both stages made is gone too";
  EXPECT_EQ(guest->last.event, EventType::F_TRANSLATION);
  machine.smmu().driver().poll();
  EXPECT_EQ(guest->sink.count.load(), 0U) << "a fault at stage 2 is ours";
}

// A device that leaves its guest's stage 1 leaves translations behind that carry the parent's VMID.
TEST_F(NestedDma, DoesNotFindAgainWhatTheParentUnmappedMeanwhile) {
  guest->attach(*guest->stage1);
  ASSERT_TRUE(read(iova));
  guest->attach(*guest->bypass);
  ASSERT_TRUE(guest->parent->unmap(guest->data, GuestMemory::page));
  guest->attach(*guest->stage1);
  EXPECT_FALSE(read(iova));
}

TEST_F(NestedDma, OfAnAddressThatTheGuestHasNotMappedIsItsEvent) {
  guest->attach(*guest->stage1);
  EXPECT_FALSE(read(0x12'3456'7bee8 & ~7ULL));
  ASSERT_TRUE(platform::wait_until(machine.port().time, 2'000'000, [&] { return guest->sink.count.load() != 0; }));
  const Event e = guest->sink.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_TRANSLATION);
  EXPECT_EQ(e.get(Event::StreamID), guest->vsid);
  EXPECT_EQ(e.get(Event::InputAddr), 0x12'3456'7bee8ULL);
  EXPECT_EQ(e.get(Event::RnW), 1U);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::in);
  EXPECT_EQ(e.get(Event::S2), 0U);
  const auto notes = machine.port().log.notes();
  EXPECT_TRUE(std::ranges::none_of(
      notes, [](const auto& n) { return n.code == static_cast<std::uint16_t>(driver::Code::event); }));
}

TEST_F(NestedDma, WithABadCdIsItsEventToo) {
  guest->memory.put(guest->cds, 0);
  guest->attach(*guest->stage1);
  EXPECT_FALSE(read(iova));
  ASSERT_TRUE(platform::wait_until(machine.port().time, 2'000'000, [&] { return guest->sink.count.load() != 0; }));
  EXPECT_EQ(guest->sink.event().get(Event::Type), EventType::C_BAD_CD);
}

TEST_F(NestedDma, ThroughTablesOutsideTheGuestsMemoryIsRefused) {
  guest->attach(guest->nested(test::guest_stage1(0x1000))); // no IPA of its
  EXPECT_FALSE(read(iova));
  EXPECT_EQ(guest->last.event, EventType::F_TRANSLATION);
  EXPECT_EQ(machine.smmu().strays(), 0U);
}

TEST_F(NestedDma, OfADetachedDeviceIsRefused) {
  guest->attach(*guest->stage1);
  ASSERT_TRUE(read(iova));
  ASSERT_TRUE(guest->endpoint.device->detach());
  EXPECT_FALSE(read(iova));
}

// While a device reads, its guest's configuration changes. Wherever it stands, the address means the same.
using NestedDmaThreads = NestedDma;

TEST_F(NestedDmaThreads, IsServedThroughoutChangesThatAreHitless) {
  guest->memory.map(guest->root, guest->data, guest->data);
  const std::uint64_t root = guest->memory.alloc();
  guest->memory.map(root, guest->data, guest->data);
  iommu::Domain* const all[] = {guest->stage1, guest->bypass, guest->parent,
                                &guest->nested(test::guest_stage1(guest->memory.cd_table(root, 6)))};
  guest->attach(*guest->bypass);
  base::Atomic<std::uint32_t> stop{0};
  base::Atomic<std::uint32_t> served{0};
  std::thread traffic{[&] {
    model::Port own{machine.smmu().model()};
    while (stop.load() == 0) {
      std::uint64_t word = 0;
      ASSERT_TRUE(guest->endpoint.read(own, guest->data, &word, sizeof word).complete());
      ASSERT_EQ(word, 0x1122'3344U);
      served.fetch_add(1);
    }
  }};
  std::uint32_t way = 1;
  for (int i = 0; i < 400 || (served.load() < 400 && i < 1'000'000); ++i) {
    way = way * 1664525 + 1013904223;
    const auto change = guest->endpoint.device->replace(*all[way >> 30], {}, {.require_hitless = true});
    ASSERT_TRUE(change);
    ASSERT_TRUE(change->hitless);
  }
  stop.store(1);
  traffic.join();
  EXPECT_GE(served.load(), 400U);
}

// Once an unmap of the parent has returned, no device reaches the page, whatever it was doing.
TEST_F(NestedDmaThreads, NeverReachesAPageAfterItsUnmap) {
  guest->attach(*guest->stage1);
  base::Atomic<std::uint32_t> stop{0}, gone{0};
  std::thread traffic{[&] {
    model::Port own{machine.smmu().model()};
    while (stop.load() == 0) {
      const std::uint32_t before = gone.load();
      std::uint64_t word = 0;
      const bool served = guest->endpoint.read(own, iova, &word, sizeof word).complete();
      const std::uint32_t after = gone.load();
      if (before == after && before % 2 == 1) {
        ASSERT_FALSE(served);
      }
    }
  }};
  const std::uint64_t pa = guest->block.bus + (guest->data - Guest::ipa);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(guest->parent->unmap(guest->data, GuestMemory::page));
    gone.fetch_add(1);
    std::this_thread::yield();
    gone.fetch_add(1);
    ASSERT_TRUE(guest->parent->map(guest->data, pa, GuestMemory::page, iommu::prot::read_write));
    std::this_thread::yield();
  }
  stop.store(1);
  traffic.join();
}

} // namespace
} // namespace sluice::machine
