#include "fakes.hpp"

#include <gtest/gtest.h>

// The window for message interrupts, which is the devices' and not the client's.
namespace sluice::iommufd::test {
namespace {

struct Messages : ::testing::Test {
  static constexpr MessageWindow window{0x800'0000, 0x1'0000'0000, 0x2000};
  static constexpr std::uint64_t page = 4096;

  Device* bind(iommu::Device& device, MessageWindow messages = window) {
    return *c.context.bind(device, {.reserved = {{0x800'0000, 0x80f'ffff}}, .messages = messages});
  }
  void TearDown() override {
    for (Device* device : bound) {
      c.context.unbind(*device);
    }
  }
  Device& first() {
    if (bound.empty()) {
      bound.push_back(bind(c.rng));
    }
    return *bound[0];
  }
  FakeDomain* parent() {
    EXPECT_EQ(c.hwpt(first().id(), ioas, u::hwpt_nest_parent), 0);
    return c.unit.last_paging;
  }
  static bool mapped(const FakeDomain& domain) {
    const auto at = domain.pages.find(window.iova + page);
    return at != domain.pages.end() && at->second.pa == window.address + page && at->second.prot.write;
  }

  Client c;
  std::uint32_t ioas = c.ioas();
  std::vector<Device*> bound;
};

TEST_F(Messages, TheWindowIsMappedWhileADeviceIsAttached) {
  FakeDomain* const domain = parent();
  EXPECT_FALSE(mapped(*domain));
  ASSERT_TRUE(c.context.attach(first(), c.made));
  EXPECT_TRUE(mapped(*domain));
  EXPECT_EQ(domain->pages.size(), 2u);
  ASSERT_TRUE(c.context.attach(first(), c.made)) << "again";
  c.context.detach(first());
  EXPECT_TRUE(domain->pages.empty());
}

TEST_F(Messages, ItMovesWithTheDeviceAndStaysForTheOthers) {
  FakeDomain* const one = parent();
  const std::uint32_t id = c.made;
  FakeDomain* const two = parent();
  bound.push_back(bind(c.second));
  ASSERT_TRUE(c.context.attach(first(), id));
  ASSERT_TRUE(c.context.attach(*bound[1], id));
  ASSERT_TRUE(c.context.attach(first(), c.made));
  EXPECT_TRUE(mapped(*one));
  EXPECT_TRUE(mapped(*two));
  c.context.detach(*bound[1]);
  EXPECT_FALSE(mapped(*one));
}

TEST_F(Messages, UnderNestedTablesItIsInTheirParent) {
  FakeDomain* const domain = parent();
  const std::uint32_t id = c.made;
  ASSERT_EQ(c.viommu(first().id(), id), 0);
  ASSERT_EQ(c.nested(first().id(), c.made), 0);
  ASSERT_TRUE(c.context.attach(first(), c.made));
  EXPECT_TRUE(mapped(*domain));
  ASSERT_TRUE(c.context.attach(first(), id));
  EXPECT_TRUE(mapped(*domain));
}

TEST_F(Messages, TwoWindowsDoNotGoIntoOneTable) {
  FakeDomain* const domain = parent();
  bound.push_back(bind(c.second, {0x800'0000, 0x2'0000'0000, 0x2000}));
  ASSERT_TRUE(c.context.attach(first(), c.made));
  EXPECT_EQ(c.context.attach(*bound[1], c.made).error(), base::Errc::invalid_argument);
  EXPECT_TRUE(mapped(*domain));
  c.context.detach(first());
  EXPECT_TRUE(c.context.attach(*bound[1], c.made));
}

TEST_F(Messages, AFailedAttachLeavesNoWindow) {
  FakeDomain* const domain = parent();
  const auto id = c.made;
  domain->fail_map_after = 0;
  EXPECT_EQ(c.context.attach(first(), id).error(), base::Errc::no_memory);
  EXPECT_TRUE(domain->pages.empty());
  domain->fail_map_after = -1;
  c.rng.refuses = true;
  c.rng.refuse = base::Errc::no_memory;
  EXPECT_EQ(c.context.attach(first(), id).error(), base::Errc::no_memory);
  EXPECT_TRUE(domain->pages.empty());
  EXPECT_EQ(c.map(ioas, 0x800'0000, page), 0) << "and no reservation";
}

TEST_F(Messages, AnIoasSaysOfADeviceWhatItMapsAlone) {
  static_cast<void>(parent());
  ASSERT_EQ(c.map(ioas, 0x10'0000, page), 0);
  EXPECT_EQ(c.context.ioas_maps(c.rng, 0x10'0000).error(), base::Errc::not_found);
  ASSERT_TRUE(c.context.attach(first(), c.made));
  EXPECT_TRUE(*c.context.ioas_maps(c.rng, 0x10'0fff));
  EXPECT_FALSE(*c.context.ioas_maps(c.rng, 0x10'1000));
  EXPECT_FALSE(*c.context.ioas_maps(c.rng, 0x800'0000)) << "the window is not the client's";
  EXPECT_EQ(c.context.ioas_maps(c.second, 0x10'0000).error(), base::Errc::not_found);
}

} // namespace
} // namespace sluice::iommufd::test
