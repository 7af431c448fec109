#include "guest.hpp"

#include <sluice/arch/commands.hpp>
#include <sluice/driver/event_shares.hpp>

// One queue has the events of all guests; none of them may fill it for the others.
namespace sluice::test {
namespace {

using arch::Event;
using arch::EventType;
using arch::Ste;
using arch::SteConfig;
using driver::Code;

struct LossSink : iommu::EventSink {
  void on_event(std::span<const std::byte>) override { ++events; }
  void on_loss() override { ++losses; }
  unsigned events{}, losses{};
};

struct EventShares : Guest {
  static constexpr unsigned most = 4;
  static constexpr StreamID second = 0x43, neighbour = 0x50;

  void SetUp() override {
    using namespace arch;
    m.fake.id(m.fake.get<IDR3>().with(IDR3::FWB, 1));
    auto config = Machine::quick();
    config.timeout_us = timeout_us;
    config.guest_events = most;
    config.guest_event_period_us = period_us();
    ASSERT_TRUE(m.start(config));
    set_up_guest();
    other = &m.add({second});
    ASSERT_TRUE(viommu->vdevice_add(*other, vsid + 1));
    for (auto* d : {device, other}) {
      ASSERT_TRUE(d->attach(make_nested(guest_stage1())).ok());
    }
    ASSERT_TRUE(viommu->set_event_sink(u::veventq_type, &sink));
  }
  // Long, so that it does not end by itself.
  virtual std::uint64_t period_us() const { return 3'600'000'000; }

  void events(StreamID of, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      Event e = Event{}.with(Event::Type, EventType::F_TRANSLATION).with(Event::StreamID, of);
      EXPECT_TRUE(m.fake.put_event(e.with(Event::InputAddr, i * 4096ULL).w));
    }
    m.smmu->poll();
  }
  SteConfig config_of(StreamID stream) { return m.ste(stream)->get(Ste::Config); }

  driver::SmmuDevice* other{};
  LossSink sink;
};

TEST_F(EventShares, ADeviceIsHeardUpToItsGuestsShare) {
  events(sid, most);
  EXPECT_EQ(config_of(sid), SteConfig::nested);
  EXPECT_EQ(sink.events, most);
  EXPECT_EQ(sink.losses, 0U);
}

TEST_F(EventShares, BeyondItTheDeviceAbortsInSilenceAndItsGuestIsTold) {
  events(sid, most + 1);
  EXPECT_EQ(config_of(sid), SteConfig::abort);
  EXPECT_EQ(sink.losses, 1U);
  EXPECT_EQ(m.smmu->counters().guests_cut_off, 1U);
  EXPECT_TRUE(m.logged(Code::guest_cut_off));
  const auto sent_after = sent();
  EXPECT_TRUE(std::ranges::any_of(sent_after, [](const auto& c) {
    return c.get(arch::Command::Opcode) == arch::Opcode::CMD_CFGI_STE && c.get(arch::Command::StreamID) == sid;
  }));
}

TEST_F(EventShares, TheGuestsOtherDevicesGoOnUntilTheyRecordSomethingToo) {
  events(sid, most + 1);
  EXPECT_EQ(config_of(second), SteConfig::nested);
  events(second, 1);
  EXPECT_EQ(config_of(second), SteConfig::abort) << "the share is the guest's";
  EXPECT_EQ(config_of(sid), SteConfig::abort);
}

TEST_F(EventShares, AnotherGuestHasAShareOfItsOwn) {
  auto& far = m.add({neighbour});
  auto* theirs = make_viommu(make_parent());
  ASSERT_TRUE(theirs->vdevice_add(far, vsid));
  LossSink their_sink;
  ASSERT_TRUE(theirs->set_event_sink(u::veventq_type, &their_sink));
  const auto words = guest_words(guest_stage1());
  auto domain = theirs->nested_alloc(u::hwpt_data_type, std::as_bytes(std::span{&words, 1}));
  ASSERT_TRUE(domain && far.attach(**domain));
  events(sid, most + 1);
  events(neighbour, most);
  EXPECT_EQ(config_of(neighbour), SteConfig::nested);
  EXPECT_EQ(their_sink.events, most);
  ASSERT_TRUE(far.detach());
  ASSERT_TRUE((*domain)->destroy());
  ASSERT_TRUE(theirs->set_event_sink(u::veventq_type, nullptr));
  ASSERT_TRUE(theirs->vdevice_remove(far));
  ASSERT_TRUE(theirs->destroy());
}

TEST_F(EventShares, EventsThatAreOursCountToo) {
  for (unsigned i = 0; i < most + 1; ++i) {
    EXPECT_TRUE(m.fake.put_event(
        Event{}.with(Event::Type, EventType::F_TRANSLATION).with(Event::StreamID, sid).with(Event::S2, 1).w));
  }
  m.smmu->poll();
  EXPECT_EQ(config_of(sid), SteConfig::abort);
}

TEST_F(EventShares, ANewSteDoesNotHelpAndIsTheOneThatIsHeardAgain) {
  events(sid, most + 1);
  ASSERT_TRUE(device->replace(make_nested(guest_stage1(0x4128'a000))));
  EXPECT_EQ(config_of(sid), SteConfig::abort);
  ASSERT_TRUE(viommu->vdevice_remove(*device));
  EXPECT_EQ(config_of(sid), SteConfig::nested);
  EXPECT_EQ(m.ste(sid)->get(Ste::S1ContextPtr), 0x4128'a000U);
}

TEST_F(EventShares, ADeviceThatIsNoGuestsAnyMoreIsHeard) {
  events(sid, most + 1);
  ASSERT_TRUE(viommu->vdevice_remove(*device));
  EXPECT_EQ(config_of(sid), SteConfig::nested);
}

TEST_F(EventShares, AVirtualIommuMayEndWhileItsDevicesAreCutOff) {
  events(sid, most + 1);
  events(second, 1);
  for (auto* d : {device, other}) {
    ASSERT_TRUE(d->detach());
    ASSERT_TRUE(viommu->vdevice_remove(*d));
  }
  for (auto* d : nested) {
    ASSERT_TRUE(d->destroy());
  }
  nested.clear();
  ASSERT_TRUE(viommu->set_event_sink(u::veventq_type, nullptr));
  ASSERT_TRUE(viommu->destroy());
  viommu = nullptr;
  m.smmu->poll();
}

struct ShortShares : EventShares {
  std::uint64_t period_us() const override { return 200'000; }
  void pass() {
    const std::uint64_t end = m.port.time.now_ns() + 250'000'000;
    ASSERT_TRUE(platform::wait_until(m.port.time, 60'000'000, [&] { return m.port.time.now_ns() > end; }));
  }
};

TEST_F(ShortShares, InTheNextPeriodAGuestThatGoesOnIsHeardAgain) {
  const Ste before = *m.ste(sid);
  for (unsigned i = 0; i < 20 && config_of(sid) != SteConfig::abort; ++i) { // within one period, unless all is slow
    events(sid, most + 1);
  }
  ASSERT_EQ(config_of(sid), SteConfig::abort);
  EXPECT_TRUE(invalidate({arch::cmd::tlbi_nh_all(0)}).first);
  pass();
  EXPECT_TRUE(invalidate({arch::cmd::tlbi_nh_all(0)}).first);
  EXPECT_EQ(*m.ste(sid), before);
  events(sid, 1);
  EXPECT_EQ(config_of(sid), SteConfig::nested);
}

TEST_F(ShortShares, OrWhenAnybodyReadsTheQueue) {
  for (unsigned i = 0; i < 20 && config_of(sid) != SteConfig::abort; ++i) {
    events(sid, most + 1);
  }
  pass();
  m.smmu->poll();
  EXPECT_EQ(config_of(sid), SteConfig::nested);
}

TEST(EventShare, CountsWithinAPeriod) {
  driver::EventShare share;
  EXPECT_FALSE(share.take(1000, 2, 100));
  EXPECT_FALSE(share.take(1050, 2, 100));
  EXPECT_TRUE(share.take(1099, 2, 100));
  EXPECT_EQ(share.end_ns(100), 1100U);
  EXPECT_FALSE(share.take(1100, 2, 100));
}

} // namespace
} // namespace sluice::test
