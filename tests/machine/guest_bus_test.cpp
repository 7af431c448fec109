#include <sluice/hosted/port.hpp>
#include <sluice/machine/guest_bus.hpp>

#include <gtest/gtest.h>

namespace sluice::machine {
namespace {

constexpr std::uint64_t ram = 0x4000'0000;

struct GuestBusTest : testing::Test {
  bool send(std::uint64_t address, std::uint32_t data) { return bus.message({address, sizeof data, {}, {}}, data); }
  std::uint32_t word(std::uint64_t address) {
    std::uint32_t value = 0;
    EXPECT_TRUE(bus.read({address, sizeof value, {}, {}}, &value));
    return value;
  }

  hosted::Port port{{.arena = {.size = 16 << 20, .bus_base = ram}}};
  FunctionRoutes routes{port.device_sync, port.time};
  GuestBus bus{port.arena, {ram + 0x10'0000, 0x2'0000}, routes, port.device_sync};
};

// 3.18.1; a guest that polls for it must not see it before its end has been looked at
TEST_F(GuestBusTest, AMessageToRAMArrivesWhenItIsDelivered) {
  ASSERT_TRUE(send(ram + 0x1000, 7));
  EXPECT_NE(word(ram + 0x1000), 7u);
  const auto signals = bus.take_signals();
  ASSERT_EQ(signals.messages().size(), 1u);
  EXPECT_TRUE(bus.deliver(signals.messages()[0]));
  EXPECT_EQ(word(ram + 0x1000), 7u);
  EXPECT_TRUE(bus.take_signals().none());
}

TEST_F(GuestBusTest, AMessageToAnInterruptControllerIsNotForRAM) {
  ASSERT_TRUE(send(0x0809'0040, 3));
  const auto signals = bus.take_signals();
  ASSERT_EQ(signals.messages().size(), 1u);
  EXPECT_FALSE(bus.deliver(signals.messages()[0]));
}

TEST_F(GuestBusTest, AMessageToNowhereAndToTheFrameAborts) {
  EXPECT_FALSE(send(ram + (1ULL << 40), 1));
  EXPECT_FALSE(send(ram + 0x10'0000, 1));
  EXPECT_TRUE(bus.take_signals().none());
}

// 3.9.1.4, 8.1
TEST_F(GuestBusTest, InvalidationsAndPageResponsesReachTheFunctionOfTheStream) {
  class Endpoint final : public pcie::Function {
  public:
    Endpoint() : Function{{}, {0x28, 0x28}} {}
    model::AtcAnswer invalidate_atc(const model::AtcInvalidation&) override { return model::AtcAnswer::pending; }
    bool atc_completed(std::uint8_t tag) override { return tag == 5; }
    void page_response(const model::PageResponse&) override { ++responses; }
    unsigned responses{};
  } endpoint;
  routes.add(endpoint);
  EXPECT_EQ(bus.invalidate_atc({.stream_id = 0x28}), model::AtcAnswer::pending);
  EXPECT_EQ(bus.invalidate_atc({.stream_id = 0x20}), model::AtcAnswer::unsupported);
  EXPECT_TRUE(bus.atc_completed(0x28, 5));
  EXPECT_FALSE(bus.atc_completed(0x28, 4));
  bus.page_response({.stream_id = 0x28});
  EXPECT_EQ(endpoint.responses, 1u);
  routes.remove(endpoint);
}

} // namespace
} // namespace sluice::machine
