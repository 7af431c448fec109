#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <functional>

// 3.18: an SMMU without wires tells its driver by messages alone. Nobody polls here.
namespace sluice::machine {
namespace {

Config messages_alone() {
  Config c;
  c.smmus.push_back({.streams = {0x8}});
  auto& smmu = c.smmus.back();
  smmu.features.msi = true;
  smmu.features.ats = true;
  smmu.features.pri = true;
  smmu.knobs.wires = false;
  smmu.driver.stream_bits = 12;
  smmu.engine.ats.capabilities = {.ats = true, .page_requests = 16};
  c.port.arena.size = 16 << 20;
  return c;
}

struct SmmuMessageThreads : testing::Test {
  bool soon(const std::function<bool()>& done) {
    return platform::wait_until(machine.port().time, 10'000'000, [&] { return done(); });
  }
  driver::Counters counters() { return node.driver().counters(); }

  Machine machine{messages_alone()};
  SmmuNode& node{machine.smmu()};
};

TEST_F(SmmuMessageThreads, AnEventComesToItsHandler) {
  auto& domain = **node.driver().make_paging({});
  ASSERT_TRUE(node.endpoint(0).device->attach(domain));
  {
    model::Port port{node.model()};
    std::uint64_t word = 0;
    EXPECT_TRUE(port.access({.stream_id = 0x8, .address = 0x1000}, &word).recorded);
  }
  EXPECT_TRUE(soon([&] { return counters().events == 1; }));
  EXPECT_NE(node.model().counters().messages, 0U);
  EXPECT_EQ(node.model().counters().wire_edges, 0U);
  ASSERT_TRUE(node.endpoint(0).device->detach());
  ASSERT_TRUE(domain.destroy());
}

TEST_F(SmmuMessageThreads, APageRequestComesToItsQueue) {
  auto& domain = **node.driver().make_paging({.page_requests = true});
  ASSERT_TRUE(node.endpoint(0).device->attach(domain));
  {
    model::Port port{node.model()};
    const auto group = node.endpoint(0).engine.ats()->pages().request(port, {.stream_id = 0x8, .read = true}, 1);
    ASSERT_TRUE(group.has_value());
    EXPECT_TRUE(soon([&] { return counters().page_requests.refused == 1; })) << "nobody serves it";
  }
  ASSERT_TRUE(node.endpoint(0).device->detach());
  ASSERT_TRUE(domain.destroy());
}

// 7.2: an event that cannot be written is a global error.
TEST_F(SmmuMessageThreads, AGlobalErrorIsNoticed) {
  auto& domain = **node.driver().make_paging({});
  ASSERT_TRUE(node.endpoint(0).device->attach(domain));
  const auto queue = arch::EVENTQ_BASE::from(node.mmio().read64(arch::EVENTQ_BASE::offset));
  node.bus().plant(queue.get(arch::EVENTQ_BASE::ADDR), 4096, Whose::smmu);
  {
    model::Port port{node.model()};
    std::uint64_t word = 0;
    EXPECT_FALSE(port.access({.stream_id = 0x8, .address = 0x1000}, &word).served());
  }
  EXPECT_TRUE(soon([&] { return counters().global_errors == 1; }));
  node.bus().plant(0, 0, Whose::smmu);
  ASSERT_TRUE(node.endpoint(0).device->detach());
  ASSERT_TRUE(domain.destroy());
}

} // namespace
} // namespace sluice::machine
