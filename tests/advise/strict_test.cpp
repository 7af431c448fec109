#include <sluice/advise/unlisted.hpp>
#include <sluice/advise/watch.hpp>
#include <sluice/arch/commands.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

// What only the guest's tables, and the hardware that goes by them, can show of a VMM.
namespace {

using namespace sluice;
using arch::Cd;
using arch::Command;
using arch::Ste;
namespace cmd = arch::cmd;
namespace u = uapi::iommufd;
namespace smmu = uapi::arm_smmuv3;

class OwnMemory final : public iommufd::Caller {
public:
  base::Status read(std::uint64_t from, std::span<std::byte> into) override {
    std::memcpy(into.data(), reinterpret_cast<const void*>(from), into.size());
    return {};
  }
  base::Status write(std::uint64_t, std::span<const std::byte>) override { return base::Errc::bad_address; }
};

// Words by their address; what is not there is not mapped.
class GuestTables final : public iommufd::TableMemory {
public:
  base::Status read(std::uint32_t hwpt, std::uint64_t address, std::span<std::byte> into) override {
    EXPECT_EQ(hwpt, 6U);
    for (std::size_t at = 0; at < into.size(); at += 8) {
      const auto word = words.find(address + at);
      if (word == words.end()) {
        return base::Errc::not_found;
      }
      std::memcpy(&into[at], &word->second, 8);
    }
    return {};
  }
  template <class T>
  void put(std::uint64_t address, const T& structure) {
    for (std::size_t n = 0; n < T::word_count; ++n) {
      words[address + 8 * n] = structure.w[n];
    }
  }
  std::map<std::uint64_t, std::uint64_t> words;
};

class StrictMode : public testing::Test {
protected:
  static constexpr std::uint32_t device = 1, viommu = 4, vdevice = 5, nested = 6;
  static constexpr std::uint64_t vsid = 0x900, cds = 0x4000'0000;

  template <class T>
  void call(const T& request, const T& answer) {
    watch.on_call({u::call(T::nr), std::as_bytes(std::span{&request, 1}), std::as_bytes(std::span{&answer, 1}), 0,
                   base::Status{}, &tables});
  }
  void get_hw_info(std::uint64_t capabilities = 0) {
    const u::GetHwInfo request{
        .dev_id = device, .data_len = sizeof info, .data_uptr = reinterpret_cast<std::uint64_t>(&info)};
    u::GetHwInfo answer = request;
    answer.data_type = smmu::hw_info_type;
    answer.out_capabilities = capabilities;
    call(request, answer);
  }
  void make_viommu() {
    call(u::ViommuAlloc{.type = 1, .dev_id = device, .hwpt_id = 3},
         u::ViommuAlloc{.type = 1, .dev_id = device, .hwpt_id = 3, .out_viommu_id = viommu});
    const u::VdeviceAlloc name{.viommu_id = viommu, .dev_id = device, .out_vdevice_id = vdevice, .virt_id = vsid};
    call(name, name);
  }
  void make_nested(const Ste& ste) {
    const std::array words{ste.w[0], ste.w[1]};
    u::HwptAlloc made{.dev_id = device,
                      .pt_id = viommu,
                      .data_type = smmu::hwpt_data_type,
                      .data_len = sizeof words,
                      .data_uptr = reinterpret_cast<std::uint64_t>(words.data())};
    const u::HwptAlloc request = made;
    made.out_hwpt_id = nested;
    call(request, made);
  }
  void invalidate(const Command& command) {
    u::HwptInvalidate request{.hwpt_id = viommu,
                              .data_uptr = reinterpret_cast<std::uint64_t>(&command),
                              .data_type = 1,
                              .entry_len = 16,
                              .entry_num = 1};
    call(request, request);
  }
  static Ste stage1() {
    return Ste{}.with(Ste::V, 1).with(Ste::Config, arch::SteConfig::stage1).with(Ste::S1ContextPtr, cds);
  }
  static Cd plain() { return Cd{}.with(Cd::V, 1).with(Cd::AA64, 1); }
  bool said(std::string_view text) const {
    return explained.size() == 1 && explained[0].find(text) != std::string::npos;
  }

  smmu::HwInfo info{};
  GuestTables tables;
  OwnMemory caller;
  std::vector<std::string> explained;
  advise::Watch watch{1, caller, nullptr, [this](std::string_view text) { explained.emplace_back(text); }};
};

TEST_F(StrictMode, AGuestThatSetsAccessFlagsHasBeenShownHttu) {
  info.idr[0] = arch::IDR0{}.with(arch::IDR0::HTTU, arch::Httu::access).raw();
  get_hw_info();
  make_viommu();
  tables.put(cds, plain().with(Cd::HA, 1));
  make_nested(stage1());
  EXPECT_TRUE(said("The guest goes by IDR0.HTTU: its CD of SubstreamID 0x0 in nested HWPT 6 has HA, HD or HAFT"));
  invalidate(cmd::cfgi_cd(vsid, 0, true));
  EXPECT_EQ(explained.size(), 1U) << "once";
}

TEST_F(StrictMode, EachFieldIsSeenByItsUseAndOnlyWhereTheHostHasIt) {
  const std::vector<std::pair<std::string, Cd>> uses{
      {"IDR0.HTTU", plain().with(Cd::HD, 1)},     {"IDR3.HAD", plain().with(Cd::HAD1, 1)},
      {"IDR3.PBHA", plain().with(Cd::HWU161, 1)}, {"IDR3.E0PD", plain().with(Cd::E0PD0, 1)},
      {"IDR3.EPAN", plain().with(Cd::EPAN, 1)},   {"IDR3.S1PI", plain().with(Cd::PIE, 1)},
      {"IDR3.AIE", plain().with(Cd::AIE, 1)},     {"IDR3.MPAM", plain().with(Cd::PARTID, 3)}};
  smmu::HwInfo all;
  all.idr[0] = arch::IDR0{}.with(arch::IDR0::HTTU, arch::Httu::access_dirty).raw();
  all.idr[3] = ~0U;
  ASSERT_EQ(uses.size(), advise::unlisted_fields().size());
  for (std::size_t n = 0; n < uses.size(); ++n) {
    const advise::Unlisted& field = advise::unlisted_fields()[n];
    EXPECT_EQ(field.field, uses[n].first);
    EXPECT_TRUE(field.there(all) && !field.there({}));
    EXPECT_TRUE(field.used(uses[n].second) && !field.used(plain()));
  }
}

TEST_F(StrictMode, ACdThatIsWrittenLaterIsLookedAtWhenItIsInvalidated) {
  info.idr[3] = arch::IDR3{}.with(arch::IDR3::HAD, 1).raw();
  get_hw_info();
  make_viommu();
  tables.put(cds, plain());
  make_nested(stage1().with(Ste::S1CDMax, 8).with(Ste::S1Fmt, arch::S1Format::two_level_4k));
  const std::uint32_t ssid = 65;
  tables.put(cds + 8, arch::L1Cd{}.with(arch::L1Cd::V, 1).with(arch::L1Cd::L2Ptr, cds + 0x1000));
  tables.put(cds + 0x1000 + 64, plain().with(Cd::HAD0, 1));
  invalidate(cmd::cfgi_cd(vsid + 1, ssid, true));
  EXPECT_TRUE(explained.empty()) << "another device's";
  invalidate(cmd::cfgi_cd(vsid, ssid, true));
  EXPECT_TRUE(said("IDR3.HAD: its CD of SubstreamID 0x41"));
}

TEST_F(StrictMode, AtsIsEachDevicesOwnAndNotIdr0s) {
  info.idr[0] = arch::IDR0{}.with(arch::IDR0::ATS, 1).raw();
  get_hw_info();
  make_viommu();
  make_nested(stage1().with(Ste::EATS, arch::Eats::full));
  EXPECT_TRUE(explained.empty()) << "the device has it";
  get_hw_info(u::hw_cap_ats_not_supported);
  make_nested(stage1().with(Ste::EATS, arch::Eats::full));
  EXPECT_TRUE(said("IDR0.ATS: its STE in nested HWPT 6 has EATS"));
}

TEST_F(StrictMode, WhatIsListedOrWasNeverHandedOverIsNoTrap) {
  tables.put(cds, plain().with(Cd::HA, 1).with(Cd::S, 1).with(Cd::ASID, 0xffff));
  make_viommu();
  make_nested(stage1().with(Ste::S1STALLD, 1)); // nobody has asked for ID registers
  info.idr[3] = arch::IDR3{}.with(arch::IDR3::RIL, 1).raw();
  get_hw_info(); // which have no HTTU
  make_nested(stage1());
  tables.words.clear(); // nor can the CD be read
  make_nested(stage1());
  EXPECT_TRUE(explained.empty());
}

TEST_F(StrictMode, AMissingInvalidationIsNamedWithItsDeviceAndEntry) {
  const iommufd::Placement at{device, nested, viommu, vdevice, vsid};
  model::StaleUse use{.kind = model::StaleKind::translation,
                      .stream_id = 0x18,
                      .address = 0x1000'1234,
                      .cached = 0x8000'0000,
                      .missing = cmd::tlbi_nh_va(7, 4, 0x1000'1000, true)};
  watch.on_stale_use(at, use);
  EXPECT_TRUE(said("device 1 (vDEVICE 5, StreamID 0x900 to the guest) on nested HWPT 6 has used IOVA 0x10001234"));
  EXPECT_TRUE(said("that was translated to 0x80000000, and the tables have nothing there"));
  EXPECT_TRUE(said("One entry on vIOMMU 4 is enough: CMD_TLBI_NH_VA {0x4000000000012, 0x10001001}"))
      << "without the host's VMID";
  watch.on_stale_use(at, use);
  EXPECT_EQ(explained.size(), 1U) << "once";
}

TEST_F(StrictMode, TheEntryHasTheGuestsStreamID) {
  watch.on_stale_use({device, nested, viommu, vdevice, vsid}, {.kind = model::StaleKind::cd,
                                                               .stream_id = 0x18,
                                                               .substream_id = 3,
                                                               .address = 0x5000,
                                                               .cached = 0x11,
                                                               .memory = 0x12,
                                                               .missing = cmd::cfgi_cd(0x18, 3, true)});
  EXPECT_TRUE(said("IOVA 0x5000, SubstreamID 0x3; its context descriptor was cached as 0x11..., and memory has 0x12"));
  EXPECT_TRUE(said("CMD_CFGI_CD {0x90000003005, 0x1}"));
}

TEST_F(StrictMode, OfAnAtcTheEntryIsAnAtcInv) {
  watch.on_stale_use({device, nested, viommu, vdevice, vsid}, {.kind = model::StaleKind::atc,
                                                               .stream_id = 0x18,
                                                               .address = 0x5000,
                                                               .cached = 0x9000,
                                                               .missing = cmd::atc_inv(0x18, 0x5000, 0)});
  EXPECT_TRUE(said("CMD_ATC_INV {0x90000000040, 0x5000}"));
}

TEST_F(StrictMode, WhatTheHostHasForgottenIsNotTheMonitors) {
  const model::StaleUse stage2{.kind = model::StaleKind::translation,
                               .missing = cmd::tlbi_s2_ipa(7, 0x4000'0000, true)};
  const model::StaleUse ste{.kind = model::StaleKind::ste, .missing = cmd::cfgi_ste(0x18, true)};
  const model::StaleUse stage1{.kind = model::StaleKind::translation, .missing = cmd::tlbi_nh_va(7, 4, 0x1000, true)};
  watch.on_stale_use({device, nested, viommu, vdevice, vsid}, stage2);
  watch.on_stale_use({device, nested, viommu, vdevice, vsid}, ste);
  watch.on_stale_use({device, nested, 0, 0, 0}, stage1); // on no nested HWPT: the tables are the host's
  EXPECT_TRUE(explained.empty());
}

} // namespace
