#include "guest.hpp"
#include "monitor.hpp"

#include <array>
#include <cerrno>
#include <functional>

// Each allocation of the driver's failing in turn under the calls of a monitor.
namespace sluice::machine::test {
namespace {

namespace u = uapi::arm_smmuv3;

HostConfig swept_host() {
  HostConfig config = small_host(0);
  auto& smmu = config.smmus[0];
  smmu.features.httu = 2;
  smmu.features.stall_model = 0;
  smmu.features.stall_max = 16;
  smmu.features.substreamid_bits = 12;
  config.engines.push_back(
      {.address = {.device = 8}, .engine = {.ats = {.capabilities = {.pasid_bits = 12}}}, .may_stall = true});
  return config;
}

class SweptClient : public testing::Test, protected Monitor {
protected:
  SweptClient() : Monitor{swept_host(), 0x40000} { EXPECT_EQ(iommu.map(ioas, 0x4000'0000, ram.at, ram.size), 0); }
  // 0 or errno. The id is in `made`.
  int table(std::uint32_t flags) {
    i::HwptAlloc c;
    c.flags = flags;
    c.dev_id = engine.id;
    c.pt_id = ioas;
    const int result = iommu.call(c);
    made = c.out_hwpt_id;
    return result;
  }
  std::uint64_t live() {
    host.port().sync.reclaim();
    return host.port().memory.counts().live();
  }
  // With the n-th allocation failing, alone or with all that follow: it is done all the same, or not at all. `renew`
  // gives back what is kept for the next time.
  void sweep(
      const std::string& what, const std::function<int()>& act, const std::function<void()>& undo,
      const std::function<void()>& renew = [] {}) {
    for (const std::uint64_t more : {std::uint64_t{0}, hosted::Memory::all}) {
      std::uint64_t n = 0;
      std::uint64_t refused = 0;
      for (bool failed = true; failed;) {
        const std::uint64_t before = live();
        const std::size_t objects = iommu.context->objects();
        const std::uint64_t failed_before = host.port().memory.counts().failed;
        host.port().memory.fail(++n, more);
        const int result = act();
        host.port().memory.fail(0);
        failed = host.port().memory.counts().failed != failed_before;
        ASSERT_TRUE(result == 0 || (failed && result == ENOMEM)) << what << ", allocation " << n << ": " << result;
        if (result == 0) {
          undo();
        }
        renew();
        ASSERT_EQ(live(), before) << what << ", allocation " << n;
        ASSERT_EQ(iommu.context->objects(), objects) << what << ", allocation " << n;
        refused += result == 0 ? 0 : 1;
      }
      EXPECT_TRUE(refused != 0 || n == 1 || more == 0) << what;
      std::printf("%s: %llu allocations%s, without %llu of them refused\n", what.c_str(),
                  static_cast<unsigned long long>(n - 1), more != 0 ? " and all after" : "",
                  static_cast<unsigned long long>(refused));
    }
  }
  void destroy(std::uint32_t id) { EXPECT_EQ(iommu.destroy(id), 0); }

  std::uint32_t made{};
};

TEST_F(SweptClient, ATableOfEachKindIsMadeOrNot) {
  for (const std::uint32_t flags :
       {0U, std::uint32_t{i::hwpt_nest_parent}, std::uint32_t{i::hwpt_dirty_tracking}, std::uint32_t{i::hwpt_pasid}}) {
    sweep(
        "HWPT_ALLOC with flags " + std::to_string(flags), [&] { return table(flags); }, [&] { destroy(made); });
  }
}

// Tables that have become empty stay until their domain goes.
TEST_F(SweptClient, AMappingIsInAllTablesOrInNone) {
  constexpr std::uint64_t iova = 1ULL << 36;
  std::array<std::uint32_t, 2> tables{};
  const auto make = [&] {
    ASSERT_EQ(table(0), 0);
    tables[0] = made;
    ASSERT_EQ(table(i::hwpt_nest_parent), 0);
    tables[1] = made;
  };
  make();
  sweep(
      "IOAS_MAP", [&] { return iommu.map(ioas, iova, ram.at, 4 * page); },
      [&] { EXPECT_EQ(iommu.unmap(ioas, iova, 4 * page), 0); },
      [&] {
        EXPECT_EQ(iommu.unmap(ioas, iova, 4 * page), ENOENT);
        destroy(tables[0]);
        destroy(tables[1]);
        make();
      });
}

TEST_F(SweptClient, WhatAGuestIsGivenIsMadeOrNot) {
  ASSERT_EQ(table(i::hwpt_nest_parent), 0);
  i::ViommuAlloc viommu;
  viommu.type = u::viommu_type;
  viommu.dev_id = engine.id;
  viommu.hwpt_id = made;
  sweep(
      "VIOMMU_ALLOC", [&] { return iommu.call(viommu); }, [&] { destroy(viommu.out_viommu_id); });
  ASSERT_EQ(iommu.call(viommu), 0);
  i::VdeviceAlloc vdevice;
  vdevice.viommu_id = viommu.out_viommu_id;
  vdevice.dev_id = engine.id;
  vdevice.virt_id = 7;
  sweep(
      "VDEVICE_ALLOC", [&] { return iommu.call(vdevice); }, [&] { destroy(vdevice.out_vdevice_id); });
  const u::NestedSte ste = guest_config(arch::SteConfig::bypass);
  i::HwptAlloc nested;
  nested.dev_id = engine.id;
  nested.pt_id = viommu.out_viommu_id;
  nested.data_type = u::hwpt_data_type;
  nested.data_len = sizeof ste;
  nested.data_uptr = pointer(&ste);
  sweep(
      "HWPT_ALLOC on a vIOMMU", [&] { return iommu.call(nested); }, [&] { destroy(nested.out_hwpt_id); });
}

TEST_F(SweptClient, ADeviceIsAttachedOrNot) {
  ASSERT_EQ(table(i::hwpt_pasid), 0);
  const std::uint32_t one = made;
  ASSERT_EQ(table(i::hwpt_pasid), 0);
  const std::uint32_t two = made;
  sweep(
      "ATTACH", [&] { return engine.attach(one); }, [&] { EXPECT_EQ(engine.detach(), 0); });
  sweep(
      "ATTACH of an IOAS", [&] { return engine.attach(ioas); }, [&] { EXPECT_EQ(engine.detach(), 0); });
  sweep(
      "ATTACH of a PASID", [&] { return engine.attach(one, 5); }, [&] { EXPECT_EQ(engine.detach(5), 0); });
  ASSERT_EQ(engine.attach(one), 0);
  const auto again = [&] { // without the table of CDs that the RID keeps
    EXPECT_EQ(engine.detach(), 0);
    EXPECT_EQ(engine.attach(one), 0);
  };
  sweep(
      "ATTACH of a PASID beside the RID", [&] { return engine.attach(one, 0x805); },
      [&] { EXPECT_EQ(engine.detach(0x805), 0); }, again);
  sweep(
      "replace", [&] { return engine.attach(two); }, [] {}, again);
  ASSERT_EQ(engine.attach(one, 5), 0);
  sweep(
      "replace of a PASID", [&] { return engine.attach(two, 5); }, [&] { EXPECT_EQ(engine.attach(one, 5), 0); });
}

TEST_F(SweptClient, WhatIsWrittenIsToldOrNot) {
  ASSERT_EQ(table(i::hwpt_dirty_tracking), 0);
  i::HwptSetDirtyTracking set;
  set.flags = i::dirty_tracking_enable;
  set.hwpt_id = made;
  sweep(
      "HWPT_SET_DIRTY_TRACKING", [&] { return iommu.call(set); }, [] {});
  std::uint64_t bits = 0;
  i::HwptGetDirtyBitmap get;
  get.hwpt_id = made;
  get.iova = 0x4000'0000;
  get.length = 64 * page;
  get.page_size = page;
  get.data = pointer(&bits);
  sweep(
      "HWPT_GET_DIRTY_BITMAP", [&] { return iommu.call(get); }, [] {});
}

} // namespace
} // namespace sluice::machine::test
