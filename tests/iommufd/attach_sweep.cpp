#include "failing_new.hpp"
#include "fakes.hpp"

#include <sluice/iommu/group.hpp>

#include <gtest/gtest.h>

#include <iostream>

// What is done for VFIO, with each of its allocations failing in turn.
namespace sluice::iommufd::test {
namespace {

// A device, its IOAS with an area, a table for PASIDs with a fault queue, and a plain one.
struct SweptWorld {
  Client c;
  Device* device{};
  std::uint32_t ioas{}, paging{}, plain{};

  SweptWorld() {
    c.rng.pasids = 16;
    ioas = c.ioas();
    device = *c.context.bind(c.rng, {.reserved = {{0x800'0000, 0x80f'ffff}}, .messages = messages});
    EXPECT_EQ(c.map(ioas, 0x1'0000, 0x4000), 0);
    EXPECT_EQ(c.hwpt(device->id(), ioas, u::hwpt_pasid | u::hwpt_fault_id_valid, c.fault_queue()), 0);
    paging = c.made;
    EXPECT_EQ(c.hwpt(device->id(), ioas), 0);
    plain = c.made;
  }
  ~SweptWorld() { c.context.unbind(*device); }
  SweptWorld(const SweptWorld&) = delete;
  SweptWorld& operator=(const SweptWorld&) = delete;

  std::vector<std::uint64_t> everything() {
    std::vector<std::uint64_t> all{c.context.objects(), c.unit.domains.size(), c.rng.at_pasids.size(),
                                   c.limit.charged(false)};
    for (const FakeDomain* domain : c.unit.domains) {
      all.push_back(domain->pages.size());
      all.push_back(domain->users());
    }
    all.push_back(reinterpret_cast<std::uint64_t>(c.rng.attached()));
    return all;
  }
  static constexpr MessageWindow messages{0x800'0000, 0x1'0000'0000, 0x2000};
};

template <class Prepare, class Act>
void sweep(const char* what, Prepare prepare, Act act) {
  long n = 0;
  long refused = 0;
  for (bool failed = true; failed; ++n) {
    SweptWorld world;
    prepare(world);
    const auto before = world.everything();
    base::Status status;
    {
      const FailingNew failing{n};
      status = act(world);
      failed = FailingNew::failed();
    }
    ASSERT_TRUE(status.ok() || failed) << what << ", allocation " << n;
    if (!status) {
      ++refused;
      ASSERT_EQ(status.error(), base::Errc::no_memory) << what << ", allocation " << n;
      ASSERT_EQ(world.everything(), before) << what << ", allocation " << n;
      ASSERT_TRUE(act(world)) << what << ", after allocation " << n << " failed";
    }
  }
  EXPECT_GT(refused, 0) << "nothing was tried";
  std::cout << what << ": " << n - 1 << " allocations, without " << refused << " of them refused\n";
}

base::Status attached(SweptWorld& world, std::uint32_t id, std::uint32_t pasid = no_pasid) {
  const auto result = world.c.context.attach(*world.device, id, pasid);
  return result ? base::Status{} : base::Status{result.error()};
}
const auto nothing = [](SweptWorld&) {};

TEST(AttachSweep, OfATableLeavesNothingBehind) {
  sweep("attach", nothing, [](SweptWorld& w) { return attached(w, w.paging); });
}
TEST(AttachSweep, OfAnIoasLeavesNothingBehind) {
  sweep("attach IOAS", nothing, [](SweptWorld& w) { return attached(w, w.ioas); });
}
TEST(AttachSweep, OfAPasidLeavesNothingBehind) {
  sweep("attach PASID", nothing, [](SweptWorld& w) { return attached(w, w.paging, 3); });
}
TEST(AttachSweep, OfAnotherTableLeavesTheOldOne) {
  sweep(
      "replace", [](SweptWorld& w) { ASSERT_TRUE(attached(w, w.plain)); },
      [](SweptWorld& w) { return attached(w, w.paging); });
}
TEST(AttachSweep, OfATableInPlaceOfAnAutomaticOneLeavesThat) {
  sweep(
      "replace automatic", [](SweptWorld& w) { ASSERT_TRUE(attached(w, w.ioas)); },
      [](SweptWorld& w) { return attached(w, w.paging); });
}
TEST(AttachSweep, OfABindLeavesNothingBehind) {
  Device* bound = nullptr;
  sweep("bind", nothing, [&](SweptWorld& w) {
    auto made = w.c.context.bind(w.c.second, {});
    bound = made ? *made : nullptr;
    if (bound != nullptr) {
      w.c.context.unbind(*bound);
    }
    return made ? base::Status{} : base::Status{made.error()};
  });
}

} // namespace
} // namespace sluice::iommufd::test
