#include "machine.hpp"

// A failed attach changes nothing; what times out inside a change is completed in memory and reported.
namespace sluice::test {
namespace {

using arch::Ste;
using arch::SteConfig;
using driver::Code;
using iommu::Stage;

enum class State { idle, identity, blocked, stage1, stage2 };
constexpr State states[] = {State::idle, State::identity, State::blocked, State::stage1, State::stage2};
const char* name(State s) {
  constexpr const char* names[] = {"idle", "identity", "blocked", "stage 1", "stage 2"};
  return names[static_cast<int>(s)];
}

// Two StreamIDs in two leaves, so that there is more than one of everything.
struct Change {
  Change(State from_state, State to_state, hosted::PortConfig config = {}) : m{config} {
    EXPECT_TRUE(m.start());
    device = &m.add({0x10, 0x210});
    from = make(from_state);
    to = make(to_state);
    if (from != nullptr) {
      EXPECT_TRUE(device->attach(*from).ok());
    }
  }
  iommu::Domain* make(State s) {
    switch (s) {
    case State::idle:
      return nullptr;
    case State::identity:
      return &m.smmu->identity();
    case State::blocked:
      return &m.smmu->blocked();
    case State::stage1:
      return &m.paging();
    case State::stage2:
      return &m.paging(Stage::second);
    }
    return nullptr;
  }
  base::Result<iommu::Change> run() { return from == nullptr ? device->attach(*to) : device->replace(*to); }

  // All memory that the SMMU can reach.
  std::vector<std::byte> memory() {
    const auto* at = static_cast<const std::byte*>(*m.port.arena.at(m.port.arena.bus_base(), 1));
    return {at, at + m.port.arena.size()};
  }

  Machine m;
  driver::SmmuDevice* device{};
  iommu::Domain* from{};
  iommu::Domain* to{};
};

template <class F>
void each_change(F f) {
  for (const State from : states) {
    for (const State to : states) {
      if (to != State::idle) {
        SCOPED_TRACE(std::string{name(from)} + " -> " + name(to));
        f(from, to);
      }
    }
  }
}

// The tables in use, word for word: memory of failed allocations is poisoned when it is freed and does not count.
struct Tables {
  explicit Tables(Machine& m) {
    for (const StreamID sid : {0x10U, 0x210U}) {
      l1.push_back(m.words<arch::L1Std>(m.fake.get<arch::STRTAB_BASE>().get(arch::STRTAB_BASE::ADDR) + 8 * (sid >> 8)));
      for (StreamID s = sid & ~0xffU; s < (sid & ~0xffU) + 256; ++s) {
        stes.push_back(*m.ste(s));
      }
      cds.push_back(m.cd(sid).value_or(arch::Cd{}));
    }
  }
  bool operator==(const Tables&) const = default;
  std::vector<arch::L1Std> l1;
  std::vector<Ste> stes;
  std::vector<arch::Cd> cds;
};

TEST(Rule2, AFailedAllocationChangesNothing) {
  int sweeps = 0;
  each_change([&](State from, State to) {
    for (std::uint64_t n = 1;; ++n) {
      SCOPED_TRACE(n);
      Change c{from, to, {.arena = {.size = 8 << 20}}};
      const Tables before{c.m};
      const auto live = c.m.port.memory.counts();
      const auto users = c.to->users();
      c.m.fake.forget();
      c.m.port.memory.fail(n);
      const auto result = c.run();
      c.m.port.memory.fail(0);
      if (result.ok()) {
        EXPECT_GE(n, 2U) << "a sweep that injected nothing";
        ++sweeps;
        break;
      }
      EXPECT_EQ(result.error(), Errc::no_memory);
      EXPECT_TRUE(c.m.fake.seen().empty()) << "neither register nor command";
      EXPECT_EQ(Tables{c.m}, before);
      EXPECT_EQ(c.m.port.memory.counts().live(), live.live());
      EXPECT_EQ(c.m.port.memory.counts().plain_bytes, live.plain_bytes);
      EXPECT_EQ(c.m.port.memory.counts().dma_bytes, live.dma_bytes);
      EXPECT_EQ(c.to->users(), users);
      EXPECT_EQ(c.device->attached(), c.from);
      EXPECT_TRUE(c.run().ok()) << "and the next attempt succeeds";
    }
  });
  EXPECT_EQ(sweeps, 20);
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

// How many commands a change takes until the SMMU has let go of the old entry; after that only tags are invalidated.
std::uint64_t commands_before_the_tags(State from, State to) {
  Change c{from, to};
  c.m.fake.forget();
  EXPECT_TRUE(c.run().ok());
  const auto commands = c.m.fake.commands();
  const auto tags = std::ranges::find_if(commands, [](const auto& command) {
    const auto opcode = command.get(arch::Command::Opcode);
    return opcode == arch::Opcode::CMD_TLBI_NH_ASID || opcode == arch::Opcode::CMD_TLBI_S12_VMALL;
  });
  return static_cast<std::uint64_t>(tags - commands.begin());
}

// The SMMU stops after the n-th command of a change, for all n until nothing is left to stop.
TEST(Rule2, AChangeWhoseWaitRunsOutIsCompletedAndItsDeviceQuarantined) {
  each_change([&](State from, State to) {
    const std::uint64_t entry_commands = commands_before_the_tags(from, to);
    for (std::uint64_t n = 0;; ++n) {
      SCOPED_TRACE(n);
      Change c{from, to};
      const auto bytes = c.m.port.memory.counts().dma_blocks;
      c.m.fake.stop_after = c.m.fake.consumed() + n;
      const auto result = c.run();
      ASSERT_TRUE(result.ok()) << "a time-out in a commit is not an attach error";
      EXPECT_EQ(c.device->attached(), c.to);
      if (result->confirmed) {
        EXPECT_FALSE(c.m.smmu->failed());
        break;
      }
      EXPECT_TRUE(c.m.smmu->failed());
      EXPECT_TRUE(c.m.logged(Code::sync_timed_out));
      EXPECT_TRUE(c.m.logged(Code::device_failed));
      EXPECT_TRUE(c.device->failed());
      for (const StreamID sid : {0x10U, 0x210U}) {
        EXPECT_EQ(c.m.ste(sid)->get(Ste::Config), SteConfig::abort) << "blocked";
      }
      if (n < entry_commands) {
        EXPECT_GE(c.m.port.memory.counts().dma_blocks, bytes) << "what the SMMU may still read is not reused";
      }
      EXPECT_EQ(c.device->replace(c.m.smmu->blocked()), Errc::smmu_failed);
      const auto blocks = c.m.port.memory.counts().dma_blocks;
      EXPECT_TRUE(c.device->detach().ok()) << "detach cannot fail";
      EXPECT_EQ(c.m.port.memory.counts().dma_blocks, blocks);
      EXPECT_EQ(c.m.try_paging({}), Errc::smmu_failed);
      // The queue is dead but the SMMU can be switched off, after which everything is freed.
      ASSERT_TRUE(c.m.remove(*c.device));
    }
  });
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

// 3.21.3: what an entry points to is in memory before the entry, and an entry before its invalidation.
TEST(Rule2, EveryStoreIsBeforeTheCommandThatTellsOfIt) {
  each_change([&](State from, State to) {
    Change c{from, to};
    c.m.fake.on_command = [&](const arch::Command& command) {
      const auto opcode = command.get(arch::Command::Opcode);
      if (opcode == arch::Opcode::CMD_CFGI_STE || opcode == arch::Opcode::CMD_CFGI_STE_RANGE) {
        for (const StreamID sid : {0x10U, 0x210U}) {
          const auto ste = *c.m.ste(sid);
          if (ste.get(Ste::Config) == SteConfig::stage1) {
            EXPECT_EQ(c.m.cd(sid)->get(arch::Cd::V), 1U);
          }
        }
      }
    };
    EXPECT_TRUE(c.run().ok());
  });
}

} // namespace
} // namespace sluice::test
