#include <sluice/advise/calls.hpp>
#include <sluice/advise/watch.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>
#include <sluice/uapi/iommufd.hpp>
#include <sluice/uapi/vfio.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace sluice;
using advise::Watch;
using base::Errc;
using nlohmann::json;
namespace u = uapi::iommufd;

// Its own memory; address 0x1000 and below are bad.
class Caller final : public iommufd::Caller {
public:
  base::Status read(std::uint64_t from, std::span<std::byte> into) override {
    if (from <= 0x1000) {
      return Errc::bad_address;
    }
    std::memcpy(into.data(), reinterpret_cast<const void*>(from), into.size());
    return {};
  }
  base::Status write(std::uint64_t, std::span<const std::byte>) override { return Errc::bad_address; }
};

struct Seen {
  std::vector<json> lines{};
  std::vector<std::string> explained{};
  Caller caller{};
  advise::Recorder recorder{caller, [this](std::string_view line) {
                              EXPECT_TRUE(line.ends_with("}\n"));
                              lines.push_back(json::parse(line));
                            }};
  Watch watch{3, caller, &recorder, [this](std::string_view text) { explained.emplace_back(text); }};

  template <class T>
  void call(const T& request, const T& answer, base::Status status = {}) {
    watch.on_call(
        {u::call(T::nr), std::as_bytes(std::span{&request, 1}), std::as_bytes(std::span{&answer, 1}), 0, status});
  }
  // vIOMMU 4 and, made from it, HWPT 6.
  void make_nested() {
    call(u::ViommuAlloc{.type = 1, .dev_id = 1, .hwpt_id = 3}, u::ViommuAlloc{.out_viommu_id = 4});
    call(u::HwptAlloc{.dev_id = 1, .pt_id = 4}, u::HwptAlloc{.dev_id = 1, .pt_id = 4, .out_hwpt_id = 6});
  }
  void invalidate(std::uint32_t id, base::Status status, std::uint32_t reserved = 0) {
    const u::HwptInvalidate request{.hwpt_id = id, .entry_len = 16, .entry_num = 1, .reserved = reserved};
    call(request, u::HwptInvalidate{.hwpt_id = id}, status);
  }
};

TEST(Recorder, WritesWhatWasAskedAndWhatWasAnswered) {
  Seen seen;
  seen.call(u::IoasMap{.flags = 7, .ioas_id = 2, .user_va = 0x7f0000000000, .length = 4096},
            u::IoasMap{.flags = 7, .ioas_id = 2, .user_va = 0x7f0000000000, .length = 4096, .iova = 0x40000000});
  ASSERT_EQ(seen.lines.size(), 1U);
  EXPECT_EQ(seen.lines[0], json::parse(R"({"n":1,"iommufd":3,"call":"IOAS_MAP",
    "request":{"flags":7,"ioas_id":2,"user_va":"0x7f0000000000","length":"0x1000","iova":"0x0"},
    "answer":{"iova":"0x40000000"}})"));
}

TEST(Recorder, ShowsTheDataThatACallPointsAt) {
  Seen seen;
  const std::array<uapi::arm_smmuv3::Invalidation, 2> entries{{{{0x30, 0}}, {{0x11, 5}}}};
  const u::HwptInvalidate request{.hwpt_id = 4,
                                  .data_uptr = reinterpret_cast<std::uint64_t>(entries.data()),
                                  .data_type = 1,
                                  .entry_len = 16,
                                  .entry_num = 2};
  seen.call(request, u::HwptInvalidate{.entry_num = 1}, Errc::illegal_command);
  EXPECT_EQ(seen.lines[0]["data"], (json{"0x30", "0x0", "0x11", "0x5"}));
  EXPECT_EQ(seen.lines[0]["answer"], (json{{"entry_num", 1}}));
  EXPECT_EQ(seen.lines[0]["errno"], "EIO");
}

TEST(Recorder, ShowsNoMoreOfAnAnswersDataThanWasAnswered) {
  Seen seen;
  const std::array<u::IovaRange, 3> ranges{{{1, 2}, {3, 4}, {0xdead, 0xbeef}}};
  const u::IoasIovaRanges request{
      .ioas_id = 2, .num_iovas = 3, .allowed_iovas = reinterpret_cast<std::uint64_t>(ranges.data())};
  seen.call(request, u::IoasIovaRanges{.num_iovas = 2, .out_iova_alignment = 4096});
  EXPECT_EQ(seen.lines[0]["data"], (json{"0x1", "0x2", "0x3", "0x4"}));
}

TEST(Recorder, SaysSoWhereDataCannotBeRead) {
  Seen seen;
  seen.call(u::HwptInvalidate{.data_uptr = 0x1000, .entry_len = 16, .entry_num = 1}, u::HwptInvalidate{},
            Errc::bad_address);
  EXPECT_EQ(seen.lines[0]["data"], "cannot be read");
  EXPECT_EQ(seen.lines[0]["errno"], "EFAULT");
}

TEST(Recorder, ShowsNoMoreThanAPageOfData) {
  Seen seen;
  const std::vector<std::uint64_t> words(1024);
  seen.call(u::HwptInvalidate{.data_uptr = reinterpret_cast<std::uint64_t>(words.data()),
                              .entry_len = 0xffffffff,
                              .entry_num = 0xffffffff},
            u::HwptInvalidate{});
  EXPECT_EQ(seen.lines[0]["data"].size(), 512U);
}

TEST(Recorder, ShowsADevicesCallsAsFarAsTheirStructureReaches) {
  Seen seen;
  uapi::vfio::AttachIommufdPt attach{.argsz = 12, .pt_id = 2};
  const auto before = std::as_bytes(std::span{&attach, 1}).first(12);
  const std::vector<std::byte> request{before.begin(), before.end()};
  attach.pt_id = 5;
  seen.recorder.record_device(1, uapi::vfio::device_attach_iommufd_pt, request, before, 0);
  EXPECT_EQ(seen.lines[0], json::parse(R"({"n":1,"vfio":1,"call":"DEVICE_ATTACH_IOMMUFD_PT",
    "request":{"flags":0,"pt_id":2},"answer":{"pt_id":5}})"));
  seen.recorder.record_device(1, uapi::vfio::device_attach_iommufd_pt, std::span{request}.first(8), {}, EINVAL);
  EXPECT_EQ(seen.lines[1]["request"], (json{{"flags", 0}}));
  EXPECT_EQ(seen.lines[1]["errno"], "EINVAL");
  seen.recorder.record_device(1, 0x3b01, {}, {}, ENOTTY);
  EXPECT_EQ(seen.lines[2]["call"], "0x3b01");
}

TEST(Calls, EachOfTheInterfaceHasANameAndFieldsWithinItsStructure) {
  for (std::uint32_t nr = u::Destroy::nr; nr <= u::HwQueueAlloc::nr; ++nr) {
    const auto* const call = advise::find_call(u::call(nr));
    ASSERT_NE(call, nullptr) << nr;
    EXPECT_FALSE(call->name.empty());
    for (const auto& field : call->fields) {
      EXPECT_TRUE(field.offset >= 4 && field.offset + field.size <= 64) << field.name;
    }
  }
  EXPECT_EQ(advise::find_call(u::call(u::HwQueueAlloc::nr + 1)), nullptr);
}

TEST(Explainer, AMissingCacheInvalidateIsExplainedOnce) {
  Seen seen;
  seen.make_nested();
  seen.invalidate(4, Errc::unsupported);
  seen.invalidate(4, Errc::unsupported);
  ASSERT_EQ(seen.explained.size(), 1U);
  EXPECT_NE(seen.explained[0].find("vIOMMU 4 is answered EOPNOTSUPP, entry_num 0"), std::string::npos);
  EXPECT_NE(seen.explained[0].find("null pointer, and the host panicked"), std::string::npos);
}

TEST(Explainer, AnInvalidateOfANestedHwptIsToldWhichVIommuIsMeant) {
  Seen seen;
  seen.make_nested();
  seen.invalidate(6, Errc::unsupported);
  ASSERT_EQ(seen.explained.size(), 1U);
  EXPECT_NE(seen.explained[0].find("nested HWPT 6"), std::string::npos);
  EXPECT_NE(seen.explained[0].find("hwpt_id = 4"), std::string::npos);
}

TEST(Explainer, IsSilentWhereTheReasonIsPlain) {
  Seen seen;
  seen.make_nested();
  seen.invalidate(4, {});
  seen.invalidate(4, Errc::illegal_command);
  seen.invalidate(4, Errc::unsupported, 1); // a reserved field
  seen.invalidate(3, Errc::unsupported);    // neither
  seen.call(u::Destroy{.id = 6}, u::Destroy{});
  seen.invalidate(6, Errc::unsupported); // not any more
  EXPECT_TRUE(seen.explained.empty());
}

TEST(Explainer, AProbeWithoutEntriesIsToldWhatToSend) {
  Seen seen;
  seen.make_nested();
  for (int i = 0; i < 2; ++i) {
    seen.call(u::HwptInvalidate{.hwpt_id = 4, .data_type = 1}, u::HwptInvalidate{.hwpt_id = 4}, Errc::invalid_argument);
  }
  ASSERT_EQ(seen.explained.size(), 1U);
  EXPECT_NE(seen.explained[0].find("vIOMMU 4 has no entry"), std::string::npos);
}

TEST(Explainer, AStreamThatNobodyHasIsToldWhichEntryItIsIn) {
  Seen seen;
  seen.make_nested();
  seen.call(u::VdeviceAlloc{.viommu_id = 4, .dev_id = 1, .virt_id = 0x12},
            u::VdeviceAlloc{.viommu_id = 4, .dev_id = 1, .out_vdevice_id = 7, .virt_id = 0x12});
  // TLBI_NSNH_ALL, and CFGI_CD_ALL of a StreamID.
  std::array<uapi::arm_smmuv3::Invalidation, 2> entries{{{{0x30, 0}}, {{0x06 | 0x12ULL << 32, 0}}}};
  const u::HwptInvalidate request{.hwpt_id = 4,
                                  .data_uptr = reinterpret_cast<std::uint64_t>(entries.data()),
                                  .data_type = 1,
                                  .entry_len = 16,
                                  .entry_num = 2};
  const auto refused = [&](std::uint32_t done) {
    seen.call(request, u::HwptInvalidate{.hwpt_id = 4, .entry_num = done}, Errc::illegal_command);
    return seen.explained.size();
  };
  EXPECT_EQ(refused(1), 0U) << "it has a vDEVICE: something else is wrong";
  EXPECT_EQ(refused(0), 0U) << "no StreamID";
  entries[1].cmd[0] = 0x06 | 0x13ULL << 32;
  EXPECT_EQ(refused(1), 1U);
  EXPECT_NE(seen.explained[0].find("entry 1 names StreamID 19"), std::string::npos);
  EXPECT_EQ(refused(1), 1U) << "once";
}

TEST(Explainer, AWrongOrderOfDestructionIsToldWhatHoldsIt) {
  Seen seen;
  seen.make_nested();
  seen.call(u::Destroy{.id = 5}, u::Destroy{}, Errc::busy);
  EXPECT_TRUE(seen.explained.empty()) << "nothing of what is known holds it";
  seen.call(u::Destroy{.id = 4}, u::Destroy{}, Errc::busy);
  ASSERT_EQ(seen.explained.size(), 1U);
  EXPECT_NE(seen.explained[0].find("held by nested HWPT 6."), std::string::npos);
  seen.call(u::Destroy{.id = 3}, u::Destroy{}, Errc::busy);
  EXPECT_EQ(seen.explained.size(), 1U) << "once";
}

} // namespace
