#include "rig.hpp"

// Faults that wait for the guest: events with a STAG, and one answer each.
namespace sluice::vsmmu::test {
namespace {

using namespace arch;
using i::HwptPgfault;

class StallsTest : public Rig {
protected:
  static constexpr unsigned most = 4;

  void SetUp() override {
    set_model(StallModel::stall_or_terminate);
    kernel.max_pasid_log2 = 8;
    Own own;
    own.stalls = most;
    make(small_features(kernel, own));
    start();
    put_ste(sid, stage1_ste());
    send({cmd::cfgi_ste(sid, true), cmd::sync(SyncSignal::none)});
    ASSERT_EQ(smmu->place_of(sid), Place::stage1);
  }
  void set_model(StallModel model) {
    kernel.info.idr[0] = IDR0::from(kernel.info.idr[0]).with(IDR0::STALL_MODEL, model).raw();
  }
  static HwptPgfault fault(std::uint32_t cookie, std::uint64_t address = 0x5000) {
    HwptPgfault f;
    f.flags = i::pgfault_last_page;
    f.dev_id = 7;
    f.perm = i::pgfault_write;
    f.addr = address;
    f.cookie = cookie;
    return f;
  }
  void deliver(const std::vector<HwptPgfault>& faults) {
    ASSERT_TRUE(smmu->take_faults(std::as_bytes(std::span{faults})));
  }
  void resume(std::uint32_t stream, std::uint64_t tag, bool again = true) {
    const auto stag = static_cast<std::uint16_t>(tag);
    send({again ? cmd::resume_retry(stream, stag) : cmd::resume_terminate(stream, stag, true)});
  }
  std::uint64_t tag(std::uint32_t index) { return event(index).get(Event::STAG); }
  // Cookies with their answers.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> answered() const {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> all;
    for (const auto& a : answers) {
      all.emplace_back(a.cookie, a.code);
    }
    return all;
  }
  using Answered = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
};

TEST_F(StallsTest, TheNestedHwptHasTheFaultQueueAndTheOthersHaveNone) {
  const std::uint32_t attached = kernel.attached[device];
  EXPECT_EQ(kernel.live.at(kernel.faults.at(attached)), "fault queue");
  EXPECT_EQ(kernel.faults.size(), 1U);
  EXPECT_EQ(smmu->fault_descriptor(), 80);
}

TEST_F(StallsTest, AFaultThatWaitsIsAnEventWithATag) {
  HwptPgfault f = fault(11, 0x1234'5678);
  f.flags |= i::pgfault_pasid_valid;
  f.pasid = 9;
  f.perm = i::pgfault_read | i::pgfault_execute | i::pgfault_privileged;
  deliver({f});
  const Event e = event(0);
  EXPECT_EQ(e.get(Event::Type), EventType::F_TRANSLATION);
  EXPECT_EQ(e.get(Event::StreamID), sid);
  EXPECT_EQ(e.get(Event::SSV), 1U);
  EXPECT_EQ(e.get(Event::SubstreamID), 9U);
  EXPECT_EQ(e.get(Event::Stall), 1U);
  EXPECT_EQ(e.get(Event::InputAddr), 0x1234'5678U);
  EXPECT_EQ(e.get(Event::RnW), 1U);
  EXPECT_EQ(e.get(Event::InD), 1U);
  EXPECT_EQ(e.get(Event::PnU), 1U);
  EXPECT_EQ(e.get(Event::CLASS), EventClass::in);
  EXPECT_EQ(e.get(Event::S2), 0U);
  EXPECT_EQ(smmu->stalled(), 1U);
  EXPECT_TRUE(answers.empty());
}

TEST_F(StallsTest, EachIsAnsweredOnce) {
  deliver({fault(11), fault(12)});
  ASSERT_NE(tag(0), tag(1));
  resume(sid, tag(1), false);
  resume(sid, tag(0));
  resume(sid, tag(0));
  resume(sid, tag(1));
  EXPECT_EQ(answered(), (Answered{{12, i::page_response_invalid}, {11, i::page_response_success}}));
  EXPECT_EQ(smmu->stalled(), 0U);
  EXPECT_EQ(smmu->counters().stalls_answered, 2U);
}

TEST_F(StallsTest, AnAnswerForAnotherStreamOrTagHasNoEffect) {
  deliver({fault(11)});
  resume(sid + 1, tag(0));
  resume(sid, tag(0) + 1);
  resume(sid, 0xffff);
  EXPECT_TRUE(answers.empty());
  EXPECT_FALSE(stopped());
}

TEST_F(StallsTest, ATagIsUsedAgainAndStandsForTheNewOne) {
  deliver({fault(11)});
  resume(sid, tag(0));
  deliver({fault(12)});
  resume(sid, tag(1));
  EXPECT_EQ(answered(), (Answered{{11, i::page_response_success}, {12, i::page_response_success}}));
}

TEST_F(StallsTest, ATagThatTheGuestIsStillToAnswerStandsForNothingElse) {
  deliver({fault(11)});
  ASSERT_TRUE(smmu->restore(smmu->save()));
  EXPECT_EQ(answered(), (Answered{{11, i::page_response_invalid}}));
  deliver({fault(12)});
  EXPECT_NE(tag(1), tag(0));
  resume(sid, tag(0), false);
  EXPECT_EQ(smmu->stalled(), 1U) << "that was the answer to the first";
  resume(sid, tag(1));
  EXPECT_EQ(answered(), (Answered{{11, i::page_response_invalid}, {12, i::page_response_success}}));
  deliver({fault(13)});
  EXPECT_EQ(tag(2), tag(0)) << "answered, it is free";
}

TEST_F(StallsTest, ATagOfADeviceWithAnotherHwptOrHostWaitsForItsAnswerToo) {
  deliver({fault(11)});
  put_ste(sid, stage1_ste(ram + 0x40000));
  send({cmd::cfgi_ste(sid, true), cmd::sync(SyncSignal::none)});
  deliver({fault(12)});
  ASSERT_TRUE(smmu->move_to(6));
  deliver({fault(13)});
  EXPECT_NE(tag(1), tag(0));
  EXPECT_NE(tag(2), tag(0));
  EXPECT_NE(tag(2), tag(1));
}

// The host that the guest comes to has no such transactions, and the guest answers them all the same.
TEST_F(StallsTest, ATagThatTheGuestOwesAnAnswerForGoesWithIt) {
  deliver({fault(11), fault(12)});
  const auto owed = tag(0);
  resume(sid, tag(1));
  const auto state = smmu->save();
  smmu.reset();
  make(config.features);
  add();
  ASSERT_TRUE(smmu->restore(state));
  EXPECT_EQ(smmu->save(), state);
  EXPECT_EQ(smmu->stalled(), 0U);
  answers.clear();
  const auto at = static_cast<std::uint32_t>(get<EVENTQ_PROD>().get(EVENTQ_PROD::WR));
  deliver({fault(21), fault(22)});
  EXPECT_NE(tag(at), owed);
  EXPECT_NE(tag(at + 1), owed);
  resume(sid, owed);
  EXPECT_TRUE(answers.empty()) << "it was the answer to what had ended with the old host";
}

TEST_F(StallsTest, AStateWithTagsThatCannotBeIsRefused) {
  deliver({fault(11), fault(12)});
  const auto good = smmu->save();
  ASSERT_EQ(good.size(), 240U + 2 * 8U);
  const auto refused = [&](std::size_t at, int value) {
    auto state = good;
    state[at] = static_cast<std::byte>(value);
    return smmu->restore(state).error();
  };
  EXPECT_EQ(refused(240, 255), base::Errc::invalid_argument) << "beyond STALL_MAX";
  EXPECT_EQ(refused(240 + 8, 0), base::Errc::invalid_argument) << "twice the same";
  EXPECT_EQ(refused(240 + 7, 1), base::Errc::invalid_argument) << "beyond SIDSIZE";
  EXPECT_EQ(refused(44, 1), base::Errc::bad_size);
  EXPECT_EQ(refused(4, 1), base::Errc::bad_size) << "version 1 has none";
  EXPECT_EQ(smmu->stalled(), 2U) << "nothing has changed";
  EXPECT_TRUE(smmu->restore(good));
}

TEST_F(StallsTest, StallTermIsTheAnswerToWhatHasEndedBefore) {
  deliver({fault(11)});
  ASSERT_TRUE(smmu->restore(smmu->save()));
  send({cmd::stall_term(sid)});
  deliver({fault(12)});
  EXPECT_EQ(tag(1), tag(0));
}

TEST_F(StallsTest, AResetFreesTheTagsThatWaitForAnAnswer) {
  deliver({fault(11)});
  ASSERT_TRUE(smmu->restore(smmu->save()));
  smmu->reset();
  produced = 0;
  place_queues();
  enable();
  send({cmd::cfgi_ste(sid, true), cmd::sync(SyncSignal::none)});
  deliver({fault(12)});
  EXPECT_EQ(tag(0), 0U) << "the first of all";
}

TEST_F(StallsTest, MoreThanTheGuestWasPromisedAreRefused) {
  for (std::uint32_t n = 0; n < most + 2; ++n) {
    deliver({fault(20 + n)});
  }
  EXPECT_EQ(recorded(), most);
  EXPECT_EQ(answered(), (Answered{{24, i::page_response_invalid}, {25, i::page_response_invalid}}));
  EXPECT_FALSE(overflowed());
}

TEST_F(StallsTest, ARecordWaitsForRoomAndIsNoOverflow) {
  Event filler;
  for (unsigned n = 0; n < 1U << eventq_log2; ++n) {
    filler.set(Event::Type, EventType::C_BAD_CD).set(Event::StreamID, sid);
    std::vector<std::byte> bytes(40);
    const i::VeventHeader header{0, n};
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, filler.w.data(), 32);
    ASSERT_TRUE(smmu->take_events(bytes));
  }
  deliver({fault(11, 0x1000), fault(12, 0x2000)});
  EXPECT_EQ(smmu->stalled(), 2U);
  EXPECT_FALSE(overflowed());
  resume(sid, 0);
  EXPECT_TRUE(answers.empty()) << "the guest cannot know of it";
  set<EVENTQ_CONS>(1);
  EXPECT_EQ(event(0).get(Event::InputAddr), 0x1000U);
  set<EVENTQ_CONS>(2);
  EXPECT_EQ(event(1).get(Event::InputAddr), 0x2000U) << "in their order";
}

TEST_F(StallsTest, StallTermEndsAllOfAStream) {
  deliver({fault(11), fault(12)});
  send({cmd::stall_term(sid + 1)});
  EXPECT_TRUE(answers.empty());
  send({cmd::stall_term(sid)});
  EXPECT_EQ(answered(), (Answered{{11, i::page_response_invalid}, {12, i::page_response_invalid}}));
}

TEST_F(StallsTest, WhatTheHostHasAnsweredWithTheReplacementIsForgotten) {
  deliver({fault(11)});
  put_ste(sid, stage1_ste(ram + 0x40000));
  send({cmd::cfgi_ste(sid, true), cmd::sync(SyncSignal::none)});
  resume(sid, tag(0));
  EXPECT_TRUE(answers.empty());
  EXPECT_EQ(smmu->stalled(), 0U);
}

TEST_F(StallsTest, AnUnchangedSteKeepsThemWaiting) {
  deliver({fault(11)});
  send({cmd::cfgi_ste(sid, true), cmd::sync(SyncSignal::none)});
  resume(sid, tag(0));
  EXPECT_EQ(answered(), (Answered{{11, i::page_response_success}}));
}

TEST_F(StallsTest, AResetAnswersThem) {
  deliver({fault(11)});
  smmu->reset();
  EXPECT_EQ(answered(), (Answered{{11, i::page_response_invalid}}));
}

TEST_F(StallsTest, GroupsOfSeveralPagesAndUnknownDevicesAreRefused) {
  HwptPgfault first = fault(11, 0x1000);
  first.flags = 0;
  HwptPgfault other = fault(12);
  other.dev_id = 99;
  deliver({first, fault(11, 0x2000), other});
  EXPECT_EQ(answered(), (Answered{{11, i::page_response_invalid}, {12, i::page_response_invalid}}));
  EXPECT_EQ(recorded(), 0U);
}

TEST_F(StallsTest, APieceOfARecordIsNotTaken) {
  const std::vector<std::byte> piece(39);
  EXPECT_EQ(smmu->take_faults(piece), base::Errc::protocol);
}

TEST_F(StallsTest, AMovedDeviceHasANewQueueAndNoOldOnes) {
  deliver({fault(11)});
  ASSERT_TRUE(smmu->move_to(6));
  EXPECT_EQ(smmu->stalled(), 0U);
  resume(sid, tag(0));
  EXPECT_TRUE(answers.empty());
  EXPECT_TRUE(smmu->forget_left());
  EXPECT_EQ(kernel.live.at(kernel.faults.at(kernel.attached[device])), "fault queue");
}

TEST_F(StallsTest, AHostWithoutFaultQueuesDoesNotKeepWhatWasPromised) {
  auto other = std::exchange(smmu, nullptr);
  Own own;
  own.stalls = most;
  make(small_features(kernel, own));
  kernel.has_faults = false;
  EXPECT_EQ(smmu->add_device({device + 1, 8, sid + 1}), base::Errc::unsupported);
}

TEST_F(StallsTest, StallsTakeAWayToAnswer) {
  EXPECT_EQ(Vsmmu::make(config, kernel.seam(), memory, interrupts).error(), base::Errc::invalid_argument);
  config.features.idr5.set(IDR5::STALL_MAX, 0);
  EXPECT_EQ(Vsmmu::make(config, kernel.seam(), memory, interrupts).error(), base::Errc::bad_hardware);
}

// 5.4: where stalls are not promised, a CD that asks for them is illegal. The host's SMMU would let it stall.
TEST_F(StallsTest, AGuestWithoutThemCannotStallTheHosts) {
  make(small_features(kernel));
  produced = 0;
  start();
  put_ste(sid, stage1_ste());
  send({cmd::cfgi_ste(sid, true), cmd::sync(SyncSignal::none)});
  EXPECT_NE(kernel.nested.at(kernel.attached[device])[1] & Ste::S1STALLD.mask, 0U);
  EXPECT_EQ(kernel.faults.contains(kernel.attached[device]), false);
  resume(sid, 0);
  EXPECT_TRUE(stopped()) << "CMD_RESUME is not there either";
}

} // namespace
} // namespace sluice::vsmmu::test
