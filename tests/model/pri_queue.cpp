#include "ats.hpp"

namespace sluice::model::test {
namespace {

using arch::PrgResponse;
using arch::PriRecord;
using Fate = PageRequestFate;

constexpr std::uint64_t pri_va = 0x12'3000;

// A queue of four entries.
class PriQ : public testing::Test {
protected:
  explicit PriQ(const Features& features = AtsRig::with_ats(), const Knobs& knobs = {}) : rig{features, knobs} {
    rig.w32<arch::IRQ_CTRL>(0x7);
  }
  Fate ask(const PageRequest& r) { return rig.port->request_page(r); }
  Fate ask(bool last = true, std::uint16_t index = 1) {
    return ask({.stream_id = 3, .address = pri_va, .read = true, .last = last, .prg_index = index});
  }
  Fate ask_with(std::uint32_t pasid, bool last = true) {
    return ask({.stream_id = 3, .substream_id = pasid, .address = pri_va, .read = true, .last = last, .prg_index = 9});
  }
  void fill() {
    for (unsigned i = 0; i < 4; ++i) {
      EXPECT_EQ(ask(), Fate::queued);
    }
  }
  bool overflow() { return ((rig.r32<arch::PRIQ_PROD>() ^ rig.r32<arch::PRIQ_CONS>()) & 0x8000'0000) != 0; }
  std::uint32_t pulses() const { return rig.ram.pulses(Wire::pri_queue); }
  // The only automatic response since the last call.
  PageResponse response() {
    EXPECT_EQ(rig.ram.responses.size(), 1u);
    const PageResponse r = rig.ram.responses.empty() ? PageResponse{} : rig.ram.responses[0];
    rig.ram.responses.clear();
    return r;
  }
  void lo(bool on) {
    rig.w32<arch::IRQ_CTRL>(0);
    rig.w32<arch::PRIQ_IRQ_CFG2>(on ? 0x8000'0000 : 0);
    rig.w32<arch::IRQ_CTRL>(0x7);
  }

  AtsRig rig;
};

// 8
TEST_F(PriQ, AMessageIsARecord) {
  EXPECT_EQ(ask({.stream_id = 3,
                 .substream_id = 7,
                 .address = pri_va + 0x123,
                 .read = true,
                 .write = true,
                 .execute = true,
                 .privileged = true,
                 .last = true,
                 .prg_index = 0x1ff}),
            Fate::queued);
  const auto records = rig.page_requests();
  ASSERT_EQ(records.size(), 1u);
  const PriRecord r = records[0];
  EXPECT_EQ(r.get(PriRecord::StreamID), 3u);
  EXPECT_EQ(r.get(PriRecord::SSV), 1u);
  EXPECT_EQ(r.get(PriRecord::SubstreamID), 7u);
  EXPECT_EQ(r.get(PriRecord::PageAddr), pri_va);
  EXPECT_EQ(r.get(PriRecord::PRGIndex), 0x1ffu);
  EXPECT_TRUE(r.get(PriRecord::R) && r.get(PriRecord::W) && r.get(PriRecord::X) && r.get(PriRecord::Priv) &&
              r.get(PriRecord::Last));
  EXPECT_TRUE(rig.ram.responses.empty());
}

TEST_F(PriQ, WithoutAPASIDXAndPrivAre0) {
  EXPECT_EQ(ask({.stream_id = 3, .address = pri_va, .write = true, .execute = true, .privileged = true}), Fate::queued);
  const PriRecord r = rig.page_requests().at(0);
  EXPECT_EQ(r.get(PriRecord::SSV) | r.get(PriRecord::X) | r.get(PriRecord::Priv) | r.get(PriRecord::Last), 0u);
  EXPECT_EQ(r.get(PriRecord::W), 1u);
}

TEST_F(PriQ, AStopMarkerIsARecordOfItsOwn) {
  EXPECT_EQ(ask({.stream_id = 3, .substream_id = 7, .last = true}), Fate::queued);
  EXPECT_TRUE(arch::is_stop_marker(rig.page_requests().at(0)));
}

TEST_F(PriQ, NeitherATSCHKNorEATSMatters) {
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::atschk);
  rig.put_ste(3, Ste{});
  EXPECT_EQ(ask(), Fate::queued);
}

TEST_F(PriQ, WrapsAround) {
  for (unsigned i = 0; i < 11; ++i) {
    EXPECT_EQ(ask(true, static_cast<std::uint16_t>(i)), Fate::queued);
    EXPECT_EQ(rig.page_requests().at(0).get(PriRecord::PRGIndex), i);
  }
  EXPECT_EQ(rig.r32<arch::PRIQ_PROD>(), 3u);
}

// 3.18.2
TEST_F(PriQ, AnEdgeComesWhenTheQueueWasEmpty) {
  EXPECT_EQ(ask(), Fate::queued);
  EXPECT_EQ(ask(), Fate::queued);
  EXPECT_EQ(pulses(), 1u);
  rig.page_requests();
  EXPECT_EQ(ask(), Fate::queued);
  EXPECT_EQ(pulses(), 2u);
}

TEST_F(PriQ, NoEdgeComesWithoutPRIQ_IRQEN) {
  rig.w32<arch::IRQ_CTRL>(0x5);
  EXPECT_EQ(ask(), Fate::queued);
  EXPECT_EQ(pulses(), 0u);
}

TEST_F(PriQ, WithLOAnEdgeComesWithEachLastMessage) {
  lo(true);
  EXPECT_EQ(ask(false), Fate::queued);
  EXPECT_EQ(pulses(), 0u);
  EXPECT_EQ(ask(true), Fate::queued);
  EXPECT_EQ(ask(true), Fate::queued);
  EXPECT_EQ(pulses(), 2u);
}

TEST_F(PriQ, WithLOOneThatTheOverflowDiscardsCountsToo) {
  lo(true);
  fill();
  EXPECT_EQ(ask(false), Fate::lost);
  EXPECT_EQ(pulses(), 4u);
  EXPECT_EQ(ask(true), Fate::lost);
  EXPECT_EQ(pulses(), 5u);
}

// 8.2
TEST_F(PriQ, WhilePRIQENIs0EveryRequestFails) {
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::priqen);
  EXPECT_EQ(ask(false, 5), Fate::refused);
  PageResponse r = response();
  EXPECT_EQ(r.code, PrgResponse::failure);
  EXPECT_EQ(r.stream_id, 3u);
  EXPECT_EQ(r.prg_index, 5u);
  EXPECT_EQ(ask_with(7), Fate::refused);
  r = response();
  EXPECT_EQ(r.code, PrgResponse::failure);
  EXPECT_FALSE(r.substream_id);
  EXPECT_TRUE(rig.page_requests().empty());
}

TEST_F(PriQ, WhileSMMUENIs0EveryRequestFails) {
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::smmuen);
  EXPECT_EQ(ask(), Fate::refused);
  EXPECT_EQ(response().code, PrgResponse::failure);
}

TEST_F(PriQ, AStopMarkerIsNeverAnswered) {
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::priqen);
  EXPECT_EQ(ask({.stream_id = 3, .substream_id = 7, .last = true}), Fate::refused);
  rig.w32<arch::CR0>(AtsRig::all);
  fill();
  EXPECT_EQ(ask({.stream_id = 3, .substream_id = 7, .last = true}), Fate::lost);
  EXPECT_TRUE(rig.ram.responses.empty());
}

TEST_F(PriQ, TheSameBitsWithoutAPASIDAreARequest) {
  rig.w32<arch::CR0>(AtsRig::all & ~AtsRig::priqen);
  EXPECT_EQ(ask({.stream_id = 3, .last = true}), Fate::refused);
  EXPECT_EQ(response().code, PrgResponse::failure);
}

TEST_F(PriQ, AnAbortOfTheWriteIsPRIQ_ABT_ERRAndAFailure) {
  rig.ram.plant(rig.priq);
  EXPECT_EQ(ask(), Fate::refused);
  EXPECT_EQ(response().code, PrgResponse::failure);
  EXPECT_TRUE(rig.gerror_active(arch::GERROR::PRIQ_ABT_ERR.mask));
  EXPECT_EQ(rig.ram.pulses(Wire::global_error), 1u);
  EXPECT_EQ(rig.r32<arch::PRIQ_PROD>(), 0u);
  rig.ram.heal();
  EXPECT_EQ(ask(), Fate::refused) << "until software acknowledges";
  EXPECT_EQ(response().code, PrgResponse::failure);
  rig.w32<arch::GERRORN>(rig.r32<arch::GERROR>());
  EXPECT_EQ(ask(), Fate::queued);
}

TEST_F(PriQ, WithoutPRIEveryRequestIsRefused) {
  Rig other;
  EXPECT_EQ(other.port->request_page({.stream_id = 3, .prg_index = 2}), Fate::refused);
  ASSERT_EQ(other.ram.responses.size(), 1u);
  EXPECT_EQ(other.ram.responses[0].code, PrgResponse::failure);
}

// 8.1
TEST_F(PriQ, OverflowIsEnteredByTheFirstThatFindsNoRoom) {
  fill();
  EXPECT_FALSE(overflow());
  EXPECT_EQ(ask(), Fate::lost);
  EXPECT_TRUE(overflow());
  EXPECT_EQ(ask(), Fate::lost);
  EXPECT_TRUE(overflow()) << "the flag toggles once";
  EXPECT_EQ(rig.smmu->counters().page_requests_lost, 2u);
}

TEST_F(PriQ, NothingIsWrittenUntilTheOverflowIsAcknowledged) {
  fill();
  EXPECT_EQ(ask(), Fate::lost);
  rig.w32<arch::PRIQ_CONS>(2); // room, but no acknowledgement
  EXPECT_EQ(ask(), Fate::lost);
  EXPECT_EQ(rig.page_requests().size(), 4u); // acknowledges
  EXPECT_EQ(ask(), Fate::queued);
  rig.page_requests();
  fill();
  EXPECT_EQ(ask(), Fate::lost);
  EXPECT_TRUE(overflow());
}

TEST_F(PriQ, InOverflowTheLastOfAGroupSucceedsAndOthersAreSilent) {
  fill();
  EXPECT_EQ(ask(false, 6), Fate::lost);
  EXPECT_TRUE(rig.ram.responses.empty());
  EXPECT_EQ(ask(true, 6), Fate::lost);
  const PageResponse r = response();
  EXPECT_EQ(r.code, PrgResponse::success);
  EXPECT_EQ(r.prg_index, 6u);
  EXPECT_EQ(r.stream_id, 3u);
  EXPECT_FALSE(r.substream_id);
}

TEST_F(PriQ, InOverflowPPARDecidesAboutThePASID) {
  fill();
  rig.put_ste(3, rig.bypass_ste());
  EXPECT_EQ(ask_with(7), Fate::lost);
  PageResponse r = response();
  EXPECT_EQ(r.code, PrgResponse::success);
  EXPECT_FALSE(r.substream_id);
  rig.put_ste(3, rig.bypass_ste().set(Ste::PPAR, 1));
  rig.run({arch::cmd::cfgi_ste(3, true)});
  EXPECT_EQ(ask_with(7), Fate::lost);
  r = response();
  EXPECT_EQ(r.code, PrgResponse::success);
  EXPECT_EQ(r.substream_id, 7u);
}

TEST_F(PriQ, InOverflowASilentSTEIsValid) {
  fill();
  rig.put_ste(3, Ste{}.set(Ste::V, 1).set(Ste::PPAR, 1));
  EXPECT_EQ(ask_with(7), Fate::lost);
  EXPECT_EQ(response().substream_id, 7u);
}

TEST_F(PriQ, InOverflowAnSTEThatIsNoGoodFailsTheRequest) {
  for (const bool recorded : {false, true}) {
    AtsRig other;
    other.record_errors(recorded);
    for (unsigned i = 0; i < 5; ++i) {
      other.port->request_page({.stream_id = 5, .address = pri_va, .read = true});
    }
    other.ram.responses.clear();
    const PageRequest request{.stream_id = 3, .substream_id = 7, .address = pri_va, .read = true, .last = true};
    EXPECT_EQ(other.port->request_page(request), Fate::lost);
    ASSERT_EQ(other.ram.responses.size(), 1u);
    EXPECT_EQ(other.ram.responses[0].code, PrgResponse::failure);
    EXPECT_FALSE(other.ram.responses[0].substream_id);
    const auto events = other.events();
    ASSERT_EQ(events.size(), recorded ? 1u : 0u);
    if (recorded) {
      EXPECT_EQ(events[0].get(Event::Type), EventType::C_BAD_STE);
    }
  }
}

TEST_F(PriQ, InOverflowAStreamIDOutOfRangeFails) {
  fill();
  EXPECT_EQ(ask({.stream_id = 64, .substream_id = 7, .read = true, .last = true}), Fate::lost);
  EXPECT_EQ(response().code, PrgResponse::failure);
}

class PriQWithPPS : public PriQ {
protected:
  static Features features() {
    Features f = AtsRig::with_ats();
    f.pri_pasid = true;
    return f;
  }
  PriQWithPPS() : PriQ{features()} {}
};

TEST_F(PriQWithPPS, InOverflowThePASIDComesBackWhateverTheSTESays) {
  fill();
  EXPECT_EQ(ask_with(7), Fate::lost);
  const PageResponse r = response();
  EXPECT_EQ(r.code, PrgResponse::success);
  EXPECT_EQ(r.substream_id, 7u);
  EXPECT_TRUE(rig.events().empty());
}

class PriQWithMsi : public PriQ {
protected:
  static Features features() {
    Features f = AtsRig::with_ats();
    f.msi = true;
    return f;
  }
  PriQWithMsi() : PriQ{features()} {
    rig.w32<arch::IRQ_CTRL>(0);
    rig.w64<arch::PRIQ_IRQ_CFG0>(at);
    rig.w32<arch::PRIQ_IRQ_CFG1>(0x77);
    rig.w32<arch::IRQ_CTRL>(0x7);
  }
  std::uint64_t at = rig.ram.alloc(8);
};

TEST_F(PriQWithMsi, AMessageTellsOfARecord) {
  EXPECT_EQ(ask(), Fate::queued);
  const auto messages = rig.ram.messages();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].access.address, at);
  EXPECT_EQ(messages[0].data, 0x77u);
}

TEST_F(PriQWithMsi, AnAbortedMessageIsMSI_PRIQ_ABT_ERR) {
  rig.ram.plant(at);
  EXPECT_EQ(ask(), Fate::queued);
  EXPECT_TRUE(rig.gerror_active(arch::GERROR::MSI_PRIQ_ABT_ERR.mask));
}

TEST(PriQWithoutSubstreams, APASIDIsNoPASID) {
  Features f = AtsRig::with_ats();
  f.substreamid_bits = 0;
  AtsRig rig{f};
  EXPECT_EQ(rig.port->request_page({.stream_id = 3, .substream_id = 7, .address = pri_va, .last = true}), Fate::queued);
  EXPECT_EQ(rig.page_requests().at(0).get(PriRecord::SSV), 0u);
}

} // namespace
} // namespace sluice::model::test
