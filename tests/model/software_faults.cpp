#include "ats.hpp"

#include <sluice/model/software_faults.hpp>

#include <algorithm>
#include <functional>

namespace sluice::model::test {
namespace {

using namespace arch::cmd;

struct FaultCase {
  SoftwareFault fault{};
  const char* name{};
  std::function<void(AtsRig&)> wrong; // raises it, and no other
  std::function<void(AtsRig&)> right; // the same as the manual has it
};

// Off, invalidated and on again, as 3.11 asks.
void restart(AtsRig& rig, const std::function<void()>& change) {
  rig.w32<arch::CR0>(0);
  change();
  rig.w32<arch::CR0>(AtsRig::all);
}

template <class Base>
void with_base(AtsRig& rig, std::uint64_t base) {
  restart(rig, [&] { rig.w64<Base>(base); });
}

void illegal_in_between(AtsRig& rig, bool still_legal) {
  const Ste good = rig.full(rig.stage1_ste(rig.stage1_stream(5).cd_at));
  const auto use = [&](const Ste& ste) {
    rig.put_ste(5, ste);
    rig.run({cfgi_ste(5, true)});
    std::uint64_t data = 0;
    rig.port->access({.stream_id = 5, .address = 0x1000, .size = 8}, &data);
  };
  use(good);
  use(still_legal ? Ste{good}.set(Ste::Config, arch::SteConfig::abort) : Ste{good}.set(Ste::V, 0));
  use(good);
}

void ats_switched_off(AtsRig& rig, bool invalidated) {
  const auto s = rig.stage1_stream(3);
  rig.put_ste(3, rig.full(rig.stage1_ste(s.cd_at)));
  rig.map(s.tree, 0x1000, 0x10'0000, s1_rw);
  rig.completion({.stream_id = 3, .address = 0x1000});
  if (invalidated) {
    rig.run({atc_inv(3, 0, arch::atc_inv_size_all)});
  }
  rig.put_ste(3, rig.stage1_ste(s.cd_at));
  rig.run({cfgi_ste(3, true)});
  rig.ask({.stream_id = 3, .address = 0x1000});
}

void consume(AtsRig& rig, std::uint32_t cons) {
  rig.put_ste(1, Ste{});
  std::uint64_t data = 0;
  rig.port->access({.stream_id = 1, .address = 0x1000, .size = 8}, &data); // one event
  rig.w32<arch::EVENTQ_CONS>(cons);
}

const FaultCase fault_cases[] = {
    {SoftwareFault::queue_base_unaligned, "QueueBaseUnaligned",
     [](AtsRig& r) { with_base<arch::EVENTQ_BASE>(r, (r.eventq + 32) | r.eventq_log2); },
     [](AtsRig& r) { with_base<arch::EVENTQ_BASE>(r, r.eventq | r.eventq_log2); }},
    {SoftwareFault::stream_table_unaligned, "StreamTableUnaligned",
     [](AtsRig& r) { with_base<arch::STRTAB_BASE>(r, r.strtab + 64); },
     [](AtsRig& r) { with_base<arch::STRTAB_BASE>(r, r.strtab); }},
    {SoftwareFault::guarded_register, "GuardedRegister",
     [](AtsRig& r) { r.w64<arch::STRTAB_BASE>(r.strtab + 0x1'0000); },
     [](AtsRig& r) { r.w64<arch::STRTAB_BASE>(r.strtab); }},
    {SoftwareFault::update_pending, "UpdatePending",
     [](AtsRig& r) {
       Port::Burst busy{*r.port}; // holds up the change of SMMUEN
       r.w32<arch::CR0>(AtsRig::all & ~AtsRig::smmuen);
       r.w32<arch::CR0>(AtsRig::all);
     },
     [](AtsRig& r) {
       Port::Burst busy{*r.port};
       r.w32<arch::CR0>(AtsRig::all & ~AtsRig::smmuen);
       r.w32<arch::CR0>(AtsRig::all & ~AtsRig::smmuen & ~AtsRig::priqen);
     }},
    {SoftwareFault::commands_overrun, "CommandsOverrun",
     [](AtsRig& r) { r.w32<arch::CMDQ_PROD>(r.r32<arch::CMDQ_CONS>() + (1U << r.cmdq_log2) + 1); },
     [](AtsRig& r) { r.run({cfgi_all()}); }},
    {SoftwareFault::consumed_too_much, "ConsumedTooMuch", [](AtsRig& r) { consume(r, 2); },
     [](AtsRig& r) { consume(r, 1); }},
    {SoftwareFault::status_bits_in_index, "StatusBitsInIndex",
     [](AtsRig& r) { r.w32<arch::CMDQ_PROD>(r.r32<arch::CMDQ_CONS>() | 1U << 24); },
     [](AtsRig& r) { r.w32<arch::CMDQ_PROD>(r.r32<arch::CMDQ_CONS>()); }},
    {SoftwareFault::inactive_error_acknowledged, "InactiveErrorAcknowledged",
     [](AtsRig& r) { r.w32<arch::GERRORN>(r.r32<arch::GERRORN>() ^ 1); },
     [](AtsRig& r) { r.w32<arch::GERRORN>(r.r32<arch::GERROR>()); }},
    {SoftwareFault::enabled_uninvalidated, "EnabledUninvalidated",
     [](AtsRig& r) { // the fixture does it as it should be done
       auto made = Smmu::make(AtsRig::with_ats(), observed({}), r.ram, r.sync, r.time);
       ASSERT_TRUE(made.ok());
       r.port.reset();
       r.smmu = std::move(*made);
       r.port = std::make_unique<Port>(*r.smmu);
       r.w64<arch::STRTAB_BASE>(r.strtab);
       r.w32<arch::STRTAB_BASE_CFG>(AtsRig::streams_log2);
       r.w32<arch::CR0>(AtsRig::smmuen);
     },
     [](AtsRig& r) { restart(r, [] {}); }},
    {SoftwareFault::live_entry_illegal, "LiveEntryIllegal", [](AtsRig& r) { illegal_in_between(r, false); },
     [](AtsRig& r) { illegal_in_between(r, true); }},
    {SoftwareFault::ats_off_uninvalidated, "AtsOffUninvalidated", [](AtsRig& r) { ats_switched_off(r, false); },
     [](AtsRig& r) { ats_switched_off(r, true); }},
};

// Enabled in the manual's order.
struct CarefulRig : AtsRig {
  CarefulRig() {
    const std::uint32_t on = r32<arch::CR0>();
    w32<arch::CR0>(on & ~smmuen);
    run({cfgi_all(), tlbi_nsnh_all(), tlbi_el2_all()});
    w32<arch::CR0>(on);
    before = smmu->software_faults();
  }
  // What has been found since.
  std::vector<SoftwareFault> found() {
    std::vector<SoftwareFault> all;
    for (const auto& finding : smmu->software_faults()) {
      const auto old = std::ranges::find(before, finding.what.fault, [](const auto& f) { return f.what.fault; });
      if (old == before.end() || old->count != finding.count) {
        all.push_back(finding.what.fault);
      }
    }
    return all;
  }
  std::vector<SoftwareFinding> before;
};

class EachSoftwareFault : public testing::TestWithParam<FaultCase> {};

TEST_P(EachSoftwareFault, IsNotedAndNothingElse) {
  CarefulRig rig;
  if (GetParam().fault == SoftwareFault::enabled_uninvalidated) {
    rig.before.clear();
  }
  GetParam().wrong(rig);
  EXPECT_EQ(rig.found(), std::vector{GetParam().fault});
}

TEST_P(EachSoftwareFault, IsNotNotedOfSoftwareThatDoesItRight) {
  CarefulRig rig;
  GetParam().right(rig);
  EXPECT_TRUE(rig.found().empty());
}

INSTANTIATE_TEST_SUITE_P(Each, EachSoftwareFault, testing::ValuesIn(fault_cases),
                         [](const auto& info) { return std::string{info.param.name}; });

TEST(SoftwareFaults, HaveACaseEach) {
  EXPECT_EQ(std::size(fault_cases), software_faults.size());
  for (std::size_t i = 0; i < software_faults.size(); ++i) {
    EXPECT_EQ(fault_cases[i].fault, software_faults[i].fault);
  }
}

// 5.4 V: that is how a SubstreamID looks to which nothing is attached. Without one the stream itself has lost its CD.
TEST(SoftwareFaults, ASubstreamIDThatIsUnusedForAWhileIsNone) {
  for (const std::uint32_t ssid : {0U, 3U}) {
    CarefulRig rig;
    const Tree tree = rig.tree();
    rig.map(tree, 0x1000, 0x10'0000, s1_rw);
    const std::uint64_t table = rig.ram.alloc(64 * 16, 64 * 16);
    rig.put_ste(5, rig.stage1_ste(table).set(Ste::S1CDMax, 4).set(Ste::S1DSS, arch::S1Dss::cd0));
    const auto use = [&](const arch::Cd& cd) {
      rig.put(table + ssid * 64, cd);
      rig.run({cfgi_cd_all(5), cfgi_ste(5, true)});
      std::uint64_t data = 0;
      const auto substream = ssid != 0 ? std::optional{ssid} : std::nullopt;
      rig.port->access({.stream_id = 5, .substream_id = substream, .address = 0x1000, .size = 8}, &data);
    };
    use(rig.cd(tree));
    use({});
    use(rig.cd(tree));
    EXPECT_EQ(rig.found().empty(), ssid != 0);
  }
}

TEST(SoftwareFaults, SayWhereTheyWereAndHowOften) {
  CarefulRig rig;
  rig.w64<arch::CMDQ_BASE>(0x1000);
  rig.w64<arch::STRTAB_BASE>(0x1000);
  const auto found = rig.smmu->software_faults();
  const auto guarded =
      std::ranges::find(found, SoftwareFault::guarded_register, [](const auto& f) { return f.what.fault; });
  ASSERT_NE(guarded, found.end());
  EXPECT_EQ(guarded->count, 2u);
  EXPECT_EQ(guarded->latest, arch::STRTAB_BASE::offset);
}

} // namespace
} // namespace sluice::model::test
