#include "machine.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace sluice::test {
namespace {

using namespace arch;
using driver::Code;
using Kind = FakeSmmu::Seen::Kind;

// Writes and commands in order, as short words.
std::vector<std::string> trace(FakeSmmu& fake) {
  static const std::map<std::uint32_t, std::string> names{{CR0::offset, "CR0"},
                                                          {CR1::offset, "CR1"},
                                                          {CR2::offset, "CR2"},
                                                          {GBPA::offset, "GBPA"},
                                                          {STRTAB_BASE::offset, "STRTAB_BASE"},
                                                          {STRTAB_BASE_CFG::offset, "STRTAB_BASE_CFG"},
                                                          {CMDQ_BASE::offset, "CMDQ_BASE"},
                                                          {CMDQ_PROD::offset, "CMDQ_PROD"},
                                                          {CMDQ_CONS::offset, "CMDQ_CONS"},
                                                          {EVENTQ_BASE::offset, "EVENTQ_BASE"},
                                                          {EVENTQ_PROD::offset, "EVENTQ_PROD"},
                                                          {EVENTQ_CONS::offset, "EVENTQ_CONS"},
                                                          {IRQ_CTRL::offset, "IRQ_CTRL"},
                                                          {GERRORN::offset, "GERRORN"},
                                                          {GERROR_IRQ_CFG0::offset, "GERROR_IRQ_CFG0"},
                                                          {EVENTQ_IRQ_CFG0::offset, "EVENTQ_IRQ_CFG0"}};
  std::vector<std::string> words;
  for (const auto& s : fake.seen()) {
    if (s.kind == Kind::command) {
      switch (s.command.get(Command::Opcode)) {
      case Opcode::CMD_CFGI_STE_RANGE:
        words.push_back(s.command.get(Command::Range) == cfgi_range_all ? "CFGI_ALL" : "CFGI_STE_RANGE");
        break;
      case Opcode::CMD_TLBI_EL2_ALL:
        words.push_back("TLBI_EL2_ALL");
        break;
      case Opcode::CMD_TLBI_NSNH_ALL:
        words.push_back("TLBI_NSNH_ALL");
        break;
      case Opcode::CMD_SYNC:
        words.push_back("SYNC");
        break;
      default:
        words.push_back("?");
      }
    } else if (s.offset == CR0::offset) {
      words.push_back("CR0=" + std::to_string(s.value));
    } else {
      words.push_back(names.contains(s.offset) ? names.at(s.offset) : std::to_string(s.offset));
    }
  }
  std::erase_if(words, [](const auto& w) { return w == "CMDQ_PROD"; }); // a doorbell shows in its commands
  return words;
}

using Words = std::vector<std::string>;

const Words from_off{"CR0=0",     "GERRORN",     "CR1",         "CR2",         "STRTAB_BASE", "STRTAB_BASE_CFG",
                     "CMDQ_BASE", "CMDQ_CONS",   "CR0=8",       "CFGI_ALL",    "SYNC",        "TLBI_NSNH_ALL",
                     "SYNC",      "EVENTQ_BASE", "EVENTQ_PROD", "EVENTQ_CONS", "CR0=12",      "IRQ_CTRL",
                     "CR0=13"};

struct Probe : testing::Test {
  Machine m;
};

TEST_F(Probe, ResetGoesInTheArchitectedOrder) {
  ASSERT_TRUE(m.start());
  EXPECT_EQ(trace(m.fake), from_off);
  EXPECT_TRUE(m.logged(Code::probed));
}

TEST_F(Probe, AnSmmuThatWasOnAbortsTrafficFirst) {
  m.fake.set(CR0{}.with(CR0::SMMUEN, 1));
  ASSERT_TRUE(m.start());
  auto expected = from_off;
  expected.insert(expected.begin(), "GBPA");
  EXPECT_EQ(trace(m.fake), expected);
  EXPECT_EQ(m.fake.get<GBPA>().get(GBPA::ABORT), 1U);
  EXPECT_TRUE(m.logged(Code::was_enabled));
}

TEST_F(Probe, WithHypTheEl2TlbsAreInvalidatedToo) {
  m.fake.id(m.fake.get<IDR0>().with(IDR0::Hyp, 1));
  ASSERT_TRUE(m.start());
  auto expected = from_off;
  expected.insert(std::ranges::find(expected, "TLBI_NSNH_ALL"), {"TLBI_EL2_ALL", "SYNC"});
  EXPECT_EQ(trace(m.fake), expected);
}

TEST_F(Probe, AnErrorLeftByTheOwnerBeforeDoesNotStopTheQueue) {
  m.fake.set(GERROR{}.with(GERROR::CMDQ_ERR, 1));
  EXPECT_TRUE(m.start());
}

TEST_F(Probe, WithMessagesTheirAddressesAreCleared) {
  m.fake.id(m.fake.get<IDR0>().with(IDR0::MSI, 1));
  m.fake.set(EVENTQ_IRQ_CFG0{}.with(EVENTQ_IRQ_CFG0::ADDR, 0x1000));
  ASSERT_TRUE(m.start());
  EXPECT_EQ(m.fake.get<EVENTQ_IRQ_CFG0>().raw(), 0U);
}

TEST_F(Probe, WiredInterruptsAreEnabledBeforeTheSmmu) {
  auto config = Machine::quick();
  config.event_wire = {true, 3};
  config.gerror_wire = {true, 4};
  ASSERT_TRUE(m.start(config));
  EXPECT_EQ(m.fake.get<IRQ_CTRL>().raw(),
            IRQ_CTRL{}.with(IRQ_CTRL::EVENTQ_IRQEN, 1).with(IRQ_CTRL::GERROR_IRQEN, 1).raw());
}

TEST_F(Probe, ALineThatThePortDoesNotHaveIsNamed) {
  auto config = Machine::quick();
  config.event_wire = {true, 9999};
  EXPECT_EQ(m.start(config), Errc::not_found);
  EXPECT_TRUE(m.logged(Code::no_irq));
}

TEST_F(Probe, RegistersDescribeWhatWasAllocated) {
  ASSERT_TRUE(m.start());
  const auto cfg = m.fake.get<STRTAB_BASE_CFG>();
  EXPECT_EQ(cfg.get(STRTAB_BASE_CFG::FMT), StreamTableFormat::two_level);
  EXPECT_EQ(cfg.get(STRTAB_BASE_CFG::LOG2SIZE), 16U);
  EXPECT_EQ(cfg.get(STRTAB_BASE_CFG::SPLIT), 8U);
  EXPECT_EQ(m.fake.get<CMDQ_BASE>().get(CMDQ_BASE::LOG2SIZE), 8U) << "IDR1.CMDQS";
  EXPECT_EQ(m.fake.get<EVENTQ_BASE>().get(EVENTQ_BASE::LOG2SIZE), 7U) << "IDR1.EVENTQS";
}

TEST_F(Probe, WithoutTwoLevelsTheTableIsLinear) {
  m.fake.id(m.fake.get<IDR0>().with(IDR0::ST_LEVEL, StLevel::linear));
  m.fake.id(m.fake.get<IDR1>().with(IDR1::SIDSIZE, 6));
  ASSERT_TRUE(m.start());
  EXPECT_EQ(m.fake.get<STRTAB_BASE_CFG>().get(STRTAB_BASE_CFG::FMT), StreamTableFormat::linear);
  for (StreamID sid = 0; sid < 64; ++sid) {
    EXPECT_EQ(m.ste(sid)->w[0], 1U) << "V=1, Config=0";
  }
}

TEST_F(Probe, OneStreamIdBitIsEnoughForTwoLevels) {
  m.fake.id(m.fake.get<IDR1>().with(IDR1::SIDSIZE, 1));
  ASSERT_TRUE(m.start());
  m.add({1});
  EXPECT_TRUE(m.ste(1));
}

TEST_F(Probe, ShutDownBlocksTrafficBeforeItSwitchesOff) {
  ASSERT_TRUE(m.start());
  m.fake.forget();
  m.smmu.reset();
  EXPECT_EQ(trace(m.fake), (Words{"GBPA", "IRQ_CTRL", "CR0=0"}));
  EXPECT_EQ(m.fake.get<GBPA>().get(GBPA::ABORT), 1U);
}

TEST_F(Probe, NothingIsLeftAllocatedAfterShutDown) {
  const auto before = m.port.memory.counts().live();
  ASSERT_TRUE(m.start());
  ASSERT_TRUE(m.remove(m.add({1, 0x300})));
  m.smmu.reset();
  EXPECT_EQ(m.port.memory.counts().live(), before);
}

struct Refused {
  const char* name;
  void (*change)(FakeSmmu&);
  Errc error;
};
const Refused refused[] = {
    {"no stage", [](FakeSmmu& f) { f.id(f.get<IDR0>().with(IDR0::S1P, 0).with(IDR0::S2P, 0)); }, Errc::bad_hardware},
    {"TTF reserved", [](FakeSmmu& f) { f.id(f.get<IDR0>().with(IDR0::TTF, Ttf::reserved)); }, Errc::bad_hardware},
    {"TTF AArch32", [](FakeSmmu& f) { f.id(f.get<IDR0>().with(IDR0::TTF, Ttf::aarch32)); }, Errc::missing_feature},
    {"TTENDIAN reserved", [](FakeSmmu& f) { f.id(f.get<IDR0>().with(IDR0::TTENDIAN, TtEndian::reserved)); },
     Errc::bad_hardware},
    {"big endian", [](FakeSmmu& f) { f.id(f.get<IDR0>().with(IDR0::TTENDIAN, TtEndian::big)); }, Errc::missing_feature},
    {"STALL_MODEL reserved", [](FakeSmmu& f) { f.id(f.get<IDR0>().with(IDR0::STALL_MODEL, StallModel::reserved)); },
     Errc::bad_hardware},
    {"CMDQS too large", [](FakeSmmu& f) { f.id(f.get<IDR1>().with(IDR1::CMDQS, 20)); }, Errc::bad_hardware},
    {"CMDQS one entry", [](FakeSmmu& f) { f.id(f.get<IDR1>().with(IDR1::CMDQS, 0)); }, Errc::missing_feature},
    {"EVENTQS too large", [](FakeSmmu& f) { f.id(f.get<IDR1>().with(IDR1::EVENTQS, 20)); }, Errc::bad_hardware},
    {"SIDSIZE too large", [](FakeSmmu& f) { f.id(f.get<IDR1>().with(IDR1::SIDSIZE, 33)); }, Errc::bad_hardware},
    {"SSIDSIZE too large", [](FakeSmmu& f) { f.id(f.get<IDR1>().with(IDR1::SSIDSIZE, 21)); }, Errc::bad_hardware},
    {"preset tables", [](FakeSmmu& f) { f.id(f.get<IDR1>().with(IDR1::TABLES_PRESET, 1)); }, Errc::missing_feature},
    {"preset queues", [](FakeSmmu& f) { f.id(f.get<IDR1>().with(IDR1::QUEUES_PRESET, 1)); }, Errc::missing_feature},
    {"BBML reserved", [](FakeSmmu& f) { f.id(f.get<IDR3>().with(IDR3::BBML, Bbml::reserved)); }, Errc::bad_hardware},
    {"VAX reserved", [](FakeSmmu& f) { f.id(f.get<IDR5>().with(IDR5::VAX, Vax::reserved)); }, Errc::bad_hardware},
    {"no granule", [](FakeSmmu& f) { f.id(f.get<IDR5>().with(IDR5::GRAN4K, 0).with(IDR5::GRAN64K, 0)); },
     Errc::bad_hardware},
    {"not version 3", [](FakeSmmu& f) { f.id(f.get<AIDR>().with(AIDR::ArchMajorRev, 1)); }, Errc::missing_feature},
};

TEST(Probing, HardwareThatCannotBeUsedIsRefusedUntouched) {
  for (const auto& r : refused) {
    SCOPED_TRACE(r.name);
    Machine m;
    r.change(m.fake);
    const auto live = m.port.memory.counts().live();
    EXPECT_EQ(m.start(), r.error);
    EXPECT_TRUE(m.fake.seen().empty());
    EXPECT_EQ(m.port.memory.counts().live(), live);
  }
}

// The n-th allocation fails, for all n: the hardware has not been touched, and nothing is leaked.
TEST(Probing, NoMemoryLeavesTheHardwareUntouched) {
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE(n);
    Machine m;
    const auto live = m.port.memory.counts().live();
    m.port.memory.fail(n, hosted::Memory::all - n);
    const auto status = m.start();
    m.port.memory.fail(0);
    if (status.ok()) {
      RecordProperty("succeeds_without_failure_at", static_cast<int>(n));
      EXPECT_GT(n, 8U);
      break;
    }
    EXPECT_EQ(status, Errc::no_memory);
    EXPECT_TRUE(m.fake.seen().empty());
    EXPECT_EQ(m.port.memory.counts().live(), live);
  }
}

TEST(Probing, AShorterQueueIsTakenWhereMemoryIsShort) {
  hosted::PortConfig config;
  Machine m{config};
  m.fake.id(m.fake.get<IDR1>().with(IDR1::CMDQS, 10));
  m.port.memory.fail(3); // Parts, Smmu, then the command queue of 16 KiB
  ASSERT_TRUE(m.start());
  EXPECT_EQ(m.fake.get<CMDQ_BASE>().get(CMDQ_BASE::LOG2SIZE), 9U);
  EXPECT_TRUE(m.logged(Code::queue_shrunk));
}

struct Deaf {
  const char* name;
  std::uint32_t offset;
  unsigned after;
  Code code;
};
const Deaf handshakes[] = {
    {"CR0 off", CR0::offset, 0, Code::cr0_timed_out},
    {"CMDQEN", CR0::offset, 1, Code::cr0_timed_out},
    {"EVENTQEN", CR0::offset, 2, Code::cr0_timed_out},
    {"SMMUEN", CR0::offset, 3, Code::cr0_timed_out},
    {"IRQ_CTRL", IRQ_CTRL::offset, 1, Code::irq_ctrl_timed_out},
    {"GBPA", GBPA::offset, 0, Code::gbpa_timed_out},
};

TEST(Probing, AHandshakeThatFailsIsNamedAndUndone) {
#if defined(__SANITIZE_ADDRESS__)
  const __lsan::ScopedDisabler on_purpose; // some of them cannot be switched off
#endif
  for (const auto& h : handshakes) {
    SCOPED_TRACE(h.name);
    Machine m;
    m.fake.set(CR0{}.with(CR0::SMMUEN, 1));
    m.fake.set(CR0ACK{}.with(CR0ACK::SMMUEN, 1));
    m.fake.deaf_after[h.offset] = h.after;
    auto config = Machine::quick();
    config.timeout_us = 500;
    config.event_wire = {true, 1};
    EXPECT_EQ(m.start(config), Errc::timed_out);
    EXPECT_TRUE(m.logged(h.code));
    EXPECT_EQ(m.fake.get<CR0>().raw(), 0U) << "the last thing written";
  }
}

TEST(Probing, MemoryIsKeptFromAnSmmuThatCannotBeSwitchedOff) {
#if defined(__SANITIZE_ADDRESS__)
  const __lsan::ScopedDisabler on_purpose;
#endif
  Machine m;
  ASSERT_TRUE(m.start());
  m.fake.deaf.insert(CR0::offset);
  const auto live = m.port.arena.live_bytes();
  m.smmu.reset();
  EXPECT_EQ(m.port.arena.live_bytes(), live);
  EXPECT_TRUE(m.logged(Code::tables_held));
}

TEST(Probing, AHungCommandQueueIsAnError) {
  Machine m;
  m.fake.stopped = true;
  EXPECT_EQ(m.start(), Errc::timed_out);
  EXPECT_TRUE(m.logged(Code::sync_timed_out));
  EXPECT_EQ(m.fake.get<CR0>().raw(), 0U);
}

} // namespace
} // namespace sluice::test
