#include "fake_function.hpp"
#include "guest.hpp"
#include "states.hpp"

#include <sluice/driver/atc.hpp>

// 3.9.2 and rule 3: when endpoints may cache translations, in which order that is turned on and off, and who is told of
// what. Numbers are those of the patches of the series that a rule comes from.
namespace sluice::test {
namespace {

using arch::Command;
using arch::Eats;
using arch::Opcode;
using arch::Ste;
using iommu::Stage;
using iommu::Target;
using Trace = std::vector<std::string>;

// A machine that writes down, in order, what STEs say when commands are consumed, ATC invalidations and PCI ATS.
struct AtsWorld {
  explicit AtsWorld(std::initializer_list<StreamID> sids = {0x10}) : all{sids} {
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::ATS, 1));
    PasidMachine::give_substreams(m.fake);
    EXPECT_TRUE(m.start());
    auto added = m.smmu->add(&function, all);
    EXPECT_TRUE(added.ok());
    device = static_cast<driver::SmmuDevice*>(*added);
    m.devices.insert(device);
    function.on_ats = [this](bool on) {
      EXPECT_TRUE(!on || eats()) << "PCI ATS on implies EATS on";
      trace.emplace_back(on ? "ATS on" : "ATS off");
    };
    m.fake.on_command = [this](const Command& c) { note(c); };
  }
  bool eats() {
    const Ste ste = *m.ste(all.front());
    return arch::translates_stage1(ste.get(Ste::Config)) || arch::translates_stage2(ste.get(Ste::Config))
               ? ste.get(Ste::EATS) == Eats::full
               : false;
  }
  void note(const Command& c) {
    switch (c.get(Command::Opcode)) {
    case Opcode::CMD_CFGI_STE:
    case Opcode::CMD_CFGI_STE_RANGE:
    case Opcode::CMD_CFGI_CD:
    case Opcode::CMD_CFGI_CD_ALL:
      EXPECT_TRUE(!function.ats() || eats()) << "at no instant PCI ATS is on and EATS off";
      return put(eats() ? "CFGI with EATS" : "CFGI");
    case Opcode::CMD_ATC_INV: {
      const std::string before = trace.empty() ? "SYNC" : trace.back();
      EXPECT_TRUE(before == "SYNC" || before == "ATS off" || before.starts_with("ATC"))
          << "an endpoint may ask again at once: what came before is complete";
      std::string s = "ATC " + std::to_string(c.get(Command::StreamID));
      s += c.get(Command::SSV) == 1 ? " " + std::to_string(c.get(Command::SubstreamID)) : "";
      s += c.get(Command::Size) == 52
               ? " all"
               : " " + std::to_string(c.get(Command::Address)) + "+" + std::to_string(c.get(Command::Size));
      return put(s);
    }
    case Opcode::CMD_SYNC:
      return put("SYNC");
    default:
      return put("TLBI");
    }
  }
  // What is the same as before is not written again.
  void put(const std::string& what) {
    if (trace.empty() || trace.back() != what) {
      trace.push_back(what);
    }
  }
  Trace take() { return std::exchange(trace, {}); }
  driver::PagingDomain& mapped(Stage stage = Stage::first) {
    auto& domain = m.paging(stage);
    EXPECT_TRUE(domain.map(0x100000, 0x40000000, 0x100000, iommu::prot::read_write).ok());
    return domain;
  }

  std::vector<StreamID> all;
  Trace trace;
  FakeFunction function;
  Machine m;
  driver::SmmuDevice* device{};
};
struct AtsOf : testing::Test, AtsWorld {};
struct AtsOfTwoStreams : testing::Test, AtsWorld {
  AtsOfTwoStreams() : AtsWorld{{0x10, 0x210}} {}
};

// 14
TEST_F(AtsOf, AnEndpointIsTurnedOnAfterTheSteIsKnownAndItsCacheIsEmpty) {
  for (const auto stage : {Stage::first, Stage::second}) {
    auto& domain = m.paging(stage);
    trace.clear();
    ASSERT_TRUE(device->attach(domain).ok());
    EXPECT_EQ(take(), (Trace{"CFGI", "SYNC", "CFGI with EATS", "SYNC", "ATC 16 all", "SYNC", "ATS on"}));
    EXPECT_TRUE(function.ats());
    EXPECT_EQ(function.stu(), 0U) << "4 KB";
    ASSERT_TRUE(device->detach().ok());
  }
}

// 14, as 3.9.2 has it: no new entry can be made before the old ones go, and all that before EATS is 0.
TEST_F(AtsOf, AnEndpointIsTurnedOffAndEmptiedBeforeTheSteSaysSo) {
  for (iommu::Domain* to : {&m.smmu->identity(), &m.smmu->blocked()}) {
    ASSERT_TRUE(device->attach(m.paging()).ok());
    trace.clear();
    ASSERT_TRUE(device->replace(*to).ok());
    const auto seen = take();
    ASSERT_GE(seen.size(), 5U);
    EXPECT_EQ((Trace{seen.begin(), seen.begin() + 5}), (Trace{"ATS off", "ATC 16 all", "SYNC", "CFGI", "SYNC"}));
    EXPECT_FALSE(function.ats());
    ASSERT_TRUE(device->detach().ok());
  }
}

// 14
TEST_F(AtsOf, AnEndpointStaysOnBetweenDomainsAndLosesWhatItHadOfTheOld) {
  ASSERT_TRUE(device->attach(m.paging()).ok());
  trace.clear();
  ASSERT_TRUE(device->replace(m.paging(), {}, {.require_hitless = true}).ok());
  EXPECT_EQ(take(), (Trace{"CFGI with EATS", "SYNC", "ATC 16 all", "SYNC", "TLBI", "SYNC"}));
  ASSERT_TRUE(device->replace(m.paging(Stage::second), {}, {.require_hitless = true}).ok());
  EXPECT_EQ(take(), (Trace{"CFGI with EATS", "SYNC", "ATC 16 all", "SYNC", "TLBI", "SYNC"}));
  EXPECT_TRUE(function.ats());
}

// 14, 15, 17: for the PASID alone.
TEST_F(AtsOf, AReplacedPasidsTranslationsGoAndNoOthers) {
  ASSERT_TRUE(device->attach(m.paging()).ok());
  ASSERT_TRUE(device->attach(m.paging(), Target::pasid(3)).ok());
  trace.clear();
  ASSERT_TRUE(device->replace(m.paging(), Target::pasid(3), {.require_hitless = true}).ok());
  EXPECT_EQ(take(), (Trace{"CFGI with EATS", "SYNC", "ATC 16 3 all", "SYNC", "TLBI", "SYNC"}));
  ASSERT_TRUE(device->detach(Target::pasid(3)).ok());
  EXPECT_EQ(take(), (Trace{"CFGI with EATS", "SYNC", "CFGI with EATS", "SYNC", "ATC 16 3 all", "SYNC", "TLBI", "SYNC"}))
      << "6: V, then the rest";
}

// 25, 26: with S1DSS bypass there is ATS, with Config bypass there is none.
TEST_F(AtsOf, AnIdentityRidWithPasidsHasItAndOneWithoutHasNot) {
  ASSERT_TRUE(device->attach(m.smmu->identity()).ok());
  EXPECT_FALSE(function.ats());
  ASSERT_TRUE(device->attach(m.paging(), Target::pasid(1)).ok());
  EXPECT_TRUE(function.ats());
  EXPECT_EQ(m.ste(0x10)->get(Ste::EATS), Eats::full);
  trace.clear();
  ASSERT_TRUE(device->detach(Target::pasid(1)).ok());
  const auto seen = take();
  EXPECT_EQ(seen.front(), "ATS off");
  EXPECT_EQ(seen[1], "ATC 16 all");
  EXPECT_FALSE(function.ats());
}

// 2
TEST_F(AtsOf, AttachingOneDeviceInvalidatesNothingOfAnother) {
  auto& domain = m.paging();
  ASSERT_TRUE(device->attach(domain).ok());
  FakeFunction second;
  const StreamID sid = 0x77;
  auto other = m.smmu->add(&second, {&sid, 1});
  ASSERT_TRUE(other.ok());
  m.devices.insert(*other);
  trace.clear();
  ASSERT_TRUE((*other)->attach(domain).ok());
  for (const auto& step : take()) {
    EXPECT_NE(step.substr(0, 6), "ATC 16");
  }
  ASSERT_TRUE((*other)->detach().ok());
  for (const auto& step : take()) {
    EXPECT_NE(step.substr(0, 6), "ATC 16");
  }
  ASSERT_TRUE(m.remove(**other));
}

// 15; 685ca577b408: exactly who has ATS is told, after changes in both directions too.
TEST_F(AtsOf, AnUnmapTellsEachTargetOfTheDomainOfItsRange) {
  auto& domain = mapped();
  const auto unmap = [&](std::uint64_t iova, std::uint64_t size) {
    trace.clear();
    EXPECT_TRUE(domain.unmap(iova, size).ok());
    return take();
  };
  EXPECT_EQ(unmap(0x1f0000, 0x1000), Trace{}) << "nobody is attached";
  ASSERT_TRUE(device->attach(domain).ok());
  EXPECT_EQ(unmap(0x100000, 0x1000), (Trace{"TLBI", "SYNC", "ATC 16 1048576+0", "SYNC"}));
  ASSERT_TRUE(device->attach(domain, Target::pasid(5)).ok());
  EXPECT_EQ(unmap(0x104000, 0x4000), (Trace{"TLBI", "SYNC", "ATC 16 5 1064960+2", "ATC 16 1064960+2", "SYNC"}));
  ASSERT_TRUE(device->replace(m.smmu->identity()).ok());
  EXPECT_EQ(unmap(0x108000, 0x1000), (Trace{"TLBI", "SYNC", "ATC 16 5 1081344+0", "SYNC"}));
  ASSERT_TRUE(device->detach(Target::pasid(5)).ok());
  EXPECT_EQ(unmap(0x109000, 0x1000), Trace{});
  ASSERT_TRUE(device->replace(domain).ok());
  EXPECT_EQ(unmap(0x10a000, 0x1000), (Trace{"TLBI", "SYNC", "ATC 16 1089536+0", "SYNC"}));
}

TEST_F(AtsOfTwoStreams, EachIsToldAndTurnedOnOnce) {
  auto& domain = mapped();
  ASSERT_TRUE(device->attach(domain).ok());
  trace.clear();
  ASSERT_TRUE(domain.unmap(0x100000, 0x1000).ok());
  EXPECT_EQ(take(), (Trace{"TLBI", "SYNC", "ATC 16 1048576+0", "ATC 528 1048576+0", "SYNC"}));
  ASSERT_TRUE(device->detach().ok());
  const auto seen = take();
  EXPECT_EQ((Trace{seen.begin(), seen.begin() + 4}), (Trace{"ATS off", "ATC 16 all", "ATC 528 all", "SYNC"}));
}

// 1.6: the smallest naturally aligned power of two that covers the range.
TEST(AtcSpans, CoverTheRangeAndAreNoLargerThanTheyMust) {
  EXPECT_EQ(driver::atc_span(0, 0), driver::atc_everything);
  EXPECT_EQ(driver::atc_span(0, ~0ULL), driver::atc_everything);
  EXPECT_EQ(driver::atc_span(~0xfffULL, 0x2000), driver::atc_everything) << "wraps";
  for (const std::uint64_t first : {0ULL, 1ULL, 7ULL, 8ULL, 0x7ffULL, 0x12345ULL, 0xffff'ffffULL}) {
    for (const std::uint64_t pages : {1ULL, 2ULL, 3ULL, 8ULL, 9ULL, 511ULL, 512ULL, 0x10000ULL}) {
      const auto span = driver::atc_span(first << 12, pages << 12);
      const auto within = [&](unsigned size) { return first >> size == (first + pages - 1) >> size; };
      EXPECT_TRUE(within(span.size));
      EXPECT_TRUE(span.size == 0 || !within(span.size - 1));
      EXPECT_EQ(span.address, first >> span.size << span.size << 12);
    }
  }
}

TEST_F(AtsOf, AnEndpointThatDoesNotAnswerIsReportedAndQuarantinedAndNoOther) {
  auto& domain = mapped();
  FakeFunction second;
  const StreamID sid = 0x77;
  auto added = m.smmu->add(&second, {&sid, 1});
  ASSERT_TRUE(added.ok());
  m.devices.insert(*added);
  auto& good = static_cast<driver::SmmuDevice&>(**added);
  ASSERT_TRUE(good.attach(domain).ok());
  ASSERT_TRUE(device->attach(domain).ok());
  // 4.7.3: the SYNC after an invalidation of 0x10 fails once.
  bool asked = false;
  m.fake.judge = [&](const Command& c) {
    const auto opcode = c.get(Command::Opcode);
    asked = asked || (opcode == Opcode::CMD_ATC_INV && c.get(Command::StreamID) == 0x10);
    return opcode == Opcode::CMD_SYNC && std::exchange(asked, false) ? arch::Cerror::ATC_INV_SYNC : arch::Cerror::NONE;
  };
  const auto progress = domain.unmap(0x100000, 0x1000);
  m.fake.judge = {};
  EXPECT_EQ(progress.error(), Errc::atc_timed_out);
  EXPECT_TRUE(device->failed());
  EXPECT_FALSE(good.failed());
  EXPECT_FALSE(function.ats());
  EXPECT_TRUE(second.ats());
  EXPECT_FALSE(m.smmu->failed()) << "the others go on";
  EXPECT_EQ(device->replace(m.smmu->identity()), Errc::device_failed);
  m.smmu->poll();
  EXPECT_EQ(m.ste(0x10)->get(Ste::Config), arch::SteConfig::abort) << "blocked by whoever may wait";
  EXPECT_EQ(m.ste(0x77)->get(Ste::Config), arch::SteConfig::stage1);
  trace.clear();
  EXPECT_TRUE(domain.unmap(0x101000, 0x1000).ok());
  EXPECT_EQ(take(), (Trace{"TLBI", "SYNC", "ATC 119 1052672+0", "SYNC"})) << "the deaf one is not asked again";
  EXPECT_TRUE(m.remove(good));
}

TEST_F(AtsOf, AnEndpointThatDoesNotAnswerInAChangeIsQuarantined) {
  ASSERT_TRUE(device->attach(m.paging()).ok());
  bool asked = false;
  m.fake.judge = [&](const Command& c) {
    asked = asked || c.get(Command::Opcode) == Opcode::CMD_ATC_INV;
    return c.get(Command::Opcode) == Opcode::CMD_SYNC && std::exchange(asked, false) ? arch::Cerror::ATC_INV_SYNC
                                                                                     : arch::Cerror::NONE;
  };
  const auto change = device->replace(m.paging());
  m.fake.judge = {};
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->confirmed);
  EXPECT_TRUE(device->failed());
  EXPECT_FALSE(function.ats());
  EXPECT_FALSE(m.smmu->failed());
  EXPECT_EQ(m.ste(0x10)->get(Ste::Config), arch::SteConfig::abort);
  EXPECT_EQ(m.fake.commands().back().get(Command::Opcode), Opcode::CMD_SYNC) << "and the SMMU knows";
}

// Rule 2: prepare touches no capability.
TEST_F(AtsOf, ARefusedAttachTouchesNoCapability) {
  auto& domain = m.paging();
  const unsigned writes = function.writes;
  m.port.memory.fail(1);
  EXPECT_EQ(device->attach(domain), Errc::no_memory);
  m.port.memory.fail(0);
  EXPECT_EQ(function.writes, writes);
}

TEST_F(AtsOf, PasidsAreEnabledBeforeItAndByTheirCapability) {
  EXPECT_TRUE(function.pasid());
  EXPECT_FALSE(function.ats());
  EXPECT_EQ(device->max_pasids(), 512U);
  ASSERT_TRUE(device->attach(m.paging()).ok());
  ASSERT_TRUE(m.remove(*device));
  EXPECT_FALSE(function.ats());
  EXPECT_FALSE(function.pasid());
}

TEST(AtsWithout, TheSystemsPermissionTheSmmusFeatureOrTheKnobThereIsNone) {
  for (const int lacking : {0, 1, 2, 3}) {
    Machine m;
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::ATS, lacking != 0));
    auto config = Machine::quick();
    config.ats = lacking != 1;
    ASSERT_TRUE(m.start(config));
    FakeFunction function{9, lacking != 3};
    function.allowed = lacking != 2;
    const StreamID sid = 1;
    auto device = m.smmu->add(&function, {&sid, 1});
    ASSERT_TRUE(device.ok());
    ASSERT_TRUE((*device)->attach(m.paging()).ok());
    EXPECT_FALSE(function.ats());
    EXPECT_EQ(m.ste(1)->get(Ste::EATS), Eats::none);
    EXPECT_EQ(m.fake.count(Opcode::CMD_ATC_INV), 0U);
    ASSERT_TRUE(m.smmu->remove(**device));
  }
}

} // namespace
} // namespace sluice::test
