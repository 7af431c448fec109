#include "rig.hpp"

#include <tools/sluice/exec_command.hpp>

#include <gtest/gtest.h>

#include <fstream>

namespace {

using namespace sluice::preload::test;
using sluice::tool::mark_accelerated_smmus;
using Words = std::vector<std::string>;

std::string on(const char* address) {
  return std::string{"loader,file=/dev/sluice/accel-on,addr="} + address + ",force-raw=on";
}
std::string off(const char* address) {
  return std::string{"loader,file=/dev/sluice/accel-off,addr="} + address + ",force-raw=on";
}

TEST(QemuArguments, AnAcceleratedSmmuIsPutBetweenItsMarkers) {
  Words words{
      "/x/qemu-system-aarch64", "-device", "pxb-pcie,id=p", "-device", "arm-smmuv3,primary-bus=p,accel=on", "-device",
      "vfio-pci,host=0"};
  const auto found = mark_accelerated_smmus(words);
  EXPECT_TRUE(found.is_qemu);
  EXPECT_TRUE(found.accelerated_smmu);
  EXPECT_EQ(words,
            (Words{"/x/qemu-system-aarch64", "-device", "pxb-pcie,id=p", "-device", on("0xf000000"), "-device",
                   "arm-smmuv3,primary-bus=p,accel=on", "-device", off("0xf001000"), "-device", "vfio-pci,host=0"}));
}

TEST(QemuArguments, EachOfSeveralSmmusHasItsOwnMarkers) {
  Words words{"qemu-system-aarch64", "--device", "driver=arm-smmuv3,accel=true", "-device", "pxb-pcie", "-device",
              "arm-smmuv3,accel"};
  mark_accelerated_smmus(words);
  EXPECT_EQ(words, (Words{"qemu-system-aarch64", "-device", on("0xf000000"), "--device", "driver=arm-smmuv3,accel=true",
                          "-device", off("0xf001000"), "-device", "pxb-pcie", "-device", on("0xf002000"), "-device",
                          "arm-smmuv3,accel", "-device", off("0xf003000")}));
}

TEST(QemuArguments, DevicesInJsonComeLastInQemuAndSoDoTheirMarkers) {
  Words words{"qemu-system-aarch64", "-device", R"({"driver":"arm-smmuv3","accel":true})"};
  mark_accelerated_smmus(words);
  ASSERT_EQ(words.size(), 7U);
  EXPECT_EQ(words[2], R"({"driver":"loader","file":"/dev/sluice/accel-on","addr":251658240,"force-raw":true})");
  EXPECT_EQ(words[4], R"({"driver":"arm-smmuv3","accel":true})");
}

TEST(QemuArguments, WithoutAccelOrWithKvmNothingIsAdded) {
  for (Words words : {Words{"qemu-system-aarch64", "-device", "arm-smmuv3,primary-bus=p"},
                      Words{"qemu-system-aarch64", "-device", "arm-smmuv3,accel=off"},
                      Words{"qemu-system-aarch64", "-device", "vfio-pci,accel=on"},
                      Words{"qemu-system-aarch64", "-append", "arm-smmuv3,accel=on"},
                      Words{"qemu-system-aarch64", "-accel", "kvm", "-device", "arm-smmuv3,accel=on"},
                      Words{"qemu-system-aarch64", "-M", "virt,accel=kvm", "-device", "arm-smmuv3,accel=on"},
                      Words{"qemu-system-aarch64", "-device", R"({"driver":3,"accel":true})"},
                      Words{"another", "-device", "arm-smmuv3,accel=on"}, Words{"qemu-system-aarch64", "-device"}}) {
    const Words before = words;
    mark_accelerated_smmus(words);
    EXPECT_EQ(words, before);
  }
}

TEST(Exec, TheExitStatusIsTheProgramsAndSoAreItsArguments) {
  EXPECT_EQ(exec({}, client({"exit", "37"})).status, 37);
  EXPECT_EQ(exec({}, {"echo", "--machine", "[a,b]", "", "--", "x"}).out, "--machine [a,b]  -- x\n");
}

TEST(Exec, AProgramThatIsNotThereIs127) {
  const Outcome outcome = exec({}, {"/no/such/program"});
  EXPECT_EQ(outcome.status, 127);
  EXPECT_EQ(outcome.err, "sluice exec: there is no /no/such/program\n");
}

TEST(Exec, WhatCannotBePreloadedIsRefused) {
  const Folder folder;
  std::filesystem::copy_file(built() / "preload-client", folder / "other");
  std::fstream file{folder / "other", std::ios::in | std::ios::out | std::ios::binary};
  file.seekp(18); // e_machine
  file.put('\xb7').put('\0');
  file.close();
  const Outcome outcome = exec({}, {folder / "other"});
  EXPECT_EQ(outcome.status, 125);
  EXPECT_NE(outcome.err.find("is for another processor; expected a program for x86-64"), std::string::npos)
      << outcome.err;
}

TEST(Exec, AScriptMayStartTheProgram) {
  const Folder folder;
  std::ofstream{folder / "script"} << "#!/bin/sh\n" << (built() / "example-hwpt").string() << " | tail -n 1\nexit 5\n";
  std::filesystem::permissions(folder / "script", std::filesystem::perms::owner_all);
  const Outcome outcome = exec({}, {folder / "script"});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.out, "everything is destroyed\n") << outcome.err;
}

TEST(Exec, AMachineFileThatIsWrongIsRefusedWithThePlace) {
  const Folder folder;
  std::ofstream{folder / "machine.json"} << R"({"smmus": 3})";
  const Outcome outcome = exec({"--machine", folder / "machine.json"}, {"true"});
  EXPECT_EQ(outcome.status, 125);
  EXPECT_NE(outcome.err.find("/smmus"), std::string::npos) << outcome.err;
}

TEST(Exec, AFileThatCannotBeWrittenIsSaidBeforeTheProgramRuns) {
  const Folder folder;
  for (const char* const option : {"--record", "--report"}) {
    const Outcome outcome = exec({option, folder / "none" / "file"}, {"echo", "ran"});
    EXPECT_EQ(outcome.status, 125);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err,
              std::string{"sluice exec: "} + option + ": there is no folder " + (folder / "none").string() + "\n");
  }
}

TEST(Exec, PlainMsixBehindAVirtualSmmuUnderTcgIsRefused) {
  const Folder folder;
  std::ofstream{folder / "machine.json"}
      << R"({"smmus": [{}], "functions": [{"address": "0000:00:03.0", "msix": "plain"}]})";
  std::filesystem::create_symlink("/bin/true", folder / "qemu-system-aarch64");
  const auto with = [&](const std::string& device) {
    return exec({"--machine", folder / "machine.json"}, {folder / "qemu-system-aarch64", "-device", device});
  };
  const Outcome refused = with("arm-smmuv3,accel=on");
  EXPECT_EQ(refused.status, 125);
  EXPECT_NE(refused.err.find("0000:00:03.0 shows MSI-X"), std::string::npos) << refused.err;
  EXPECT_EQ(with("virtio-net-pci").status, 0);
}

TEST(Exec, VerbosePrintsACommandThatAShellCanTake) {
  const Outcome outcome = exec({"--verbose"}, {"echo", "a b", "it's"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.err.find("'a b' 'it'\\''s'"), std::string::npos) << outcome.err;
  const Outcome again = run({"sh", "-c", outcome.err});
  EXPECT_EQ(again.out, "a b it's\n") << again.err;
}

} // namespace
