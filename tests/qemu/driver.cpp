#include <ports/qemu/rig.hpp>
#include <ports/qemu/scenario.hpp>
#include <sluice/arch/commands.hpp>
#include <sluice/arch/registers_queue.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>

// The driver on stock QEMU's SMMUv3, which nobody here wrote.
namespace sluice::ports::qemu {
namespace {

using ::testing::Each;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Lets the SMMU see a command that does nothing in the place of each that `drops` names.
class Forgetful final : public platform::Mmio {
public:
  explicit Forgetful(Machine& machine) : machine_{machine} {}

  std::uint32_t read32(std::uint32_t offset) override { return machine_.frame.read32(offset); }
  std::uint64_t read64(std::uint32_t offset) override { return machine_.frame.read64(offset); }
  void write64(std::uint32_t offset, std::uint64_t value) override {
    base_ = offset == arch::CMDQ_BASE::offset ? arch::CMDQ_BASE::from(value) : base_;
    machine_.frame.write64(offset, value);
  }
  void write32(std::uint32_t offset, std::uint32_t value) override {
    if (offset == arch::CMDQ_PROD::offset) {
      const auto mask = (2U << base_.get(arch::CMDQ_BASE::LOG2SIZE)) - 1;
      for (; drops && prod_ != (value & mask); prod_ = (prod_ + 1) & mask) {
        change(prod_ & (mask >> 1));
      }
      prod_ = value & mask;
    }
    machine_.frame.write32(offset, value);
  }

  std::function<bool(arch::Opcode)> drops;
  unsigned dropped{};

private:
  void change(std::uint32_t index) {
    auto& command = *static_cast<arch::Command*>(*machine_.virt.ram().at(
        base_.get(arch::CMDQ_BASE::ADDR) + index * sizeof(arch::Command), sizeof(arch::Command)));
    if (drops(command.get(arch::Command::Opcode))) {
      command = arch::cmd::prefetch_config(0);
      ++dropped;
    }
  }

  Machine& machine_;
  arch::CMDQ_BASE base_{};
  std::uint32_t prod_{};
};

bool is_tlbi(arch::Opcode op) { return op >= arch::Opcode::CMD_TLBI_NH_ALL && op <= arch::Opcode::CMD_TLBI_NSNH_ALL; }
bool is_cfgi(arch::Opcode op) { return op >= arch::Opcode::CMD_CFGI_STE && op <= arch::Opcode::CMD_CFGI_CD_ALL; }

struct OnQemu : ::testing::TestWithParam<iommu::Stage> {
  void SetUp() override {
    ASSERT_EQ(text(rig.take(frame)), "ok");
    ASSERT_EQ(text(rig.add_edu()), "ok");
    const auto& c = rig.smmu->capabilities();
    if (!(GetParam() == iommu::Stage::first ? c.stage1 : c.stage2)) {
      GTEST_SKIP() << "this QEMU's SMMU has no such stage";
    }
  }
  void TearDown() override {
    EXPECT_EQ(text(rig.give_back()), "ok");
    EXPECT_EQ(rig.machine.virt.failure(), "");
  }
  iommu::Domain& domain() { return *rig.domain(GetParam()).value(); }
  // A domain that maps both windows and is the device's.
  iommu::Domain& attached_domain() {
    auto& made = domain();
    EXPECT_TRUE(in.map(made, iommu::prot::read));
    EXPECT_TRUE(out.map(made, iommu::prot::read_write));
    EXPECT_TRUE(rig.device->attach(made));
    return made;
  }
  // What the device's write of `value` to `iova` leaves in the window's first byte.
  int after_write(const Window& window, std::uint8_t value) {
    in.fill(value);
    window.fill(0);
    EXPECT_EQ(text(rig.transfer(in.iova(), window.iova(), 16)), "ok");
    rig.interrupts();
    return window.at(0);
  }

  Rig rig;
  Forgetful frame{rig.machine};
  Window in{rig.machine, 0x1000'0000};
  Window out{rig.machine, 0x2000'0000};
};

INSTANTIATE_TEST_SUITE_P(EachStage, OnQemu, ::testing::Values(iommu::Stage::first, iommu::Stage::second),
                         [](auto& i) { return i.param == iommu::Stage::first ? "Stage1" : "Stage2"; });

TEST_P(OnQemu, WithoutADomainTheDeviceReachesNothing) {
  out.fill(7);
  ASSERT_TRUE(rig.edu->deliver(0, out.pa(0), 64));
  EXPECT_EQ(out.at(0), 7);
}

TEST_P(OnQemu, BytesMoveBothWaysThroughAPagingDomain) {
  attached_domain();
  EXPECT_EQ(rig.move(in, out, 0, 16), "");
  EXPECT_EQ(rig.move(in, out, 0xff8, 16), ""); // across two pages that are not neighbours in memory
  EXPECT_EQ(rig.move(in, out, 0x800, Edu::room), "");
  EXPECT_THAT(rig.faults.seen(), SizeIs(0));
}

TEST_P(OnQemu, AnotherDomainMakesTheSameAddressesMeanOtherPages) {
  attached_domain();
  ASSERT_EQ(rig.move(in, out, 0, 16), "");
  auto& other = domain();
  const Window in2{rig.machine, in.iova()};
  const Window out2{rig.machine, out.iova()};
  ASSERT_TRUE(in2.map(other, iommu::prot::read));
  ASSERT_TRUE(out2.map(other, iommu::prot::read_write));
  const auto change = rig.device->replace(other, {}, {.require_hitless = true});
  ASSERT_EQ(text(change), "ok");
  EXPECT_TRUE(change->hitless);
  out.fill(0x77);
  EXPECT_EQ(rig.move(in2, out2, 0, 16), "");
  EXPECT_EQ(out.at(0), 0x77);
}

TEST_P(OnQemu, IdentityAndAPagingDomainTakeEachOthersPlaceWithoutAGap) {
  auto& paging = attached_domain();
  for (int turn = 0; turn < 3; ++turn) {
    const auto there = rig.device->replace(rig.smmu->identity(), {}, {.require_hitless = true});
    ASSERT_EQ(text(there), "ok");
    in.fill(9);
    out.fill(0);
    ASSERT_EQ(text(rig.transfer(in.pa(1), out.pa(1), 16)), "ok");
    EXPECT_EQ(out.at(Window::page), 9);
    const auto back = rig.device->replace(paging, {}, {.require_hitless = true});
    ASSERT_EQ(text(back), "ok");
    EXPECT_TRUE(there->hitless && back->hitless);
    EXPECT_EQ(rig.move(in, out, 0xff8, 16), "");
  }
}

TEST_P(OnQemu, AnUnmappedPageFaultsWithStreamIDAndAddress) {
  auto& paging = attached_domain();
  ASSERT_EQ(rig.move(in, out, 0, 16), ""); // QEMU's TLB now holds both
  ASSERT_TRUE(out.unmap(paging));
  EXPECT_EQ(after_write(out, 5), 0);
  ASSERT_THAT(rig.faults.seen(), Not(SizeIs(0)));
  const auto& fault = rig.faults.seen().front();
  EXPECT_EQ(fault.kind, iommu::FaultKind::translation);
  EXPECT_EQ(fault.requester, rig.function->rid());
  EXPECT_EQ(fault.device, rig.device);
  EXPECT_EQ(fault.domain, &paging);
  EXPECT_EQ(fault.iova, out.iova());
  EXPECT_TRUE(fault.write);
}

TEST_P(OnQemu, AWriteToAPageMappedForReadingIsAPermissionFault) {
  attached_domain();
  in.fill(3);
  ASSERT_TRUE(rig.edu->deliver(0, in.iova() + 8, 4));
  rig.interrupts();
  ASSERT_THAT(rig.faults.seen(), Not(SizeIs(0)));
  EXPECT_THAT(rig.faults.seen(), Each(Field(&iommu::Fault::kind, iommu::FaultKind::permission)));
  EXPECT_EQ(rig.faults.seen().front().iova, in.iova() + 8);
  EXPECT_EQ(in.at(8), 3);
}

TEST_P(OnQemu, EventsArriveByTheWiredInterrupt) {
  auto& paging = attached_domain();
  ASSERT_TRUE(out.unmap(paging));
  ASSERT_TRUE(rig.edu->deliver(0, out.iova(), 4));
  EXPECT_TRUE(rig.machine.irq.pending(map::event_queue));
  EXPECT_THAT(rig.faults.seen(), SizeIs(0));
  rig.interrupts();
  EXPECT_THAT(rig.faults.seen(), Not(SizeIs(0)));
  EXPECT_FALSE(rig.machine.irq.pending(map::event_queue));
}

// QEMU tells a full queue as an abort of the record's write (GERROR.EVENTQ_ABT_ERR), not by EVENTQ_PROD.OVFLG (7.4).
TEST_P(OnQemu, MoreEventsThanTheQueueHoldsAreReportedAsLost) {
  auto& paging = attached_domain();
  ASSERT_TRUE(out.unmap(paging));
  // Each beat of 4 bytes is a record.
  ASSERT_TRUE(rig.edu->deliver(0, out.iova(), Edu::room));
  ASSERT_TRUE(rig.edu->deliver(0, out.iova(), Edu::room));
  EXPECT_TRUE(rig.machine.irq.pending(map::global_error));
  rig.interrupts();
  const auto counters = rig.smmu->counters();
  EXPECT_NE(counters.event_overflows + counters.global_errors, 0U);
  EXPECT_EQ(rig.faults.total(), 1U << rig.smmu->config().event_queue_log2);
  rig.faults.clear();
  ASSERT_TRUE(rig.edu->deliver(0, out.iova(), 4));
  rig.interrupts();
  EXPECT_THAT(rig.faults.seen(), SizeIs(1));
}

TEST_P(OnQemu, AnIllegalCommandIsToldToItsSenderAndTheNextIsExecuted) {
  attached_domain();
  arch::Command nonsense;
  nonsense.set(arch::Command::Opcode, static_cast<arch::Opcode>(0xff));
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT_EQ(rig.smmu->submit(std::array{nonsense}), base::Errc::illegal_command);
    EXPECT_EQ(text(rig.smmu->submit(std::array{arch::cmd::cfgi_all(), arch::cmd::tlbi_nsnh_all()})), "ok");
  }
  rig.interrupts();
  EXPECT_FALSE(rig.smmu->failed());
  EXPECT_EQ(rig.move(in, out, 0, 16), "");
}

TEST_P(OnQemu, CommandsGoAroundTheQueueManyTimes) {
  attached_domain();
  const auto before = rig.smmu->counters();
  for (int turn = 0; turn < 1500; ++turn) {
    ASSERT_EQ(text(rig.smmu->submit(std::array{arch::cmd::tlbi_nsnh_all()})), "ok");
  }
  EXPECT_EQ(rig.smmu->counters().commands - before.commands, 3000U);
  EXPECT_EQ(rig.smmu->counters().syncs - before.syncs, 1500U);
}

TEST_P(OnQemu, AStaleTranslationServesUntilItIsInvalidated) {
  auto& paging = attached_domain();
  ASSERT_EQ(rig.move(in, out, 0, 16), "");
  frame.drops = is_tlbi;
  ASSERT_TRUE(out.unmap(paging));
  frame.drops = {};
  ASSERT_NE(frame.dropped, 0U);
  EXPECT_EQ(after_write(out, 5), 5);
  ASSERT_TRUE(rig.smmu->submit(std::array{arch::cmd::tlbi_nsnh_all()}));
  EXPECT_EQ(after_write(out, 6), 0);
}

TEST_P(OnQemu, AStaleConfigurationServesUntilItIsInvalidated) {
  attached_domain();
  ASSERT_EQ(rig.move(in, out, 0, 16), "");
  frame.drops = is_cfgi;
  ASSERT_TRUE(rig.device->replace(rig.smmu->blocked()));
  frame.drops = {};
  ASSERT_NE(frame.dropped, 0U);
  EXPECT_EQ(after_write(out, 5), 5);
  ASSERT_TRUE(rig.smmu->submit(std::array{arch::cmd::cfgi_all()}));
  EXPECT_EQ(after_write(out, 6), 0);
}

struct Demo : ::testing::Test {
  static std::string wrong(const Report& report) {
    std::string all;
    for (const auto& check : report.checks) {
      all += check.passed() ? "" : check.name + ": " + check.seen + ", not " + check.expected + "\n";
    }
    return all;
  }
};

TEST_F(Demo, TheScenarioPasses) {
  std::size_t told = 0;
  const auto report = run_on_qemu({.rounds = 30}, [&](const Check&) { ++told; });
  EXPECT_EQ(wrong(report), "");
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.checks.back().name, "QEMU is well");
  EXPECT_EQ(told, report.checks.size());
  EXPECT_GT(report.changes, 30U);
  EXPECT_GT(report.bytes, 30U * 256);
  EXPECT_GT(report.counters.syncs, 30U);
  EXPECT_GT(report.faults, 0U);
}

TEST_F(Demo, TheScenarioNamesWhatAForgottenInvalidationBreaks) {
  std::optional<Forgetful> frame;
  const auto report = run_on_qemu({.rounds = 5, .frame = [&](Machine& machine) -> platform::Mmio& {
                                     frame.emplace(machine).drops = is_tlbi;
                                     return *frame;
                                   }});
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.checks.back().name, "what was unmapped stays untouched");
  EXPECT_THAT(report.checks.back().seen, StartsWith("0x")); // the byte that the device wrote
  EXPECT_EQ(wrong(report).find('\n'), wrong(report).size() - 1) << wrong(report);
}

TEST_F(Demo, WithoutQemuTheScenarioFailsAndSaysWhatToInstall) {
  const auto report = run_on_qemu({.virt = {.binary = "qemu-of-nobody"}});
  EXPECT_FALSE(report.passed());
  EXPECT_THAT(wrong(report), HasSubstr("qemu-system-arm"));
}

} // namespace
} // namespace sluice::ports::qemu
