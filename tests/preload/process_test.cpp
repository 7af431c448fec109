#include "rig.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace {

using namespace sluice::preload::test;
using nlohmann::json;

// The machine has nothing left of the client, and was taken down.
void expect_nothing_left(const json& account) {
  EXPECT_TRUE(account["torn_down"]);
  for (const auto& [what, count] : account["left_behind"].items()) {
    EXPECT_EQ(count, 0) << what;
  }
}

json read_json(const std::filesystem::path& path) {
  std::ifstream file{path};
  return json::parse(file, nullptr, false);
}

// Runs a check of the client's, and looks at how it leaves the machine.
void expect_good(const std::vector<std::string>& what, const std::vector<std::string>& options = {}) {
  const Folder folder;
  auto all = options;
  all.insert(all.end(), {"--report", folder / "account.json"});
  const Outcome outcome = exec(all, client(what));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "ok\n");
  EXPECT_EQ(outcome.err, "");
  expect_nothing_left(read_json(folder / "account.json"));
}

TEST(Descriptors, AreDuplicatedClosedAndUsedAgainAsTheKernelsAre) { expect_good({"descriptors"}); }

TEST(Descriptors, AreNoChildsButTheParentsGoOn) { expect_good({"children"}); }

TEST(Descriptors, OfSeveralThreadsAtOnceAreEachTheirOwn) { expect_good({"threads"}); }

TEST(Descriptors, ThatAreGivenAreThereFromTheStart) {
  expect_good({"given", "40", "41"}, {"--fd", "40=iommu", "--fd", "41=0000:00:03.0"});
}

TEST(Descriptors, AGivenNumberThatIsOpenIsRefused) {
  const Outcome outcome = exec({"--fd", "1=iommu"}, client({"exit", "0"}));
  EXPECT_EQ(outcome.status, 125);
  EXPECT_EQ(outcome.err, "sluice: descriptor 1 was to become iommu, but is open already; expected a number that is "
                         "free\n");
}

TEST(Descriptors, AGivenNumberThatIsTooLargeIsRefused) {
  const Outcome outcome = exec({"--fd", "70000=iommu"}, client({"exit", "0"}));
  EXPECT_EQ(outcome.status, 125);
  EXPECT_EQ(outcome.err, "sluice: descriptor 70000 cannot be made: expected a number below `ulimit -n` and 65536\n");
}

TEST(Descriptors, AGivenFunctionThatTheMachineHasNotIsRefused) {
  const Outcome outcome = exec({"--fd", "40=0000:00:1f.0"}, client({"exit", "0"}));
  EXPECT_EQ(outcome.status, 125);
  EXPECT_NE(outcome.err.find("such as 0000:00:03.0"), std::string::npos) << outcome.err;
}

TEST(Descriptors, OfAGuestsDeviceCloseInAnyOrder) { expect_good({"closing"}); }

TEST(Mapping, OfAnEnginesRingIsWhereItsJobsAreGiven) {
  const Folder folder;
  std::ofstream{folder / "machine.json"} << R"({"smmus": [{}], "functions": [
    {"address": "0000:00:03.0"}, {"address": "0000:00:05.0", "kind": "copy-engine"}]})";
  const Outcome outcome =
      exec({"--machine", folder / "machine.json", "--report", folder / "account.json"}, client({"mapped"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const json account = read_json(folder / "account.json");
  expect_nothing_left(account);
  EXPECT_EQ(account["engines"][0]["jobs"], 2 * 600 + 1);
  EXPECT_EQ(account["engines"][0]["bytes"], 2 * 600 * 512);
  EXPECT_EQ(account["engines"][0]["aborted"], 1);
}

TEST(Invalidate, OfANestedHwptIsRefusedAndExplained) {
  const Folder folder;
  const Outcome outcome = exec({"--report", folder / "account.json"}, client({"invalidate-nested"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("names the nested HWPT 7 and is answered EOPNOTSUPP, entry_num 0"), std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find("hwpt_id = 4 here"), std::string::npos) << outcome.err;
  expect_nothing_left(read_json(folder / "account.json"));
}

// Each once, whatever comes twice.
TEST(Traps, ThatAVmmStepsIntoAreEachExplained) {
  const Folder folder;
  std::ofstream{folder / "machine.json"} << R"({"smmus": [{"features": {"httu": 2}}],
                                                "functions": [{"address": "0000:00:03.0"}]})";
  const Outcome outcome =
      exec({"--machine", folder / "machine.json", "--report", folder / "account.json"}, client({"traps"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const char* said :
       {"vIOMMU 4 has no entry and is answered EINVAL",
        "entry 0 names StreamID 2304, and no vDEVICE of this vIOMMU has it: EIO",
        "IOMMU_DESTROY of 4 is answered EBUSY: it is still held by vDEVICE 5.",
        "The guest goes by IDR0.HTTU: its CD of SubstreamID 0x0 in nested HWPT 6 has HA, HD or HAFT",
        "names the nested HWPT 6 and is answered EOPNOTSUPP",
        "device 1 (vDEVICE 5, StreamID 0x900 to the guest) on nested HWPT 6 has used IOVA 0x10001000",
        "One entry on vIOMMU 4 is enough: CMD_TLBI_NH_VA {0x4000000000012, 0x10001001}"}) {
    const auto at = outcome.err.find(said);
    ASSERT_NE(at, std::string::npos) << said << "\n" << outcome.err;
    EXPECT_EQ(outcome.err.find(said, at + 1), std::string::npos) << said;
  }
  expect_nothing_left(read_json(folder / "account.json"));
}

TEST(Paths, LeadAVmmToAFunctionAsSysfsDoes) { expect_good({"paths"}); }

TEST(Markers, SetWhatQemuAsksForKvmAndSetItBack) {
  const Outcome outcome = exec({}, client({"markers"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST(Markers, InAProgramWithoutTheVariablesAreRefusedByName) {
  const Outcome outcome = exec({}, {"cat", "/dev/sluice/accel-on"});
  EXPECT_EQ(outcome.status, 125);
  EXPECT_NE(outcome.err.find("does not export 'kvm_allowed'"), std::string::npos) << outcome.err;
}

TEST(Example, RunsUnchanged) {
  const Folder folder;
  const Outcome outcome = exec({"--report", folder / "account.json"}, {built() / "example-hwpt"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("invalidation commands executed               2 of 2\n"), std::string::npos)
      << outcome.out;
  EXPECT_TRUE(outcome.out.ends_with("everything is destroyed\n"));
  expect_nothing_left(read_json(folder / "account.json"));
}

TEST(Example, WithoutCacheInvalidateIsToldWhyNothingWasInvalidated) {
  const Folder folder;
  const Outcome outcome =
      exec({"--without", "cache_invalidate", "--report", folder / "account.json"}, {built() / "example-hwpt"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.out.find("invalidation commands executed               0 of 2\n"), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.err.find("the driver below has no cache_invalidate"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("invalidate: Operation not supported"), std::string::npos) << outcome.err;
  expect_nothing_left(read_json(folder / "account.json"));
  const Outcome next = exec({}, {built() / "example-hwpt"});
  EXPECT_EQ(next.status, 0) << next.err;
  EXPECT_EQ(next.err, "");
}

TEST(Example, AVirtualSmmuRunsOnDevIommu) {
  const Folder folder;
  const Outcome outcome = exec({"--report", folder / "account.json"}, {built() / "example-vsmmu"});
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  EXPECT_NE(outcome.out.find("on the guest's tables: yes\n"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("3 commands, 2 of them invalidations of the host's in 1 call, 1 SYNC\n"),
            std::string::npos)
      << outcome.out;
  EXPECT_EQ(outcome.err, "");
  expect_nothing_left(read_json(folder / "account.json"));
}

TEST(Example, AVirtualSmmuDoesNotStartWhereNothingCanBeInvalidated) {
  const Outcome outcome = exec({"--without", "cache_invalidate"}, {built() / "example-vsmmu"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "the host does not take the device\n");
}

TEST(Example, ARecordHasEveryCallInItsOrder) {
  const Folder folder;
  const Outcome outcome = exec({"--record", folder / "record"}, {built() / "example-hwpt"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::ifstream file{folder / "record"};
  std::vector<std::string> calls;
  json invalidate;
  for (std::string line; std::getline(file, line);) {
    const auto call = json::parse(line, nullptr, false);
    ASSERT_TRUE(call.is_object()) << line;
    calls.push_back(call["call"]);
    EXPECT_EQ(call["n"], calls.size());
    if (calls.back() == "HWPT_INVALIDATE") {
      invalidate = call;
    }
  }
  EXPECT_EQ(calls, (std::vector<std::string>{"DEVICE_BIND_IOMMUFD", "IOAS_ALLOC", "IOAS_MAP", "HWPT_ALLOC",
                                             "DEVICE_ATTACH_IOMMUFD_PT", "VIOMMU_ALLOC", "VDEVICE_ALLOC", "HWPT_ALLOC",
                                             "DEVICE_ATTACH_IOMMUFD_PT", "HWPT_INVALIDATE", "DEVICE_ATTACH_IOMMUFD_PT",
                                             "DEVICE_DETACH_IOMMUFD_PT", "DESTROY", "DESTROY", "DESTROY", "DESTROY",
                                             "DESTROY"}));
  EXPECT_EQ(invalidate["data"], (json{"0x90000000005", "0x1", "0x4000000000011", "0x0"}));
  EXPECT_EQ(invalidate["answer"]["entry_num"], 2);
}

TEST(Library, NeedsGlibcOnlyAndShowsOnlyWhatItPutsBefore) {
  const Outcome needed = run({"readelf", "-dW", built() / "libsluice-preload.so"});
  ASSERT_EQ(needed.status, 0);
  std::istringstream lines{needed.out};
  for (std::string line; std::getline(lines, line);) {
    if (line.find("(NEEDED)") != std::string::npos) {
      EXPECT_TRUE(line.find("[libc.so") != std::string::npos || line.find("[ld-linux") != std::string::npos ||
                  line.find("[libm.so") != std::string::npos)
          << line;
    }
  }
  const Outcome shown = run({"nm", "-D", "--defined-only", built() / "libsluice-preload.so"});
  ASSERT_EQ(shown.status, 0);
  EXPECT_EQ(shown.out.find(" _Z"), std::string::npos) << "names of C++ are shown";
  EXPECT_NE(shown.out.find(" T ioctl\n"), std::string::npos);
}

} // namespace
