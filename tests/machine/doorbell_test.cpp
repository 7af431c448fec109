#include "host_client.hpp"

#include <sluice/hosted/port.hpp>
#include <sluice/machine/bus.hpp>
#include <sluice/machine/doorbell.hpp>

namespace sluice::machine::test {
namespace {

class DoorbellTest : public testing::Test {
protected:
  bool ring(std::uint64_t stream, std::uint64_t address, std::uint32_t data, std::uint32_t size = 4) {
    std::array<std::uint32_t, 4> bytes{data};
    return doorbell.write({.address = address, .size = size, .initiator = {stream}}, bytes.data());
  }
  hosted::Port port;
  Doorbell doorbell{port.device_sync};
  Eventfd line, other;
  vfio::Eventfd to_line = *vfio::Eventfd::duplicate(line.fd), to_other = *vfio::Eventfd::duplicate(other.fd);
};

TEST_F(DoorbellTest, TheRightDataOfTheRightRequesterSignals) {
  const auto message = *doorbell.connect({.stream = 3}, to_line);
  const auto second = *doorbell.connect({.stream = 3}, to_other);
  EXPECT_NE(message.data, second.data);
  EXPECT_TRUE(ring(3, message.address, message.data));
  EXPECT_TRUE(line.wait(0));
  EXPECT_FALSE(other.wait(0));
  EXPECT_EQ(doorbell.signalled(), 1u);
}

TEST_F(DoorbellTest, AnythingElseIsAnAbort) {
  const auto message = *doorbell.connect({.stream = 3}, to_line);
  EXPECT_FALSE(ring(4, message.address, message.data)) << "another requester";
  EXPECT_FALSE(ring(3, message.address, message.data + 1));
  EXPECT_FALSE(ring(3, message.address + 4, message.data));
  EXPECT_FALSE(ring(3, message.address, message.data, 2));
  EXPECT_FALSE(ring(3, message.address, message.data, 8));
  EXPECT_FALSE(ring(model::Initiator::smmu_itself, message.address, message.data));
  EXPECT_FALSE(line.wait(0));
  EXPECT_EQ(doorbell.refused(), 6u);
}

TEST_F(DoorbellTest, WhatIsDisconnectedIsSilentAndItsPlaceIsUsedAgain) {
  const auto message = *doorbell.connect({.stream = 3}, to_line);
  doorbell.disconnect({.stream = 4}, message);
  EXPECT_EQ(doorbell.connected(), 1u) << "not his";
  doorbell.disconnect({.stream = 3}, message);
  EXPECT_FALSE(ring(3, message.address, message.data));
  EXPECT_EQ(doorbell.connected(), 0u);
  EXPECT_EQ(doorbell.connect({.stream = 5}, to_other)->data, message.data);
}

TEST_F(DoorbellTest, ItHasSoManyVectorsAndNoMore) {
  for (std::uint32_t n = 0; n < Doorbell::most_vectors; ++n) {
    ASSERT_TRUE(doorbell.connect({.stream = n}, to_line));
  }
  EXPECT_EQ(doorbell.connect({.stream = 1}, to_line).error(), base::Errc::no_space);
}

TEST_F(DoorbellTest, WhatIsForAnotherControllerIsHandedOn) {
  std::uint64_t seen = 0;
  doorbell.set_elsewhere([&](std::uint64_t stream, std::uint64_t address, std::uint32_t data) {
    seen = stream + address + data;
    return data != 9;
  });
  EXPECT_TRUE(ring(3, 0x0802'0040, 8));
  EXPECT_EQ(seen, 3 + 0x0802'0040u + 8);
  EXPECT_FALSE(ring(3, 0x0802'0040, 9));
}

// The controllers of guests are no business of the SMMU's, and no vector here is its own.
TEST_F(DoorbellTest, AMessageOfTheSmmuItselfIsRefusedHere) {
  const ClientMemory clients{port.arena};
  Interleave interleave{nullptr, 0};
  FunctionRoutes routes{port.device_sync, port.time};
  Bus ram{port.arena, clients, port.irq, 0, interleave, routes};
  DoorbellBus bus{ram, doorbell};
  doorbell.set_elsewhere([](std::uint64_t, std::uint64_t, std::uint32_t) { return true; });
  EXPECT_FALSE(bus.message({.address = 0x0802'0040, .size = 4}, 8));
  EXPECT_EQ(doorbell.refused(), 1u);
}

} // namespace
} // namespace sluice::machine::test
