#include "guest.hpp"

#include <thread>

namespace sluice::test {
namespace {

using arch::Event;
using arch::EventClass;
using arch::EventType;
using driver::Code;

struct Sink : iommu::EventSink {
  void on_event(std::span<const std::byte> record) override {
    EXPECT_EQ(record.size(), Event::byte_size);
    Event e;
    std::memcpy(e.w.data(), record.data(), sizeof e.w);
    events.push_back(e);
  }
  std::vector<Event> events;
};

struct GuestEvents : Guest {
  void SetUp() override {
    Guest::SetUp();
    ASSERT_TRUE(device->attach(make_nested(guest_stage1())).ok());
    ASSERT_TRUE(viommu->set_event_sink(u::veventq_type, &sink));
  }
  static Event of(EventType type) { return Event{}.with(Event::Type, type).with(Event::StreamID, sid); }
  static Event translation() {
    return of(EventType::F_TRANSLATION)
        .with(Event::InputAddr, 0xad'0000'beef)
        .with(Event::RnW, 1)
        .with(Event::CLASS, EventClass::in);
  }
  // Whether the guest gets it.
  bool guest_gets(const Event& e) {
    const auto before = sink.events.size();
    EXPECT_TRUE(m.fake.put_event(e.w));
    m.smmu->poll();
    return sink.events.size() == before + 1;
  }
  Sink sink;
};

TEST_F(GuestEvents, CarryTheGuestsStreamIdAndAreOtherwiseAsRecorded) {
  const Event e = translation().with(Event::SSV, 1).with(Event::SubstreamID, 5);
  ASSERT_TRUE(guest_gets(e));
  EXPECT_EQ(sink.events[0], e.with(Event::StreamID, vsid));
}

TEST_F(GuestEvents, AreNotLogged) {
  ASSERT_TRUE(guest_gets(translation()));
  EXPECT_FALSE(m.logged(Code::event));
  EXPECT_EQ(m.smmu->counters().events_unhandled, 0U);
  EXPECT_EQ(m.smmu->counters().events_of_guests, 1U);
}

TEST_F(GuestEvents, AreWhatAGuestsConfigurationAndTablesCause) {
  const std::set<unsigned> theirs{0x04, 0x06, 0x08, 0x0a, 0x10, 0x11, 0x12, 0x13};
  for (unsigned type = 0; type < 256; ++type) {
    EXPECT_EQ(guest_gets(of(static_cast<EventType>(type))), theirs.contains(type)) << type;
  }
}

TEST_F(GuestEvents, AtStage2AreOurs) {
  for (unsigned type = 0x10; type <= 0x13; ++type) {
    EXPECT_FALSE(guest_gets(of(static_cast<EventType>(type)).with(Event::S2, 1))) << type;
  }
  EXPECT_TRUE(m.logged(Code::event));
}

TEST_F(GuestEvents, OfAStallAreOurs) { EXPECT_FALSE(guest_gets(translation().with(Event::Stall, 1))); }

TEST_F(GuestEvents, OfTheParentItselfAreOurs) {
  ASSERT_TRUE(device->replace(*parent).ok());
  EXPECT_FALSE(guest_gets(of(EventType::C_BAD_SUBSTREAMID)));
  EXPECT_TRUE(m.logged(Code::event));
}

TEST_F(GuestEvents, OfTheGuestsBypassAreTheGuests) {
  ASSERT_TRUE(device->replace(make_nested(guest_config(arch::SteConfig::bypass))).ok());
  EXPECT_TRUE(guest_gets(of(EventType::C_BAD_SUBSTREAMID)));
}

TEST_F(GuestEvents, OfADeviceWithoutANameAreOurs) {
  ASSERT_TRUE(viommu->vdevice_remove(*device));
  EXPECT_FALSE(guest_gets(translation()));
}

TEST_F(GuestEvents, WithoutASinkAreOurs) {
  ASSERT_TRUE(viommu->set_event_sink(u::veventq_type, nullptr));
  EXPECT_FALSE(guest_gets(translation()));
  EXPECT_TRUE(m.logged(Code::event));
}

TEST_F(GuestEvents, OfAnotherTypeDoNotExist) { EXPECT_EQ(viommu->set_event_sink(2, &sink), Errc::unsupported); }

TEST_F(GuestEvents, OfOtherDevicesAreOurs) {
  auto& second = m.add({vsid}); // the SMMU's own meaning of that number
  ASSERT_TRUE(second.attach(*parent).ok());
  EXPECT_FALSE(guest_gets(translation().with(Event::StreamID, vsid)));
}

struct GuestEventsThreads : Guest {};

// Whoever has taken the sink away may end it.
TEST_F(GuestEventsThreads, ASinkIsNotCalledOnceItIsTakenAway) {
  struct Checked : iommu::EventSink {
    void on_event(std::span<const std::byte>) override {
      EXPECT_EQ(gone.load(), 0U);
      seen.fetch_add(1);
      for (int i = 0; i < 20; ++i) {
        std::this_thread::yield();
        EXPECT_EQ(gone.load(), 0U);
      }
    }
    base::Atomic<std::uint32_t> gone{0};
    base::Atomic<std::uint64_t> seen{0};
  };
  ASSERT_TRUE(device->attach(make_nested(guest_stage1())).ok());
  base::Atomic<std::uint32_t> stop{0};
  std::thread events{[&] {
    const auto e = Event{}.with(Event::Type, EventType::C_BAD_CD).with(Event::StreamID, sid);
    while (stop.load() == 0) {
      static_cast<void>(m.fake.put_event(e.w));
      m.smmu->poll();
    }
  }};
  for (int i = 0; i < 50; ++i) {
    Checked sink;
    ASSERT_TRUE(viommu->set_event_sink(u::veventq_type, &sink));
    EXPECT_TRUE(platform::wait_until(m.port.time, 10'000'000, [&] { return sink.seen.load() != 0; }));
    ASSERT_TRUE(viommu->set_event_sink(u::veventq_type, nullptr));
    sink.gone.store(1);
  }
  stop.store(1);
  events.join();
}

// Names come and go while their commands and events are under way.
TEST_F(GuestEventsThreads, NamesComeAndGo) {
  struct Count : iommu::EventSink {
    void on_event(std::span<const std::byte>) override { seen.fetch_add(1); }
    base::Atomic<std::uint64_t> seen{0};
  } sink;
  ASSERT_TRUE(device->attach(make_nested(guest_config(arch::SteConfig::bypass))).ok());
  ASSERT_TRUE(viommu->set_event_sink(u::veventq_type, &sink));
  base::Atomic<std::uint32_t> stop{0};
  std::thread events{[&] {
    const auto e = Event{}.with(Event::Type, EventType::C_BAD_SUBSTREAMID).with(Event::StreamID, sid);
    while (stop.load() == 0) {
      static_cast<void>(m.fake.put_event(e.w));
      m.smmu->poll();
    }
  }};
  std::thread commands{[&] {
    while (stop.load() == 0) {
      const auto [status, done] = invalidate({arch::cmd::cfgi_cd_all(vsid)});
      EXPECT_TRUE(status.ok() || status == Errc::reserved_bits);
      EXPECT_EQ(done, status.ok() ? 1U : 0U);
    }
  }};
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(viommu->vdevice_remove(*device));
    ASSERT_TRUE(viommu->vdevice_add(*device, vsid));
  }
  stop.store(1);
  events.join();
  commands.join();
  ASSERT_TRUE(viommu->set_event_sink(u::veventq_type, nullptr));
}

} // namespace
} // namespace sluice::test
