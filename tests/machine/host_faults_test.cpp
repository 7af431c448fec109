#include "guest.hpp"
#include "host_client.hpp"

#include <sluice/arch/commands.hpp>
#include <sluice/hosted/together.hpp>

#include <gmock/gmock.h>

#include <cerrno>

// A guest with tables of its own on a host in which something is wrong: each run has to show it.
namespace sluice::machine::test {
namespace {

using arch::Command;
namespace cmd = arch::cmd;
namespace u = uapi::arm_smmuv3;
using MsixCapability = pcie::VirtioRngConfig::MsixCapability;

class NestedHost : public testing::Test {
protected:
  static constexpr std::uint64_t ipa = 0x4000'0000;
  static constexpr std::uint64_t iova = 0xffff'0000;
  static constexpr std::uint16_t asid = 4;

  explicit NestedHost(const HostConfig& config = small_host()) : host{config} {
    host.set_iommufds(fds);
    fds.all.push_back(&iommu);
    static_cast<void>(memory.alloc()); // the ring
    static_cast<void>(memory.alloc()); // the buffers
    root = memory.alloc();
    cds = memory.cd_table(root, asid);
    memory.map(root, iova, ipa);
    memory.map(root, iova + 0x1000, ipa + 0x1000);
  }
  void attach() {
    ASSERT_EQ(source.bind(iommu), 0);
    const std::uint32_t ioas = iommu.ioas();
    ASSERT_EQ(iommu.map(ioas, ipa, ram.at, ram.size), 0);
    const std::uint32_t parent = iommu.nest_parent(source.id, ioas);
    i::ViommuAlloc v;
    v.type = u::viommu_type;
    v.dev_id = source.id;
    v.hwpt_id = parent;
    ASSERT_EQ(iommu.call(v), 0);
    viommu = v.out_viommu_id;
    i::VdeviceAlloc d;
    d.viommu_id = viommu;
    d.dev_id = source.id;
    d.virt_id = 0x900;
    ASSERT_EQ(iommu.call(d), 0);
    const auto ste = guest_stage1(cds);
    i::HwptAlloc h;
    h.dev_id = source.id;
    h.pt_id = viommu;
    h.data_type = u::hwpt_data_type;
    h.data_len = sizeof ste;
    h.data_uptr = pointer(&ste);
    ASSERT_EQ(iommu.call(h), 0);
    nested = h.out_hwpt_id;
    ASSERT_EQ(source.attach(nested), 0);
  }
  void start() {
    attach();
    ASSERT_EQ(source.intx(line), 0);
    source.start(ram, iova);
  }
  void acknowledge() {
    static_cast<void>(source.isr());
    ASSERT_EQ(source.unmask(), 0);
  }
  int invalidate(const std::vector<Command>& commands, std::uint32_t id) {
    i::HwptInvalidate c;
    c.hwpt_id = id;
    c.data_uptr = pointer(commands.data());
    c.data_type = u::invalidate_data_type;
    c.entry_len = sizeof(Command);
    c.entry_num = static_cast<std::uint32_t>(commands.size());
    const int result = iommu.call(c);
    done = c.entry_num;
    return result;
  }
  int invalidate(std::uint64_t page) { return invalidate({cmd::tlbi_nh_va(0, asid, page, true)}, viommu); }
  FunctionAccount function() { return host.account().functions.at(0); }

  Host host;
  Iommufds fds;
  Iommu iommu{host, 100};
  Source source{host, 0};
  Pages ram{0x40000};
  Eventfd line;
  GuestMemory memory{ram.at, ram.size, ipa};
  std::uint64_t root{}, cds{};
  std::uint32_t viommu{}, nested{}, done{};
};

class NestedHostThreads : public NestedHost {};

TEST_F(NestedHostThreads, WhatIsMovedIsMovedByBothStages) {
  start();
  for (unsigned n = 0; n < 20; ++n) {
    source.offer();
    ASSERT_TRUE(line.wait());
    acknowledge();
  }
  ASSERT_EQ(source.reset(), 0);
  const Account account = host.account();
  const FunctionAccount& f = account.functions[0];
  EXPECT_EQ(f.delivered.bytes, 20u * 64);
  EXPECT_EQ(f.nested.bytes, f.dma.bytes_read + f.dma.bytes_written);
  EXPECT_EQ(f.nested.requests, f.dma.served);
  EXPECT_EQ(f.nested_looked_up, f.nested.requests);
  EXPECT_EQ(f.nested_in_ioas, 0u);
  EXPECT_EQ(account.smmus[0].nested.bytes, f.nested.bytes);
}

TEST_F(NestedHostThreads, AnAddressThatTheSecondStageAloneWouldTakeIsTold) {
  memory.map(root, ipa + 0x1000, ipa + 0x1000);
  start();
  source.offer_at(ipa + 0x1000);
  ASSERT_TRUE(line.wait());
  ASSERT_EQ(source.reset(), 0);
  EXPECT_EQ(function().nested_in_ioas, 1u);
}

TEST_F(NestedHostThreads, WhatTheGuestHasNotInvalidatedYetIsNotHeldAgainstIt) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait());
  ASSERT_EQ(source.reset(), 0);
  const auto before = host.account().smmus[0].audits;
  memory.unmap(root, iova); // by one of its processors, while another invalidates
  memory.unmap(root, iova + 0x1000);
  ASSERT_EQ(invalidate(iova + 0x1000), 0);
  EXPECT_EQ(host.account().stale(), 0u);
  EXPECT_EQ(host.audit().size(), 1u) << "whoever asks for everything is told of it";
  ASSERT_EQ(invalidate(iova), 0);
  EXPECT_EQ(host.account().stale(), 0u);
  EXPECT_EQ(host.account().smmus[0].audits, before + 2);
  EXPECT_TRUE(host.audit().empty());
}

TEST_F(NestedHostThreads, AuditsAndRequestsRunBesideEachOther) {
  start();
  hosted::together(3, [&](unsigned who) {
    for (int n = 0; n < 300; ++n) {
      if (who == 0) {
        source.offer();
      } else if (who == 1) {
        EXPECT_EQ(invalidate(iova + 0x1000), 0);
      } else {
        EXPECT_TRUE(host.audit().empty());
        EXPECT_EQ(host.account().stale(), 0u);
      }
    }
  });
  EXPECT_EQ(source.reset(), 0);
  iommu.context.reset();
  source.file.reset();
  EXPECT_TRUE(host.tear_down().nothing());
}

struct WatchedCalls final : iommufd::Observer {
  void on_call(const iommufd::CallRecord& record) override { numbers.push_back(record.number); }
  std::vector<std::uint32_t> numbers;
};

TEST_F(NestedHostThreads, AClientsObserverHearsOfEveryCall) {
  WatchedCalls calls;
  Iommu watched{host, 7, &calls};
  EXPECT_EQ(watched.ioas(), 1u);
  ASSERT_EQ(calls.numbers.size(), 1u);
  EXPECT_EQ(calls.numbers[0], i::call(i::IoasAlloc::nr));
}

class SpoiledNestedThreads : public NestedHost {
protected:
  static HostConfig spoiled(HostFault fault) {
    HostConfig config = small_host();
    config.fault = fault;
    return config;
  }
  explicit SpoiledNestedThreads(HostFault fault = HostFault::tlbi) : NestedHost{spoiled(fault)} {}
};

// The next buffer is mapped at the same address to the same page, as Linux does: by then nothing is wrong.
TEST_F(SpoiledNestedThreads, AnInvalidationThatGetsLostIsFoundWhileThePageIsUnmapped) {
  start();
  for (unsigned n = 1; n <= 3; ++n) {
    source.offer();
    ASSERT_TRUE(line.wait());
    acknowledge();
    memory.unmap(root, iova + 0x1000);
    ASSERT_EQ(invalidate(iova + 0x1000), 0) << "the driver notices nothing";
    EXPECT_EQ(host.account().stale(), n);
    memory.map(root, iova + 0x1000, ipa + 0x1000);
    EXPECT_TRUE(host.audit().empty());
  }
  const SmmuAccount smmu = host.account().smmus[0];
  EXPECT_EQ(smmu.first_stale.size(), 3u);
  EXPECT_EQ(smmu.first_stale[0].address, iova + 0x1000);
  EXPECT_FALSE(smmu.first_stale[0].by_ipa);
}

class NoStage1Threads : public SpoiledNestedThreads {
protected:
  NoStage1Threads() : SpoiledNestedThreads{HostFault::s1} {}
};

TEST_F(NoStage1Threads, TheGuestsAddressesAreTakenForTheMonitorsAndMissItsMemory) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait()) << "a broken ring";
  EXPECT_EQ(function().delivered.bytes, 0u);
  EXPECT_EQ(function().nested.requests, 0u);
  source.start(ram, ipa);
  source.offer();
  ASSERT_TRUE(platform::wait_until(host.port().time, 20'000'000, [&] { return source.used() == 1; }));
  ASSERT_EQ(source.reset(), 0);
  EXPECT_EQ(function().nested.requests, 0u);
  EXPECT_GT(function().stage2.requests, 0u);
}

class NoStage2NestedThreads : public SpoiledNestedThreads {
protected:
  NoStage2NestedThreads() : SpoiledNestedThreads{HostFault::s2} {}
};

TEST_F(NoStage2NestedThreads, TheGuestsTablesAreNotFound) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_EQ(function().delivered.bytes, 0u);
  EXPECT_EQ(function().nested.requests, 0u);
}

class NoLeavesThreads : public SpoiledNestedThreads {
protected:
  NoLeavesThreads() : SpoiledNestedThreads{HostFault::walk} {}
};

TEST_F(NoLeavesThreads, NothingInTheGuestsTablesIsMapped) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_EQ(function().delivered.bytes, 0u);
  EXPECT_EQ(function().dma.faulted, 1u);
}

class WithoutInvalidateThreads : public NestedHost {
protected:
  static HostConfig without() {
    HostConfig config = small_host();
    config.without_cache_invalidate = true;
    return config;
  }
  WithoutInvalidateThreads() : NestedHost{without()} {}
};

TEST_F(WithoutInvalidateThreads, ADriverWithoutTheOperationAnswersAndLives) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_EQ(invalidate(iova), EOPNOTSUPP);
  EXPECT_EQ(done, 0u);
  EXPECT_EQ(invalidate({cmd::tlbi_nsnh_all()}, nested), EOPNOTSUPP) << "as of a nested table";
  EXPECT_EQ(done, 0u);
  acknowledge();
  source.offer();
  EXPECT_TRUE(line.wait());
}

class MessageHostThreads : public NestedHost, public GuestMessages {
protected:
  static HostConfig with_msix() {
    HostConfig config = small_host();
    config.functions[0].rng.msix = MsixCapability::disguised;
    return config;
  }
  MessageHostThreads() : NestedHost{with_msix()} { host.set_guest_messages(*this); }
  bool on_message(unsigned, std::uint64_t address, std::uint32_t data) override {
    rung = {address, data};
    const std::uint64_t one = 1;
    return ::write(line.fd, &one, sizeof one) == sizeof one;
  }
  std::pair<std::uint64_t, std::uint32_t> rung;
};

TEST_F(MessageHostThreads, AMessageGoesThroughBothStagesToTheGuestsController) {
  constexpr std::uint64_t its = 0x0809'0040;
  memory.map(root, 0xfffe'0000, its & ~0xfffULL);
  attach();
  ASSERT_EQ(source.reset(), 0);
  source.set<std::uint16_t>(v::region_config, pcie::config::command, pcie::config::command_memory_space);
  source.set<std::uint32_t>(1, 0, 0xfffe'0040);
  source.set<std::uint32_t>(1, 8, 7);
  source.set<std::uint32_t>(1, 12, 0);
  source.set<std::uint16_t>(v::region_config, pcie::VirtioRng::msix_at + 2, pcie::Msix::enable_bit);
  source.start(ram, iova, 0);
  source.offer();
  ASSERT_TRUE(line.wait());
  ASSERT_EQ(source.reset(), 0);
  EXPECT_EQ(rung, (std::pair<std::uint64_t, std::uint32_t>{its, 7}));
  EXPECT_EQ(function().nested.requests, function().dma.served);
}

} // namespace
} // namespace sluice::machine::test
