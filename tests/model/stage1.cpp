#include "rig.hpp"

namespace sluice::model::test {
namespace {

TEST(Stage1, AMappedPageIsReadWhereItsDescriptorSays) {
  Rig rig;
  const auto s = rig.stage1_stream(3);
  const auto page = rig.ram.alloc(4096);
  rig.map(s.tree, 0x4000'1000, page, s1_rw);
  rig.ram.put(page + 0x18, 0xcafe);
  std::uint64_t value = 0;
  EXPECT_TRUE(rig.read(3, 0x4000'1018, &value).served());
  EXPECT_EQ(value, 0xcafeU);
}

TEST(Stage1, AnUnmappedPageIsF_TRANSLATIONWithTheWholeInputAddress) {
  Rig rig;
  rig.stage1_stream(3);
  const auto o = rig.write(3, 0x5678'9abc'd8);
  EXPECT_EQ(o.kind, Outcome::Kind::aborted);
  EXPECT_EQ(o.event, EventType::F_TRANSLATION);
  EXPECT_TRUE(o.recorded);
  const auto e = rig.event();
  EXPECT_EQ(e.get(Event::Type), EventType::F_TRANSLATION);
  EXPECT_EQ(e.get(Event::StreamID), 3U);
  EXPECT_EQ(e.get(Event::InputAddr), 0x5678'9abc'd8U);
  EXPECT_EQ(e.get(Event::CLASS), arch::EventClass::in);
  EXPECT_EQ(e.get(Event::RnW), 0U);
  EXPECT_EQ(e.get(Event::S2), 0U);
  EXPECT_EQ(e.get(Event::SSV), 0U);
}

} // namespace
} // namespace sluice::model::test
