#include "guest.hpp"
#include "monitor.hpp"

#include <atomic>
#include <thread>

// What a monitor changes below a guest: its memory, and the table that maps it, while the guest's device, which caches
// translations of both stages, goes on.
namespace sluice::machine::test {
namespace {

namespace u = uapi::arm_smmuv3;

HostConfig caching_host() {
  HostConfig config = small_host(0);
  config.smmus[0].features.ats = true;
  config.engines.push_back({.address = {.device = 8}, .engine = {.ats = {.capabilities = {.ats = true}}}});
  return config;
}

class ParentClient : public testing::Test, protected Monitor {
protected:
  static constexpr std::uint64_t ipa = 0x4000'0000; // where the guest's RAM begins
  static constexpr std::uint64_t iova = 0xffff'0000;
  static constexpr std::uint64_t lent = ipa + 0x30'000; // a page that is taken away and given back

  ParentClient() : Monitor{caching_host(), 0x40000} {
    root = memory.alloc();
    data = memory.alloc();
    cds = memory.cd_table(root, 4);
    memory.map(root, iova, data);
    memory.map(root, iova + page, lent);
    EXPECT_EQ(iommu.map(ioas, ipa, ram.at, 0x30'000), 0);
    EXPECT_EQ(lend(), 0);
  }
  int lend() { return iommu.map(ioas, lent, ram.at + 0x30'000, page); }
  int take() { return iommu.unmap(ioas, lent, page); }

  // All that a guest stands on.
  struct Below {
    std::uint32_t parent{}, viommu{}, vdevice{}, nested{};
  };
  Below make() {
    Below below;
    below.parent = iommu.nest_parent(engine.id, ioas);
    i::ViommuAlloc c;
    c.type = u::viommu_type;
    c.dev_id = engine.id;
    c.hwpt_id = below.parent;
    EXPECT_EQ(iommu.call(c), 0);
    below.viommu = c.out_viommu_id;
    u::NestedSte ste = guest_stage1(cds);
    ste.ste[1] |= arch::Ste{}.with(arch::Ste::EATS, arch::Eats::full).w[1];
    i::HwptAlloc n;
    n.dev_id = engine.id;
    n.pt_id = below.viommu;
    n.data_type = u::hwpt_data_type;
    n.data_len = sizeof ste;
    n.data_uptr = pointer(&ste);
    EXPECT_EQ(iommu.call(n), 0);
    below.nested = n.out_hwpt_id;
    return below;
  }
  void name(Below& below) {
    i::VdeviceAlloc c;
    c.viommu_id = below.viommu;
    c.dev_id = engine.id;
    c.virt_id = 0x900;
    EXPECT_EQ(iommu.call(c), 0);
    below.vdevice = c.out_vdevice_id;
  }
  void end(const Below& below) {
    for (const std::uint32_t id : {below.nested, below.vdevice, below.viommu, below.parent}) {
      if (id != 0) {
        EXPECT_EQ(iommu.destroy(id), 0);
      }
    }
  }
  pcie::CopyReport write(model::Port& port, std::uint64_t at, std::uint64_t value) {
    return host.engine(0).write(port, at, &value, sizeof value);
  }

  GuestMemory memory{ram.at, 0x30'000, ipa};
  std::uint64_t root{}, data{}, cds{};
};

TEST_F(ParentClient, AnUnmapReachesWhatTheGuestsEndpointHasCached) {
  Below below = make();
  name(below);
  ASSERT_EQ(engine.attach(below.nested), 0);
  ASSERT_TRUE(host.engine(0).ats()->capabilities().ats_enabled());
  model::Port port{host.hardware(0)};
  ASSERT_TRUE(write(port, iova + page, 1).complete());
  EXPECT_EQ(ram.get<std::uint64_t>(0x30'000), 1U);
  ASSERT_EQ(take(), 0);
  const auto report = write(port, iova + page, 2);
  ASSERT_TRUE(report.abort);
  EXPECT_FALSE(report.abort->outcome.by_bus) << "it was translated, by what is no more";
  ASSERT_TRUE(write(port, iova, 3).complete()) << "the rest of its memory is there";
  ASSERT_EQ(lend(), 0);
  EXPECT_TRUE(write(port, iova + page, 4).complete());
}

using ParentClientThreads = ParentClient;

TEST_F(ParentClientThreads, MemoryThatIsTakenAndGivenBackUnderTrafficIsNeverReachedMeanwhile) {
  Below below = make();
  name(below);
  ASSERT_EQ(engine.attach(below.nested), 0);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> served{0}, refused{0}, stale{0};
  std::jthread device{[&] {
    model::Port port{host.hardware(0)};
    for (std::uint64_t n = 1; !stop.load(); ++n) {
      EXPECT_TRUE(write(port, iova, n).complete());
      const auto report = write(port, iova + page, n);
      served.fetch_add(report.complete());
      refused.fetch_add(report.abort ? 1 : 0);
      stale.fetch_add(report.abort && report.abort->outcome.by_bus ? 1 : 0);
    }
  }};
  for (unsigned round = 0; round < 30; ++round) {
    const std::uint64_t before = served.load();
    static_cast<void>(platform::wait_until(host.port().time, 20'000, [&] { return served.load() > before; }));
    ASSERT_EQ(take(), 0);
    const std::uint64_t then = ram.get<std::uint64_t>(0x30'000);
    const std::uint64_t refused_before = refused.load();
    static_cast<void>(platform::wait_until(host.port().time, 20'000, [&] { return refused.load() > refused_before; }));
    ASSERT_EQ(ram.get<std::uint64_t>(0x30'000), then) << "written after its unmap";
    ASSERT_EQ(lend(), 0);
  }
  stop.store(true);
  device.join();
  EXPECT_GT(served.load(), 0U);
  EXPECT_GT(refused.load(), 0U);
  EXPECT_EQ(stale.load(), 0U);
  EXPECT_TRUE(host.audit().empty());
}

TEST_F(ParentClientThreads, AnotherTableForTheGuestsMemoryTakesItsPlaceUnderTraffic) {
  Below below = make();
  name(below);
  ASSERT_EQ(engine.attach(below.nested), 0);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> served{0}, refused{0};
  std::jthread device{[&] {
    model::Port port{host.hardware(0)};
    for (std::uint64_t n = 1; !stop.load(); ++n) {
      (write(port, iova, n).complete() ? served : refused).fetch_add(1);
    }
  }};
  for (unsigned round = 0; round < 30; ++round) {
    const std::uint64_t before = served.load();
    static_cast<void>(platform::wait_until(host.port().time, 20'000, [&] { return served.load() > before + 2; }));
    Below next = make();
    ASSERT_EQ(iommu.destroy(std::exchange(below.vdevice, 0)), 0);
    name(next);
    ASSERT_EQ(engine.attach(next.nested), 0);
    end(below);
    below = next;
  }
  stop.store(true);
  device.join();
  EXPECT_GT(served.load(), 60U);
  EXPECT_EQ(refused.load(), 0U);
  EXPECT_EQ(host.account().smmus[0].driver.changes_disruptive, 0U);
  EXPECT_TRUE(host.audit().empty());
  ASSERT_EQ(engine.detach(), 0);
  end(below);
}

} // namespace
} // namespace sluice::machine::test
