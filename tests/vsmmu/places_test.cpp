#include "rig.hpp"

#include <sluice/arch/l1.hpp>

// Queues and tables where a guest has no memory, where it ends, between what they are aligned to, and on top of each
// other.
namespace sluice::vsmmu::test {
namespace {

using namespace arch;

class Places : public Rig {
protected:
  static constexpr std::uint64_t end = ram + (1 << 20);
  // Without memory: behind it, before it, at 0, and the last that an address of 44 bits can say.
  static constexpr std::array<std::uint64_t, 4> nowhere{end, ram - 0x10000, 0, (1ULL << 44) - 0x10000};

  void SetUp() override {
    Rig::SetUp();
    add();
    place_queues();
  }
  void produce(std::uint32_t count) { set<CMDQ_PROD>(count); }
  std::uint32_t recorded() const { return queue_index(get<EVENTQ_PROD>().raw(), eventq_log2); }
  Event event_at(std::uint64_t base, std::uint32_t n) const {
    Event e;
    std::memcpy(e.w.data(), &memory.bytes[base - ram + event_size * n], event_size);
    return e;
  }
};

TEST_F(Places, ACommandQueueWithoutMemoryIsCerrorAbtAtItsFirstCommand) {
  for (const std::uint64_t at : nowhere) {
    for (const std::uint64_t below_alignment : {0ULL, 32ULL, 0xfe0ULL}) {
      enable(0);
      acknowledge();
      set<CMDQ_CONS>(0);
      produce(0);
      set<CMDQ_BASE>(at | below_alignment | cmdq_log2);
      enable();
      produce(3);
      EXPECT_TRUE(stopped()) << at;
      EXPECT_EQ(command_error(), Cerror::ABT);
      EXPECT_EQ(consumed(), 0U);
    }
  }
  EXPECT_EQ(smmu->counters().commands, 0U);
}

TEST_F(Places, ACommandQueueThatReachesOutOfMemoryStopsWhereThatEnds) {
  memory.bytes.resize((1 << 20) - 0x800); // 128 of its 256 commands
  set<CMDQ_BASE>((end - 0x1000) | cmdq_log2);
  for (std::uint64_t n = 0; n < 128; ++n) {
    const Command c = cmd::tlbi_nh_asid(0, 1);
    memory.write(end - 0x1000 + 16 * n, c.w.data(), sizeof c.w);
  }
  enable();
  produce(200);
  EXPECT_EQ(command_error(), Cerror::ABT);
  EXPECT_EQ(consumed(), 128U);
  EXPECT_EQ(invalidated().size(), 128U + 1) << "those before it, and the probe of the vIOMMU, have been executed";
}

TEST_F(Places, TheLastPageOfMemoryIsAPlaceAsAnyOther) {
  set<CMDQ_BASE>((end - 0x1000) | cmdq_log2);
  const Command sync = cmd::sync();
  memory.write(end - 0x1000 + 16 * 255, sync.w.data(), sizeof sync.w);
  set<CMDQ_CONS>(255);
  produce(255);
  enable();
  produce(256);
  EXPECT_FALSE(stopped());
  EXPECT_EQ(consumed(), 256U);
}

TEST_F(Places, AnEventQueueWithoutMemoryIsAnErrorOnceAndTheEventIsLost) {
  put_ste(sid, config_ste(SteConfig::stage2)); // C_BAD_STE whenever it is read
  for (const std::uint64_t at : nowhere) {
    enable(0);
    acknowledge();
    set<EVENTQ_BASE>(at | 64 | eventq_log2);
    const auto before = get<EVENTQ_PROD>().raw();
    const auto discarded = smmu->counters().events_discarded;
    enable();
    EXPECT_TRUE(error_active(GERROR::EVENTQ_ABT_ERR.mask)) << at;
    EXPECT_EQ(get<EVENTQ_PROD>().raw(), before);
    EXPECT_EQ(smmu->counters().events_discarded, discarded + 1);
    send({cmd::cfgi_ste(sid, true), cmd::sync()});
    EXPECT_FALSE(stopped()) << "commands go on";
    EXPECT_EQ(smmu->counters().events_discarded, discarded + 2)
        << "7.2.2: nothing is written before it is acknowledged";
  }
}

TEST_F(Places, AnEventQueueThatReachesOutOfMemoryHasWhatFits) {
  memory.bytes.resize((1 << 20) - 0x80); // 4 of its 8 records
  set<EVENTQ_BASE>((end - 0x100) | eventq_log2);
  put_ste(sid, config_ste(SteConfig::stage2));
  enable();
  for (int n = 1; n < 6; ++n) {
    send({cmd::cfgi_ste(sid, true)});
  }
  EXPECT_EQ(recorded(), 4U);
  EXPECT_TRUE(error_active(GERROR::EVENTQ_ABT_ERR.mask));
  EXPECT_EQ(event_at(end - 0x100, 3).get(Event::Type), EventType::C_BAD_STE);
}

TEST_F(Places, AStreamTableWithoutMemoryIsFSteFetchOfTheEntry) {
  for (const std::uint64_t at : nowhere) {
    enable(0);
    set<STRTAB_BASE>(at | 0x40); // 6.3.24: below its alignment
    set<EVENTQ_CONS>(get<EVENTQ_PROD>().raw());
    const auto n = recorded();
    enable();
    const Event e = event_at(events, n);
    EXPECT_EQ(e.get(Event::Type), EventType::F_STE_FETCH) << at;
    EXPECT_EQ(e.get(Event::StreamID), sid);
    EXPECT_EQ(e.get(Event::FetchAddr), at + 64 * sid);
    EXPECT_EQ(smmu->place_of(sid), Place::abort);
  }
}

TEST_F(Places, ASecondLevelTableWithoutMemoryIsToo) {
  set(STRTAB_BASE_CFG{}
          .with(STRTAB_BASE_CFG::LOG2SIZE, 16)
          .with(STRTAB_BASE_CFG::SPLIT, 6)
          .with(STRTAB_BASE_CFG::FMT, StreamTableFormat::two_level));
  for (const std::uint64_t at : nowhere) {
    enable(0);
    const L1Std l1 = L1Std{}.with(L1Std::Span, 7).with(L1Std::L2Ptr, at);
    memory.write(table, l1.w.data(), 8);
    set<EVENTQ_CONS>(get<EVENTQ_PROD>().raw());
    const auto n = recorded();
    enable();
    EXPECT_EQ(event_at(events, n).get(Event::Type), EventType::F_STE_FETCH) << at;
    EXPECT_EQ(event_at(events, n).get(Event::FetchAddr), at + 64 * sid);
  }
}

// 3.4.3: an address that the host's table takes, whatever is there; one that is too large is no STE.
TEST_F(Places, CdsWithoutMemoryAreTheHostsToMiss) {
  enable();
  for (const std::uint64_t at : nowhere) {
    put_ste(sid, stage1_ste(at));
    send({cmd::cfgi_ste(sid, true), cmd::sync()});
    EXPECT_EQ(smmu->place_of(sid), Place::stage1) << at;
    EXPECT_EQ(kernel.nested.at(kernel.attached[device])[0] & Ste::S1ContextPtr.mask, at);
  }
  const auto n = recorded();
  put_ste(sid, stage1_ste(1ULL << 44));
  send({cmd::cfgi_ste(sid, true), cmd::sync()});
  EXPECT_EQ(smmu->place_of(sid), Place::abort);
  EXPECT_EQ(event_at(events, n).get(Event::Type), EventType::C_BAD_STE);
}

TEST_F(Places, AllOnTopOfEachOtherHasAnEnd) {
  set<CMDQ_BASE>(table | cmdq_log2);
  set<EVENTQ_BASE>(table | eventq_log2);
  put_ste(sid, config_ste(SteConfig::stage2));
  enable();
  for (std::uint32_t n = 0; n < 1U << (cmdq_log2 + 1); ++n) {
    produce(n);
    acknowledge();
    set<EVENTQ_CONS>(get<EVENTQ_PROD>().raw());
  }
  enable(0);
  place_queues();
  acknowledge();
  set<CMDQ_CONS>(0);
  produce(produced = 0);
  enable();
  send({cmd::tlbi_nsnh_all(), cmd::sync()});
  EXPECT_EQ(consumed(), 2U) << "a guest that comes to its senses has its SMMU";
}

// 8: without PRI there is no such queue to misplace.
TEST_F(Places, ThereIsNoPriQueue) {
  for (const std::uint32_t offset : {PRIQ_BASE::offset, PRIQ_IRQ_CFG0::offset}) {
    smmu->write(offset, 8, ~0ULL);
    EXPECT_EQ(smmu->read(offset, 8), 0U);
  }
  for (const std::uint32_t offset : {PRIQ_PROD::offset, PRIQ_CONS::offset}) {
    smmu->write(offset, 4, ~0U);
    EXPECT_EQ(smmu->read(offset, 4), 0U);
  }
}

TEST_F(Places, AMessageWithoutMemoryIsAnErrorOfItsOwn) {
  enable();
  interrupts.aborts = true;
  send({cmd::sync_msi(end, 5)});
  EXPECT_EQ(consumed(), 1U) << "7.5: it is complete all the same";
  EXPECT_TRUE(error_active(GERROR::MSI_CMDQ_ABT_ERR.mask));
}

} // namespace
} // namespace sluice::vsmmu::test
