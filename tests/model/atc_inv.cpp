#include "ats.hpp"

namespace sluice::model::test {
namespace {

using arch::cmd::atc_inv;
using arch::cmd::atc_inv_pasid;

// Time that stands still unless somebody moves it.
struct StillClock final : platform::Time {
  std::uint64_t now_ns() override { return now; }
  void relax() override {}
  std::uint64_t now{1'000'000'000};
};

// 4.5.1
TEST(AtcInv, NamesAlignedBytes) {
  AtsRig rig;
  rig.run({atc_inv(3, 0x1234'5000, 0), atc_inv(3, 0x1234'5000, 4), atc_inv(3, ~0xfffULL, 52)});
  ASSERT_EQ(rig.ram.invalidations.size(), 3u);
  const auto& i = rig.ram.invalidations;
  EXPECT_EQ(i[0].address, 0x1234'5000u);
  EXPECT_EQ(i[0].log2_size, 12u);
  EXPECT_EQ(i[0].stream_id, 3u);
  EXPECT_FALSE(i[0].substream_id || i[0].global);
  EXPECT_EQ(i[1].address, 0x1234'0000u);
  EXPECT_EQ(i[1].log2_size, 16u);
  EXPECT_EQ(i[2].address, 0u);
  EXPECT_EQ(i[2].log2_size, AtcInvalidation::everything);
}

TEST(AtcInv, WithAPASIDMayBeGlobal) {
  AtsRig rig;
  rig.run({atc_inv_pasid(3, 7, 0, 0), atc_inv_pasid(3, 0, 0, 0, true), atc_inv(3, 0, 0).set(Command::Global, 1)});
  const auto& i = rig.ram.invalidations;
  ASSERT_EQ(i.size(), 3u);
  EXPECT_EQ(i[0].substream_id, 7u);
  EXPECT_FALSE(i[0].global);
  EXPECT_EQ(i[1].substream_id, 0u);
  EXPECT_TRUE(i[1].global);
  EXPECT_FALSE(i[2].substream_id || i[2].global);
}

TEST(AtcInv, WithoutSubstreamsHasNoPASID) {
  Features f = AtsRig::with_ats();
  f.substreamid_bits = 0;
  AtsRig rig{f};
  rig.run({atc_inv_pasid(3, 7, 0, 0)});
  ASSERT_EQ(rig.ram.invalidations.size(), 1u);
  EXPECT_FALSE(rig.ram.invalidations[0].substream_id);
}

TEST(AtcInv, IsIgnoredWhileSMMUENIs0) {
  AtsRig rig;
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::smmuen);
  rig.run({atc_inv(3, 0, 0)});
  EXPECT_TRUE(rig.ram.invalidations.empty());
}

TEST(AtcInv, ThatNobodyUnderstandsCompletes) {
  AtsRig rig;
  rig.ram.answer = AtcAnswer::unsupported;
  rig.run({atc_inv(3, 0, 0)});
  EXPECT_EQ(rig.smmu->counters().atc_invalidations, 1u);
}

TEST(AtcInv, ASYNCWaitsForThePendingOnes) {
  AtsRig rig;
  rig.ram.answer = AtcAnswer::pending;
  rig.submit(atc_inv(3, 0, 0));
  EXPECT_TRUE(rig.drained()) << "its consumption promises nothing";
  rig.submit(atc_inv(4, 0, 0));
  rig.submit(arch::cmd::sync());
  EXPECT_FALSE(rig.drained());
  const auto& sent = rig.ram.invalidations;
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_NE(sent[0].tag, sent[1].tag);
  rig.ram.complete = {sent[1].tag};
  EXPECT_FALSE(rig.drained());
  rig.ram.complete = {sent[0].tag};
  EXPECT_TRUE(rig.drained());
  EXPECT_EQ(rig.smmu->counters().syncs, 1u);
}

// What has completed late has to be passed by the ports all the same.
TEST(AtcInv, ASYNCWaitsForPortsAfterALateCompletion) {
  AtsRig rig;
  rig.ats_stream(3);
  rig.ram.answer = AtcAnswer::pending;
  rig.submit(atc_inv(3, 0, 0));
  std::optional<Port::Burst> burst{*rig.port};
  rig.submit(arch::cmd::sync());
  burst->pause();
  EXPECT_FALSE(rig.drained());
  std::uint64_t value = 0;
  EXPECT_TRUE(burst->access_translated({.stream_id = 3, .address = 0x60'0000, .size = 8}, &value).served());
  rig.ram.complete = {rig.ram.invalidations[0].tag};
  EXPECT_FALSE(rig.drained()) << "the access may have been translated by what is gone";
  burst->pause();
  EXPECT_TRUE(rig.drained());
}

TEST(AtcInv, ATranslatedAccessIsNoQuiescentState) {
  AtsRig rig;
  rig.ats_stream(3);
  Port::Burst burst{*rig.port};
  rig.submit(atc_inv(3, 0, 0));
  rig.submit(arch::cmd::sync());
  std::uint64_t value = 0;
  EXPECT_TRUE(burst.access_translated({.stream_id = 3, .address = 0x60'0000, .size = 8}, &value).served());
  EXPECT_FALSE(rig.drained());
  static_cast<void>(burst.request_translation({.stream_id = 3, .address = 0}));
  EXPECT_TRUE(rig.drained());
}

// An SMMU whose time the test moves.
class SlowEndpoint : public testing::Test {
protected:
  SlowEndpoint() {
    auto made = Smmu::make(AtsRig::with_ats(), observed({.atc_timeout_us = 1000}), ram, sync, clock);
    smmu = std::move(*made);
    cmdq = ram.alloc(1024, 4096);
    smmu->write(arch::CMDQ_BASE::offset, 8, cmdq | 6);
    smmu->write(arch::CR0::offset, 4, 0x9);
    ram.answer = AtcAnswer::pending;
  }
  void submit(const Command& c) {
    ram.put(cmdq + prod * 16, c.w[0]);
    ram.put(cmdq + prod * 16 + 8, c.w[1]);
    smmu->write(arch::CMDQ_PROD::offset, 4, ++prod);
  }
  std::uint32_t cons() { return static_cast<std::uint32_t>(smmu->read(arch::CMDQ_CONS::offset, 4)); }
  bool failed() { return smmu->read(arch::GERROR::offset, 4) != smmu->read(arch::GERRORN::offset, 4); }
  void acknowledge() { smmu->write(arch::GERRORN::offset, 4, smmu->read(arch::GERROR::offset, 4)); }

  Ram ram{1 << 20};
  StillClock clock;
  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  std::unique_ptr<Smmu> smmu;
  std::uint64_t cmdq{};
  std::uint32_t prod{0};
};

// 3.9.1.4, 7.1
TEST_F(SlowEndpoint, AnEndpointThatDoesNotAnswerIsCERROR_ATC_INV_SYNCOfTheSYNC) {
  submit(atc_inv(3, 0, 0));
  submit(arch::cmd::sync());
  clock.now += 999'999;
  EXPECT_EQ(cons(), 1u);
  EXPECT_FALSE(failed());
  clock.now += 1;
  EXPECT_EQ(cons(), 1u | static_cast<std::uint32_t>(arch::Cerror::ATC_INV_SYNC) << 24);
  EXPECT_TRUE(failed());
  EXPECT_EQ(smmu->counters().atc_timeouts, 1u);
  EXPECT_EQ(smmu->counters().syncs, 0u);
}

TEST_F(SlowEndpoint, AnAcknowledgedErrorRepeatsTheSYNC) {
  submit(atc_inv(3, 0, 0));
  submit(arch::cmd::sync());
  clock.now += 1'000'000;
  cons();
  EXPECT_TRUE(failed());
  acknowledge();
  EXPECT_EQ(cons() & 0xfffff, 2u);
  EXPECT_EQ(smmu->counters().syncs, 1u);
  submit(arch::cmd::sync());
  EXPECT_EQ(cons() & 0xfffff, 3u) << "what failed once is not in the way of later SYNCs";
}

TEST_F(SlowEndpoint, ATimeOutBeforeTheSYNCIsRememberedForIt) {
  submit(atc_inv(3, 0, 0));
  clock.now += 2'000'000;
  submit(arch::cmd::sync());
  cons();
  EXPECT_TRUE(failed());
}

TEST_F(SlowEndpoint, OnesThatAreInTimeStillCountAfterTheError) {
  submit(atc_inv(3, 0, 0));
  clock.now += 600'000;
  submit(atc_inv(4, 0, 0));
  submit(arch::cmd::sync());
  clock.now += 400'000;
  EXPECT_EQ(cons(), 2u) << "one is still in time";
  ram.complete = {ram.invalidations[1].tag};
  cons();
  EXPECT_TRUE(failed());
}

TEST_F(SlowEndpoint, NoMoreThanThereAreITagsAreUnderWay) {
  for (unsigned i = 0; i < 33; ++i) {
    submit(atc_inv(3, 0, 0));
  }
  EXPECT_EQ(cons(), 32u);
  ram.complete = {ram.invalidations[5].tag};
  EXPECT_EQ(cons(), 33u);
  EXPECT_EQ(ram.invalidations.back().tag, ram.invalidations[5].tag);
  submit(atc_inv(3, 0, 0));
  EXPECT_EQ(cons(), 33u);
  clock.now += 1'000'000;
  EXPECT_EQ(cons(), 34u) << "a time-out frees its tag, too";
}

// 4.5.2
TEST(PriResp, GoesToTheEndpoint) {
  AtsRig rig;
  using arch::PriResponse;
  rig.run({arch::cmd::pri_resp(3, 0x1ff, PriResponse::success),
           arch::cmd::pri_resp_pasid(4, 9, 1, PriResponse::invalid_request),
           arch::cmd::pri_resp(5, 2, PriResponse::failure)});
  const auto& r = rig.ram.responses;
  ASSERT_EQ(r.size(), 3u);
  EXPECT_EQ(r[0].stream_id, 3u);
  EXPECT_EQ(r[0].prg_index, 0x1ffu);
  EXPECT_EQ(r[0].code, arch::PrgResponse::success);
  EXPECT_FALSE(r[0].substream_id);
  EXPECT_EQ(r[1].substream_id, 9u);
  EXPECT_EQ(r[1].code, arch::PrgResponse::invalid_request);
  EXPECT_EQ(r[2].code, arch::PrgResponse::failure);
}

TEST(PriResp, IsIgnoredWhileSMMUENIs0) {
  AtsRig rig;
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::smmuen);
  rig.run({arch::cmd::pri_resp(3, 1, arch::PriResponse::success)});
  EXPECT_TRUE(rig.ram.responses.empty());
}

// 6.3.9.2
TEST(AtsHandshake, ATSCHKIsAcknowledgedWhenNoPortGoesByTheOldValue) {
  AtsRig rig;
  std::optional<Port::Burst> burst{*rig.port};
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::atschk);
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), AtsRig::all);
  burst.reset();
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), AtsRig::all & ~AtsRig::atschk);
}

TEST(AtsHandshake, AChangeOfSMMUENWaitsForOneOfATSCHK) {
  AtsRig rig;
  std::optional<Port::Burst> burst{*rig.port};
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::atschk);
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::atschk & ~AtsRig::smmuen);
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), AtsRig::all);
  burst.reset();
  EXPECT_EQ(rig.r32<arch::CR0ACK>(), AtsRig::all & ~AtsRig::atschk & ~AtsRig::smmuen);
}

} // namespace
} // namespace sluice::model::test
