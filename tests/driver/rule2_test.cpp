#include "states.hpp"

#include <cstdio>

// A failed attach changes nothing; what times out inside a change is completed in memory and reported.
namespace sluice::test {
namespace {

using arch::Ste;
using arch::SteConfig;
using driver::Code;
using iommu::Stage;

// Each attach from each state, with a table of CDs of either format.
template <class F>
void each_attach(F f) {
  for (const auto kind : PasidMachine::kinds) {
    for (const DeviceState& state : device_states()) {
      for (const Action& action : attach_actions()) {
        SCOPED_TRACE(state.text() + ": " + action.text() + PasidMachine::name(kind));
        f(state, action, kind);
      }
    }
  }
}

TEST(Rule2, AFailedAllocationChangesNothing) {
  std::uint64_t sweeps = 0;
  std::uint64_t refused = 0;
  std::map<std::uint64_t, int> lengths;
  each_attach([&](const DeviceState& state, const Action& action, PasidMachine::With kind) {
    for (std::uint64_t n = 1;; ++n) {
      SCOPED_TRACE(n);
      PasidMachine c{state, kind};
      const auto before = c.words();
      const auto live = c.m.port.memory.counts();
      const auto users = c.users();
      const auto capabilities = c.function.writes;
      const auto* attached = c.device->attached(action.target);
      c.m.fake.forget();
      c.m.port.memory.fail(n);
      const auto result = c.run(action);
      c.m.port.memory.fail(0);
      if (result.ok()) {
        EXPECT_GE(n, 2U) << "a sweep that injected nothing";
        ++lengths[n];
        ++sweeps;
        break;
      }
      EXPECT_TRUE(c.m.fake.seen().empty()) << "neither register nor command";
      EXPECT_EQ(c.words(), before);
      EXPECT_EQ(c.m.port.memory.counts().live(), live.live());
      EXPECT_EQ(c.m.port.memory.counts().plain_bytes, live.plain_bytes);
      EXPECT_EQ(c.m.port.memory.counts().dma_bytes, live.dma_bytes);
      EXPECT_EQ(c.users(), users);
      EXPECT_EQ(c.function.writes, capabilities);
      EXPECT_EQ(c.device->attached(action.target), attached);
      if (result.error() != Errc::no_memory) { // a combination that is refused, whatever memory there is
        EXPECT_EQ(result.error(), Errc::busy);
        EXPECT_EQ(c.run(action), Errc::busy);
        ++refused;
        break;
      }
      EXPECT_TRUE(n > 1 || c.run(action).ok() || !state.pasids.empty() || state.rid == Where::stage2)
          << "and the next attempt succeeds";
    }
  });
  EXPECT_EQ(sweeps + refused, std::size(PasidMachine::kinds) * device_states().size() * attach_actions().size());
  for (const auto& [n, count] : lengths) {
    std::printf("%d sweeps succeeded when allocation %llu was to fail\n", count, static_cast<unsigned long long>(n));
  }
}

TEST(Rule2, AddingADeviceWithoutMemoryChangesNothing) {
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE(n);
    Machine m;
    ASSERT_TRUE(m.start());
    const auto live = m.port.memory.counts().live();
    m.fake.forget();
    m.port.memory.fail(n);
    const StreamID sids[] = {0x10, 0x210};
    const auto device = m.smmu->add(nullptr, sids);
    m.port.memory.fail(0);
    if (device.ok()) {
      EXPECT_GT(n, 5U);
      EXPECT_TRUE(m.smmu->remove(**device));
      break;
    }
    EXPECT_EQ(device.error(), Errc::no_memory);
    EXPECT_TRUE(m.fake.seen().empty());
    EXPECT_FALSE(m.ste(0x10));
    EXPECT_FALSE(m.ste(0x210));
    EXPECT_EQ(m.port.memory.counts().live(), live);
    m.add({0x10, 0x210});
  }
}

TEST(Rule2, MakingADomainWithoutMemoryLeaksNeitherMemoryNorTag) {
  for (const auto stage : {Stage::first, Stage::second}) {
    for (std::uint64_t n = 1;; ++n) {
      Machine m;
      m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::ASID16, 0).with(arch::IDR0::VMID16, 0));
      ASSERT_TRUE(m.start());
      const auto live = m.port.memory.counts().live();
      m.port.memory.fail(n);
      const auto domain = m.try_paging({.stage = stage});
      m.port.memory.fail(0);
      if (domain.ok()) {
        EXPECT_GE(n, 3U);
        break;
      }
      EXPECT_EQ(m.port.memory.counts().live(), live);
      EXPECT_EQ(m.paging(stage).tag().id, 1U);
    }
  }
}

// The SMMU stops after the n-th command of a change, for all n until nothing is left to stop.
template <class Each>
std::map<std::uint64_t, int> stop_after_each_command(Each each) {
  std::map<std::uint64_t, int> lengths;
  each([&](const DeviceState& state, const Action& action, PasidMachine::With kind) {
    for (std::uint64_t n = 0;; ++n) {
      SCOPED_TRACE(n);
      PasidMachine c{state, kind};
      auto* const to = action.domain != 0 ? c.domains[action.domain] : nullptr;
      c.m.fake.stop_after = c.m.fake.consumed() + n;
      const auto blocks = c.m.port.memory.counts().dma_blocks;
      const auto result = c.run(action);
      if (!result.ok()) {
        EXPECT_EQ(result.error(), action.domain != 0 ? Errc::busy : Errc::not_attached);
        EXPECT_EQ(c.m.fake.consumed() + n, c.m.fake.stop_after);
        return;
      }
      EXPECT_EQ(c.device->attached(action.target), to) << "a time-out in a change is not an error of it";
      if (result->confirmed) {
        EXPECT_FALSE(c.m.smmu->failed());
        ++lengths[n];
        return;
      }
      EXPECT_TRUE(c.m.smmu->failed());
      EXPECT_TRUE(c.m.logged(Code::sync_timed_out));
      EXPECT_TRUE(c.m.logged(Code::device_failed));
      EXPECT_TRUE(c.device->failed());
      EXPECT_FALSE(c.function.ats() || c.function.pri());
      for (const StreamID sid : PasidMachine::sids) {
        EXPECT_EQ(c.m.ste(sid)->get(Ste::Config), SteConfig::abort) << "blocked";
      }
      if (n == 0) {
        EXPECT_GE(c.m.port.memory.counts().dma_blocks, blocks) << "what the SMMU may still read is not reused";
      }
      EXPECT_EQ(c.run({iommu::Target::rid(), 'B'}), Errc::smmu_failed);
      const auto held = c.m.port.memory.counts().dma_blocks;
      if (to != nullptr) {
        EXPECT_TRUE(c.device->detach(action.target).ok()) << "detach cannot fail";
      }
      EXPECT_EQ(c.m.port.memory.counts().dma_blocks, held);
      EXPECT_EQ(c.m.try_paging({}), Errc::smmu_failed);
      // The queue is dead but the SMMU can be switched off, after which everything is freed.
      ASSERT_TRUE(c.m.remove(*c.device));
      EXPECT_EQ(c.m.port.memory.counts().dma_blocks, held);
    }
  });
  return lengths;
}
void print(const std::map<std::uint64_t, int>& lengths) {
  for (const auto& [n, count] : lengths) {
    std::printf("%d sweeps succeeded when the SMMU was to stop after %llu commands\n", count,
                static_cast<unsigned long long>(n));
  }
}

TEST(Rule2, AChangeWhoseWaitRunsOutIsCompletedAndItsDeviceQuarantined) {
  const auto lengths = stop_after_each_command([](auto f) { each_attach(f); });
  EXPECT_GT(lengths.size(), 3U);
  print(lengths);
}

TEST(Rule2, ADetachWhoseWaitRunsOutIsCompletedAndItsDeviceQuarantined) {
  const auto lengths = stop_after_each_command([](auto f) {
    for (const auto kind : PasidMachine::kinds) {
      for (const DeviceState& state : device_states()) {
        for (const Action& action : detach_actions()) {
          SCOPED_TRACE(state.text() + ": " + action.text() + PasidMachine::name(kind));
          f(state, action, kind);
        }
      }
    }
  });
  EXPECT_GT(lengths.size(), 2U);
  print(lengths);
}

TEST(Rule2, ATagWhoseInvalidationWasNotConfirmedIsNotReused) {
  Machine m;
  ASSERT_TRUE(m.start());
  auto& device = m.add({1});
  auto& domain = m.paging();
  ASSERT_TRUE(device.attach(domain).ok());
  m.fake.stop_after = m.fake.consumed() + 2; // CFGI_STE and SYNC of the detach, but not the TLBI
  const auto change = device.detach();
  ASSERT_TRUE(change.ok());
  EXPECT_FALSE(change->confirmed);
  const auto live = m.port.memory.counts().dma_blocks;
  ASSERT_TRUE(m.destroy(domain));
  EXPECT_TRUE(m.logged(Code::tag_retired));
  EXPECT_EQ(m.port.memory.counts().dma_blocks, live) << "its tables may still be walked";
}

TEST(Rule2, AnUnmapWhoseWaitRunsOutSaysSoAndKeepsItsTables) {
  Machine m;
  ASSERT_TRUE(m.start());
  auto& device = m.add({1});
  auto& domain = m.paging();
  ASSERT_TRUE(device.attach(domain).ok());
  ASSERT_TRUE(domain.map(0, 0x40000000, 0x200000 - 0x1000, iommu::prot::read_write).ok());
  const auto live = m.port.memory.counts().dma_blocks;
  m.fake.stopped = true;
  const auto progress = domain.unmap(0, 0x200000 - 0x1000);
  EXPECT_EQ(progress.error(), Errc::timed_out);
  EXPECT_EQ(progress.done, 0x200000U - 0x1000U);
  EXPECT_EQ(domain.iova_to_phys(0), Errc::not_mapped);
  EXPECT_TRUE(m.smmu->failed());
  EXPECT_EQ(m.port.memory.counts().dma_blocks, live);
  const auto again = domain.map(0, 0x40000000, 0x1000, iommu::prot::read_write);
  EXPECT_TRUE(again.ok());
  EXPECT_EQ(domain.unmap(0, 0x1000).error(), Errc::smmu_failed);
}

TEST(Rule2, AllMemoryComesBackWhenTheFailedSmmuIsOff) {
  Machine m;
  const auto live = m.port.memory.counts().live();
  ASSERT_TRUE(m.start());
  auto& device = m.add({1});
  auto& domain = m.paging();
  ASSERT_TRUE(device.attach(domain).ok());
  ASSERT_TRUE(domain.map(0, 0x40000000, 0x200000, iommu::prot::read_write).ok());
  m.fake.stopped = true;
  EXPECT_FALSE(domain.unmap(0, 0x200000).ok());
  ASSERT_TRUE(device.detach().ok());
  ASSERT_TRUE(m.destroy(domain));
  ASSERT_TRUE(m.remove(device));
  m.smmu.reset();
  EXPECT_EQ(m.port.memory.counts().live(), live);
}

// 3.21.3: what an entry points to is in memory before the entry, and an entry before its invalidation: at each command
// a request of any kind meets the old configuration or the new one.
TEST(Rule2, AtEachCommandOfAChangeEachRequestMeetsTheOldConfigurationOrTheNew) {
  const auto check = [](const DeviceState& state, const Action& action, PasidMachine::With kind) {
    PasidMachine after{state, kind};
    if (!after.run(action).ok()) {
      return;
    }
    const auto next = after.meanings();
    PasidMachine c{state, kind};
    const auto old = c.meanings();
    c.m.fake.on_command = [&](const arch::Command&) {
      EXPECT_TRUE(!c.function.ats() || c.m.ste(0x10)->get(Ste::EATS) == arch::Eats::full);
      const auto now = c.meanings();
      for (std::size_t i = 0; i < now.size(); ++i) {
        EXPECT_TRUE(now[i] == old[i] || now[i] == next[i]) << "request " << i;
        EXPECT_NE(now[i].kind, Meaning::Kind::bad) << "request " << i;
      }
    };
    const auto change = c.run(action);
    EXPECT_TRUE(change.ok() && change->hitless);
    c.m.fake.on_command = {};
  };
  each_attach(check);
  for (const auto kind : PasidMachine::kinds) {
    for (const DeviceState& state : device_states()) {
      for (const Action& action : detach_actions()) {
        SCOPED_TRACE(state.text() + ": " + action.text() + PasidMachine::name(kind));
        check(state, action, kind);
      }
    }
  }
}

} // namespace
} // namespace sluice::test
