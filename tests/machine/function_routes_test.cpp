#include <sluice/hosted/port.hpp>
#include <sluice/machine/function_routes.hpp>

#include <gtest/gtest.h>

namespace sluice::machine {
namespace {

class Counting final : public pcie::Function {
public:
  explicit Counting(std::uint32_t stream) : Function{{}, {static_cast<std::uint16_t>(stream), stream}} {}
  model::AtcAnswer invalidate_atc(const model::AtcInvalidation& invalidation) override {
    invalidations += invalidation.stream_id == stream() ? 1 : 0;
    return model::AtcAnswer::pending;
  }
  bool atc_completed(std::uint8_t tag) override { return tag == 7; }
  void page_response(const model::PageResponse&) override { ++responses; }

  unsigned invalidations{};
  unsigned responses{};
};

class Routes : public testing::Test {
protected:
  hosted::Port port;
  FunctionRoutes routes{port.device_sync, port.time};
  Counting one{1}, two{2};
};

TEST_F(Routes, AnInvalidationReachesTheFunctionWithItsStreamID) {
  routes.add(one);
  routes.add(two);
  EXPECT_EQ(routes.invalidate_atc({.stream_id = 2}), model::AtcAnswer::pending);
  EXPECT_EQ(one.invalidations, 0u);
  EXPECT_EQ(two.invalidations, 1u);
  EXPECT_FALSE(routes.atc_completed(2, 6));
  EXPECT_TRUE(routes.atc_completed(2, 7));
}

TEST_F(Routes, APageResponseReachesTheFunctionWithItsStreamID) {
  routes.add(one);
  routes.add(two);
  routes.page_response({.stream_id = 1});
  routes.page_response({.stream_id = 3});
  EXPECT_EQ(one.responses, 1u);
  EXPECT_EQ(two.responses, 0u);
}

TEST_F(Routes, WhereNoFunctionIsTheRequestIsUnsupported) {
  EXPECT_EQ(routes.invalidate_atc({.stream_id = 1}), model::AtcAnswer::unsupported);
  EXPECT_TRUE(routes.atc_completed(1, 0));
}

TEST_F(Routes, AFunctionThatHasGoneIsNotCalled) {
  routes.add(one);
  routes.remove(one);
  routes.remove(two);
  EXPECT_EQ(routes.invalidate_atc({.stream_id = 1}), model::AtcAnswer::unsupported);
  EXPECT_EQ(one.invalidations, 0u);
}

TEST_F(Routes, AFunctionWithoutAnATCDoesNotSupportInvalidations) {
  class Plain final : public pcie::Function {
  public:
    Plain() : Function{{}, {3, 3}} {}
  } plain;
  routes.add(plain);
  EXPECT_EQ(routes.invalidate_atc({.stream_id = 3}), model::AtcAnswer::unsupported);
}

} // namespace
} // namespace sluice::machine
