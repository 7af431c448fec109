#pragma once

#include <sluice/iommu/address_space.hpp>

#include <gtest/gtest.h>

#include <utility>

namespace sluice::test {

// An address space of which only what users see is there.
struct FakeSpace : iommu::AddressSpace {
  iommu::TableFormat format() const override { return what; }
  std::uint16_t asid() const override { return known_as; }
  base::Status subscribe(iommu::AddressSpaceUser& u) override {
    if (ended) {
      return base::Errc::not_found;
    }
    user = &u;
    return {};
  }
  void unsubscribe(iommu::AddressSpaceUser& u) override {
    EXPECT_EQ(user, &u);
    if (!busy) {
      leave();
    } else {
      leaving = true;
    }
  }
  void leave() { std::exchange(user, nullptr)->unsubscribed(); }

  iommu::TableFormat what{0x5000'0000, 48, 48, 12, 0x1122'3344'5566'7788, false, false};
  std::uint16_t known_as{};
  iommu::AddressSpaceUser* user{};
  bool ended{};
  bool busy{}; // a call is running
  bool leaving{};
};

} // namespace sluice::test
