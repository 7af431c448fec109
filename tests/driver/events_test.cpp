#include "machine.hpp"

#include <sluice/driver/fault.hpp>

#include <cstring>

namespace sluice::test {
namespace {

using arch::Event;
using arch::EventClass;
using arch::EventType;
using arch::GERROR;
using driver::Code;
using iommu::Fault;
using iommu::FaultKind;

Event of(EventType type) {
  return Event{}
      .with(Event::Type, type)
      .with(Event::StreamID, 0x42)
      .with(Event::SSV, 1)
      .with(Event::SubstreamID, 0x1234);
}
// A record with every bit that its type has, and others that it has not.
Event full(EventType type) {
  Event e = of(type);
  e.w[1] = ~0ULL;
  e.w[2] = 0x123456789abcdef0;
  e.w[3] = 0x00ff'ffff'ffff'f000;
  return e;
}

TEST(Faults, EveryTypeHasItsKind) {
  const std::pair<EventType, FaultKind> kinds[] = {
      {EventType::F_UUT, FaultKind::unsupported},
      {EventType::C_BAD_STREAMID, FaultKind::bad_stream},
      {EventType::F_STE_FETCH, FaultKind::config_abort},
      {EventType::C_BAD_STE, FaultKind::config},
      {EventType::F_BAD_ATS_TREQ, FaultKind::bad_request},
      {EventType::F_STREAM_DISABLED, FaultKind::no_pasid},
      {EventType::F_TRANSL_FORBIDDEN, FaultKind::bad_request},
      {EventType::C_BAD_SUBSTREAMID, FaultKind::bad_pasid},
      {EventType::F_CD_FETCH, FaultKind::config_abort},
      {EventType::C_BAD_CD, FaultKind::config},
      {EventType::F_WALK_EABT, FaultKind::walk_abort},
      {EventType::F_TRANSLATION, FaultKind::translation},
      {EventType::F_ADDR_SIZE, FaultKind::address_size},
      {EventType::F_ACCESS, FaultKind::access_flag},
      {EventType::F_PERMISSION, FaultKind::permission},
      {EventType::F_TLB_CONFLICT, FaultKind::conflict},
      {EventType::F_CFG_CONFLICT, FaultKind::conflict},
      {EventType::E_PAGE_REQUEST, FaultKind::page_hint},
      {EventType::F_VMS_FETCH, FaultKind::config_abort},
      {static_cast<EventType>(0xe0), FaultKind::other},
      {static_cast<EventType>(0x7f), FaultKind::other},
  };
  for (const auto& [type, kind] : kinds) {
    SCOPED_TRACE(static_cast<int>(type));
    EXPECT_EQ(driver::to_fault(of(type)).kind, kind);
    EXPECT_EQ(driver::to_fault(of(type)).requester, 0x42U);
  }
}

TEST(Faults, ATranslationFaultHasItsAccess) {
  const Event e = of(EventType::F_TRANSLATION)
                      .with(Event::RnW, 0)
                      .with(Event::PnU, 1)
                      .with(Event::InD, 0)
                      .with(Event::CLASS, EventClass::in)
                      .with(Event::InputAddr, 0xffff'0000'dead'b000);
  const Fault f = driver::to_fault(e);
  EXPECT_TRUE(f.has_pasid);
  EXPECT_EQ(f.pasid, 0x1234U);
  EXPECT_TRUE(f.has_address);
  EXPECT_EQ(f.iova, 0xffff'0000'dead'b000U);
  EXPECT_TRUE(f.write);
  EXPECT_TRUE(f.privileged);
  EXPECT_FALSE(f.execute);
  EXPECT_FALSE(f.second_stage);
  EXPECT_FALSE(f.has_output) << "IPA is UNKNOWN at stage 1";
  EXPECT_FALSE(f.stalled);
}

TEST(Faults, AStage2FaultHasTheIntermediateAddress) {
  const Event e = of(EventType::F_PERMISSION).with(Event::S2, 1).with(Event::RnW, 1).with(Event::IPA, 0xabc000);
  const Fault f = driver::to_fault(e);
  EXPECT_TRUE(f.second_stage);
  EXPECT_TRUE(f.has_output);
  EXPECT_EQ(f.output, 0xabc000U);
  EXPECT_FALSE(f.write);
}

TEST(Faults, AStalledTransactionHasItsTag) {
  const Event e = of(EventType::F_ACCESS).with(Event::Stall, 1).with(Event::STAG, 0x77);
  const Fault f = driver::to_fault(e);
  EXPECT_TRUE(f.stalled);
  EXPECT_EQ(f.stall_tag, 0x77U);
}

TEST(Faults, OnlyTheFourTranslationFaultsCanStall) {
  for (const auto type : {EventType::F_UUT, EventType::C_BAD_STE, EventType::F_BAD_ATS_TREQ, EventType::F_WALK_EABT,
                          EventType::F_TLB_CONFLICT, EventType::E_PAGE_REQUEST}) {
    EXPECT_FALSE(driver::to_fault(full(type)).stalled);
  }
}

TEST(Faults, AnAbortedFetchHasItsAddress) {
  for (const auto type :
       {EventType::F_STE_FETCH, EventType::F_CD_FETCH, EventType::F_VMS_FETCH, EventType::F_WALK_EABT}) {
    const Event e = of(type).with(Event::FetchAddr, 0x1238);
    EXPECT_TRUE(driver::to_fault(e).has_output);
    EXPECT_EQ(driver::to_fault(e).output, 0x1238U);
  }
}

TEST(Faults, ConfigurationFaultsHaveNoAddress) {
  for (const auto type :
       {EventType::C_BAD_STREAMID, EventType::C_BAD_STE, EventType::C_BAD_CD, EventType::C_BAD_SUBSTREAMID,
        EventType::F_STREAM_DISABLED, EventType::F_STE_FETCH, EventType::F_CFG_CONFLICT}) {
    EXPECT_FALSE(driver::to_fault(full(type)).has_address) << static_cast<int>(type);
  }
}

TEST(Faults, ABadSubstreamIsNamedWithoutSsv) {
  const Fault f = driver::to_fault(of(EventType::C_BAD_SUBSTREAMID).with(Event::SSV, 0));
  EXPECT_TRUE(f.has_pasid);
  EXPECT_EQ(f.pasid, 0x1234U);
}

TEST(Faults, WhereThereIsNoSubstreamNoneIsNamed) {
  EXPECT_FALSE(driver::to_fault(of(EventType::F_STREAM_DISABLED)).has_pasid);
  EXPECT_FALSE(driver::to_fault(of(EventType::F_TRANSL_FORBIDDEN)).has_pasid);
  EXPECT_FALSE(driver::to_fault(of(EventType::F_TRANSLATION).with(Event::SSV, 0)).has_pasid);
}

TEST(Faults, AnAtsRequestSaysWhatItAskedFor) {
  const Event e = of(EventType::F_BAD_ATS_TREQ).with(Event::W, 1).with(Event::R, 1).with(Event::InputPage, 0x5000);
  const Fault f = driver::to_fault(e);
  EXPECT_TRUE(f.write);
  EXPECT_FALSE(f.execute);
  EXPECT_EQ(f.iova, 0x5000U);
}

TEST(Faults, APageHintSaysForWhom) {
  const Event e = of(EventType::E_PAGE_REQUEST).with(Event::pW, 1).with(Event::InputPage, 0x7000);
  const Fault f = driver::to_fault(e);
  EXPECT_TRUE(f.write);
  EXPECT_TRUE(f.privileged);
  EXPECT_EQ(f.iova, 0x7000U);
}

struct Recorder : iommu::FaultHandler {
  void on_fault(const Fault& f) override {
    faults.push_back(f);
    records.emplace_back(f.record.begin(), f.record.end());
  }
  std::vector<Fault> faults;
  std::vector<std::vector<std::byte>> records;
};

struct Events : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(m.start());
    device = &m.add({0x42});
    domain = &m.paging();
    ASSERT_TRUE(device->attach(*domain).ok());
    domain->set_fault_handler(&recorder);
  }
  Machine m;
  driver::SmmuDevice* device{};
  driver::PagingDomain* domain{};
  Recorder recorder;
};

TEST_F(Events, GoToTheHandlerOfTheDomain) {
  const Event e = of(EventType::F_TRANSLATION).with(Event::InputAddr, 0x1000);
  ASSERT_TRUE(m.fake.put_event(e.w));
  m.smmu->poll();
  ASSERT_EQ(recorder.faults.size(), 1U);
  EXPECT_EQ(recorder.faults[0].device, device);
  EXPECT_EQ(recorder.faults[0].domain, domain);
  EXPECT_EQ(recorder.records[0].size(), 32U);
  EXPECT_EQ(std::memcmp(recorder.records[0].data(), e.w.data(), 32), 0);
}

TEST_F(Events, OfABlockedDeviceGoToTheBlockedDomain) {
  ASSERT_TRUE(device->detach().ok());
  Recorder blocked;
  m.smmu->blocked().set_fault_handler(&blocked);
  ASSERT_TRUE(m.fake.put_event(of(EventType::C_BAD_STE).w));
  m.smmu->poll();
  EXPECT_EQ(blocked.faults.size(), 1U);
  EXPECT_TRUE(recorder.faults.empty());
}

TEST_F(Events, WithoutAHandlerAreLogged) {
  domain->set_fault_handler(nullptr);
  ASSERT_TRUE(m.fake.put_event(of(EventType::F_TRANSLATION).w));
  m.smmu->poll();
  EXPECT_TRUE(m.logged(Code::event));
  EXPECT_EQ(m.smmu->counters().events_unhandled, 1U);
}

TEST_F(Events, OfAnUnknownStreamAreLogged) {
  for (const StreamID sid : {0x43U, 0x9999U, 0xffffffffU}) {
    ASSERT_TRUE(m.fake.put_event(of(EventType::C_BAD_STREAMID).with(Event::StreamID, sid).w));
  }
  m.smmu->poll();
  EXPECT_TRUE(m.logged(Code::event_unknown_stream));
  EXPECT_EQ(m.smmu->counters().events_unknown, 3U);
  EXPECT_TRUE(recorder.faults.empty());
}

TEST_F(Events, OfManyRoundsAllArriveInOrder) {
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(m.fake.put_event(of(EventType::F_TRANSLATION).with(Event::InputAddr, i).w));
    if (i % 100 == 99) {
      m.smmu->poll();
    }
  }
  m.smmu->poll();
  ASSERT_EQ(recorder.faults.size(), 1000U);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(recorder.faults[i].iova, i);
  }
  EXPECT_EQ(m.smmu->counters().event_overflows, 0U);
}

TEST_F(Events, AnOverflowIsCountedAndAcknowledged) {
  const Event e = of(EventType::F_TRANSLATION);
  for (int round = 1; round <= 3; ++round) {
    while (m.fake.put_event(e.w)) {
    }
    m.smmu->poll();
    EXPECT_EQ(m.smmu->counters().event_overflows, static_cast<unsigned>(round));
    EXPECT_EQ(recorder.faults.size(), 128U * static_cast<unsigned>(round));
    EXPECT_EQ(m.fake.get<arch::EVENTQ_PROD>().raw(), m.fake.get<arch::EVENTQ_CONS>().raw());
  }
  EXPECT_TRUE(m.logged(Code::event_overflow));
}

TEST_F(Events, ThatComeFasterThanTheyAreReadAreDroppedAfterABound) {
  struct Storm : iommu::FaultHandler {
    explicit Storm(FakeSmmu& f) : fake{f} {}
    void on_fault(const Fault&) override {
      ++count;
      fake.put_event(of(EventType::F_TRANSLATION).w);
    }
    FakeSmmu& fake;
    std::size_t count{};
  } storm{m.fake};
  domain->set_fault_handler(&storm);
  ASSERT_TRUE(m.fake.put_event(of(EventType::F_TRANSLATION).w));
  m.smmu->poll();
  EXPECT_LE(storm.count, 16U * 16U * 256U);
  EXPECT_TRUE(m.logged(Code::events_dropped));
}

TEST_F(Events, ArriveByInterrupt) {
  Machine wired;
  auto config = Machine::quick();
  config.event_wire = {true, 5};
  ASSERT_TRUE(wired.start(config));
  struct Waiter : iommu::FaultHandler {
    void on_fault(const Fault&) override { seen.store(1); }
    base::Atomic<std::uint32_t> seen{0};
  } waiter;
  wired.smmu->blocked().set_fault_handler(&waiter);
  wired.add({0x42});
  ASSERT_TRUE(wired.fake.put_event(of(EventType::C_BAD_STE).w));
  wired.port.irq.raise(5);
  EXPECT_TRUE(platform::wait_until(wired.port.time, 10'000'000, [&] { return waiter.seen.load() == 1; }));
}

TEST_F(Events, AGlobalErrorIsLoggedAndAcknowledged) {
  m.fake.raise(GERROR{}.with(GERROR::EVENTQ_ABT_ERR, 1));
  m.smmu->poll();
  EXPECT_TRUE(m.logged(Code::global_error));
  EXPECT_EQ(m.fake.get<GERROR>().raw(), m.fake.get<arch::GERRORN>().raw());
  EXPECT_FALSE(m.smmu->failed());
}

TEST_F(Events, WhereNothingStallsALostRecordIsOnlyThat) {
  m.fake.raise(GERROR{}.with(GERROR::EVENTQ_ABT_ERR, 1));
  m.smmu->poll();
  EXPECT_EQ(m.fake.count(arch::Opcode::CMD_STALL_TERM), 0U);
}

TEST_F(Events, ServiceFailureModeFailsTheSmmu) {
  m.fake.raise(GERROR{}.with(GERROR::SFM_ERR, 1));
  m.smmu->poll();
  EXPECT_TRUE(m.smmu->failed());
  EXPECT_TRUE(m.logged(Code::service_failure));
  EXPECT_EQ(device->replace(m.smmu->identity()), Errc::smmu_failed);
}

TEST_F(Events, PollRecoversTheCommandQueue) {
  m.fake.judge = [](const arch::Command& c) {
    return c.get(arch::Command::Opcode) == arch::Opcode::CMD_PRI_RESP ? arch::Cerror::ILL : arch::Cerror::NONE;
  };
  const arch::Command bad = arch::cmd::pri_resp(1, 0, arch::PriResponse::success);
  EXPECT_EQ(m.smmu->submit({&bad, 1}), Errc::illegal_command);
  EXPECT_EQ(m.smmu->counters().command_errors, 1U);
  m.smmu->poll();
  EXPECT_EQ(m.smmu->counters().global_errors, 0U) << "CMDQ_ERR is the queue's affair";
}

} // namespace
} // namespace sluice::test
