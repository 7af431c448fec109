#include "rig.hpp"

#include <sluice/arch/l1.hpp>

namespace sluice::vsmmu::test {
namespace {

using namespace arch;

class Streams : public Rig {
protected:
  void SetUp() override {
    Rig::SetUp();
    start();
  }
  // After CMD_CFGI_STE of the device's.
  std::optional<Place> placed(const Ste& ste) {
    put_ste(sid, ste);
    send({cmd::cfgi_ste(sid, true), cmd::sync()});
    return smmu->place_of(sid);
  }
  SteWords hosts() { return kernel.nested[kernel.attached[device]]; }
};

using StreamsOff = Rig;

TEST_F(StreamsOff, GbpaDecidesWhileTheSmmuIsOff) {
  add();
  EXPECT_EQ(smmu->place_of(sid), Place::memory);
  set(GBPA{}.with(GBPA::ABORT, 1).with(GBPA::Update, 1));
  EXPECT_EQ(get<GBPA>().get(GBPA::Update), 0U);
  EXPECT_EQ(smmu->place_of(sid), Place::abort);
  EXPECT_EQ(kernel.nested[kernel.attached[device]], (SteWords{1, 0})) << "V, and Config 0";
  set(GBPA{}.with(GBPA::ABORT, 0));
  EXPECT_EQ(smmu->place_of(sid), Place::abort) << "6.3.14: not without Update";
  set(GBPA{}.with(GBPA::Update, 1));
  EXPECT_EQ(smmu->place_of(sid), Place::memory);
}

TEST_F(StreamsOff, AResetMayAbort) {
  config.abort_at_reset = true;
  make();
  add();
  EXPECT_EQ(smmu->place_of(sid), Place::abort);
}

TEST_F(StreamsOff, StesCountFromSmmuenOn) {
  add();
  place_queues();
  put_ste(sid, stage1_ste());
  enable(CR0::CMDQEN.mask);
  send({cmd::cfgi_ste(sid, true), cmd::sync()});
  EXPECT_EQ(smmu->place_of(sid), Place::memory);
  enable();
  EXPECT_EQ(smmu->place_of(sid), Place::stage1);
  EXPECT_EQ(get<CR0ACK>().get(CR0ACK::SMMUEN), 1U);
  enable(CR0::CMDQEN.mask);
  EXPECT_EQ(smmu->place_of(sid), Place::memory);
  smmu->reset();
  EXPECT_EQ(get<CR0>().raw(), 0U);
}

TEST_F(Streams, EachConfigHasItsPlace) {
  EXPECT_EQ(smmu->place_of(sid), Place::abort) << "V = 0";
  EXPECT_EQ(placed(config_ste(SteConfig::bypass)), Place::bypass);
  EXPECT_EQ(hosts(), (SteWords{9, 0}));
  EXPECT_EQ(placed(stage1_ste()), Place::stage1);
  for (const unsigned aborting : {0U, 1U, 2U, 3U}) {
    EXPECT_EQ(placed(stage1_ste()), Place::stage1);
    EXPECT_EQ(placed(config_ste(static_cast<SteConfig>(aborting))), Place::abort);
  }
  EXPECT_EQ(recorded(), 0U) << "5.2: silently";
}

TEST_F(Streams, TheHostSeesTheFieldsOfStage1AndNoOthers) {
  Ste ste = stage1_ste();
  ste.set(Ste::S1CIR, Cacheability::write_back).set(Ste::S1COR, Cacheability::write_through);
  ste.set(Ste::S1CSH, Shareability::inner);
  const Ste wanted = ste;
  ste.set(Ste::MEV, 1).set(Ste::CONT, 3).set(Ste::SW_RESERVED, 7).set(Ste::STRW, Strw::el2).set(Ste::S2VMID, 3);
  ste.set(Ste::MTCFG, 1).set(Ste::EATS, Eats::full).set(Ste::S1CDMax, 4).set(Ste::S1DSS, S1Dss::cd0);
  ste.set(Ste::S1Fmt, S1Format::two_level_4k);
  EXPECT_EQ(placed(ste), Place::stage1);
  EXPECT_EQ(hosts(), (SteWords{wanted.w[0], wanted.w[1]})) << "without ATS and substreams their fields are ignored";
}

TEST_F(Streams, AnIllegalSteAbortsAndIsToldOnce) {
  const auto illegal = {
      config_ste(SteConfig::stage2), config_ste(SteConfig::nested),
      stage1_ste().with(Ste::S1STALLD, 1), // STALL_MODEL is terminate
      stage1_ste(1ULL << 44),              // beyond OAS
  };
  std::uint32_t told = 0;
  for (const Ste& ste : illegal) {
    EXPECT_EQ(placed(stage1_ste()), Place::stage1);
    EXPECT_EQ(placed(ste), Place::abort);
    ASSERT_EQ(recorded(), told + 1);
    EXPECT_EQ(event(told).get(Event::Type), EventType::C_BAD_STE);
    EXPECT_EQ(event(told).get(Event::StreamID), sid);
    ++told;
  }
}

TEST_F(Streams, AnSteThatTheHostDoesNotTakeIsAnIllegalOne) {
  kernel.no_ste = [](const SteWords& words) { return (words[0] & Ste::S1ContextPtr.mask) == ram + 0x5000; };
  EXPECT_EQ(placed(stage1_ste(ram + 0x5000)), Place::abort);
  EXPECT_EQ(event(0).get(Event::Type), EventType::C_BAD_STE);
  EXPECT_EQ(smmu->counters().refused, 1U);
  EXPECT_FALSE(stopped()) << "the command is a good one";
}

TEST_F(Streams, AHostWithoutMemoryIsAnAbortedFetch) {
  put_ste(sid, stage1_ste());
  kernel.fail(1, Errno::no_memory);
  send({cmd::cfgi_ste(sid, true)});
  EXPECT_EQ(smmu->place_of(sid), Place::abort);
  EXPECT_EQ(event(0).get(Event::Type), EventType::F_STE_FETCH);
  EXPECT_EQ(event(0).get(Event::FetchAddr), table + 64 * sid);
  EXPECT_EQ(smmu->counters().failed, 1U);
}

TEST_F(Streams, ADeviceThatCanBeAttachedToNothingIsDetached) {
  EXPECT_EQ(placed(config_ste(SteConfig::bypass)), Place::bypass);
  put_ste(sid, stage1_ste());
  kernel.fail(2, Errno::no_memory, 3); // attach, destroy, attach
  send({cmd::cfgi_ste(sid, true)});
  EXPECT_EQ(smmu->place_of(sid), Place::nowhere);
  EXPECT_FALSE(kernel.attached.contains(device));
  EXPECT_EQ(placed(stage1_ste()), Place::stage1) << "and comes back";
}

TEST_F(Streams, AReplacementHasNoGapAndLeavesNothing) {
  EXPECT_EQ(placed(stage1_ste(ram + 0x1000)), Place::stage1);
  const auto objects = kernel.live.size();
  kernel.attachments.clear();
  EXPECT_EQ(placed(stage1_ste(ram + 0x2000)), Place::stage1);
  EXPECT_EQ(kernel.attachments.size(), 1U) << "one replacement, no detour";
  EXPECT_EQ(kernel.live.size(), objects) << "the one before is destroyed";
}

TEST_F(Streams, TheSameSteKeepsItsHwptAndForgetsItsCds) {
  EXPECT_EQ(placed(stage1_ste()), Place::stage1);
  const std::uint32_t hwpt = kernel.attached[device];
  kernel.invalidations.clear();
  kernel.attachments.clear();
  EXPECT_EQ(placed(stage1_ste()), Place::stage1);
  EXPECT_TRUE(kernel.attachments.empty());
  EXPECT_EQ(kernel.attached[device], hwpt);
  EXPECT_EQ(invalidated(), (std::vector<Command>{cmd::cfgi_cd_all(sid)})) << "4.3: CFGI_STE covers the CDs";
}

TEST_F(Streams, ARangeReadsItsStreamsAndAllReadsAll) {
  ASSERT_TRUE(smmu->add_device({device + 1, 8, sid ^ 1}));
  ASSERT_TRUE(smmu->add_device({device + 2, 9, sid ^ 4}));
  for (const std::uint32_t s : {sid, sid ^ 1, sid ^ 4}) {
    put_ste(s, config_ste(SteConfig::bypass));
  }
  send({cmd::cfgi_ste_range(sid, 0)});
  EXPECT_EQ(smmu->place_of(sid), Place::bypass);
  EXPECT_EQ(smmu->place_of(sid ^ 1), Place::bypass);
  EXPECT_EQ(smmu->place_of(sid ^ 4), Place::abort) << "not in the range";
  send({cmd::cfgi_all()});
  EXPECT_EQ(smmu->place_of(sid ^ 4), Place::bypass);
}

TEST_F(Streams, AStreamBeyondTheTableAborts) {
  EXPECT_EQ(placed(config_ste(SteConfig::bypass)), Place::bypass);
  enable(CR0::CMDQEN.mask | CR0::EVENTQEN.mask);
  set(STRTAB_BASE_CFG{}.with(STRTAB_BASE_CFG::LOG2SIZE, 4));
  enable();
  EXPECT_EQ(smmu->place_of(sid), Place::abort);
  EXPECT_EQ(recorded(), 0U) << "nothing is there yet";
}

TEST_F(Streams, ATableOutsideMemoryIsAnAbortedFetch) {
  enable(CR0::CMDQEN.mask | CR0::EVENTQEN.mask);
  set<STRTAB_BASE>(0x8000'0000);
  enable();
  EXPECT_EQ(smmu->place_of(sid), Place::abort);
  ASSERT_EQ(recorded(), 1U);
  EXPECT_EQ(event(0).get(Event::Type), EventType::F_STE_FETCH);
  EXPECT_EQ(event(0).get(Event::FetchAddr), 0x8000'0000U + 64 * sid);
}

class TwoLevels : public Streams {
protected:
  static constexpr std::uint64_t leaf = ram + 0x40000;

  std::optional<Place> placed_behind(std::uint64_t span, std::uint64_t l2) {
    enable(CR0::CMDQEN.mask | CR0::EVENTQEN.mask);
    set(STRTAB_BASE_CFG{}
            .with(STRTAB_BASE_CFG::LOG2SIZE, 16)
            .with(STRTAB_BASE_CFG::SPLIT, 8)
            .with(STRTAB_BASE_CFG::FMT, StreamTableFormat::two_level));
    const L1Std l1 = L1Std{}.with(L1Std::Span, span).with(L1Std::L2Ptr, l2);
    memory.write(table + 8 * (sid >> 8), l1.w.data(), 8);
    const Ste ste = config_ste(SteConfig::bypass);
    memory.write(leaf + 64 * (sid & 0xff), ste.w.data(), 64);
    enable();
    return smmu->place_of(sid);
  }
};

TEST_F(TwoLevels, TheSecondLevelIsReadAsFarAsItReaches) {
  EXPECT_EQ(placed_behind(9, leaf), Place::bypass);
  EXPECT_EQ(placed_behind(6, leaf), Place::bypass) << "32 STEs, and ours is 0x12";
  EXPECT_EQ(placed_behind(5, leaf), Place::abort) << "16 STEs";
  EXPECT_EQ(placed_behind(0, leaf), Place::abort);
  EXPECT_EQ(placed_behind(10, leaf), Place::abort) << "5.1.1: Span > SPLIT + 1";
  EXPECT_EQ(placed_behind(12, leaf), Place::abort) << "reserved";
  EXPECT_EQ(recorded(), 0U);
  EXPECT_EQ(placed_behind(9, leaf + 0x40), Place::bypass) << "taken as aligned to its size";
}

TEST_F(TwoLevels, ASecondLevelOutsideMemoryIsAnAbortedFetch) {
  EXPECT_EQ(placed_behind(9, 0x1'0000'0000), Place::abort);
  EXPECT_EQ(event(0).get(Event::Type), EventType::F_STE_FETCH);
}

TEST_F(Streams, SubstreamsAndAtsAreTheHostsWhereTheGuestWasPromisedThem) {
  kernel.max_pasid_log2 = 8;
  kernel.info.idr[0] |= static_cast<std::uint32_t>(IDR0::ATS.mask);
  make();
  start();
  const Ste ste = stage1_ste()
                      .with(Ste::S1CDMax, 8)
                      .with(Ste::S1Fmt, S1Format::two_level_64k)
                      .with(Ste::S1DSS, S1Dss::cd0)
                      .with(Ste::EATS, Eats::full);
  produced = 0;
  EXPECT_EQ(placed(ste), Place::stage1);
  EXPECT_EQ(hosts(), (SteWords{ste.w[0], ste.w[1]}));
  EXPECT_EQ(placed(stage1_ste().with(Ste::S1CDMax, 9)), Place::abort) << "more than there are";
  EXPECT_EQ(placed(stage1_ste().with(Ste::EATS, Eats::split)), Place::abort) << "of both stages";
  EXPECT_EQ(recorded(), 2U);
}

} // namespace
} // namespace sluice::vsmmu::test
