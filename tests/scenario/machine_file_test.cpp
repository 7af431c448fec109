#include <sluice/model/presets.hpp>
#include <sluice/scenario/machine_file.hpp>
#include <sluice/scenario/machine_file_fields.hpp>

#include <sluice/hosted/scratch.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace sluice::scenario {
namespace {

using machine::HostConfig;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using testing::ThrowsMessage;
using Msix = pcie::VirtioRngConfig::MsixCapability;

const std::filesystem::path source = std::filesystem::path{__FILE__}.parent_path() / "../..";

std::string contents(const std::filesystem::path& file) {
  std::ostringstream all;
  all << std::ifstream{file}.rdbuf();
  return all.str();
}

template <class Matcher>
void expect_refused(const std::string& text, Matcher matcher) {
  EXPECT_THAT([&] { parse_machine(text); }, ThrowsMessage<MachineFileError>(matcher)) << text;
}

// A machine with one SMMU and these functions.
std::string with_functions(const std::string& functions) {
  return R"({"smmus": [{}], "functions": [)" + functions + "]}";
}
std::string with_smmu(const std::string& smmu) { return R"({"smmus": [)" + smmu + R"(], "functions": []})"; }

TEST(MachineFile, TheDefaultHasTwoSourcesBehindOneSmmu) {
  const HostConfig host = default_machine();
  ASSERT_EQ(host.smmus.size(), 1u);
  ASSERT_EQ(host.functions.size(), 2u);
  EXPECT_EQ(to_string(host.functions[0].address), "0000:00:03.0");
  EXPECT_EQ(to_string(host.functions[1].address), "0000:00:04.0");
  EXPECT_EQ(host.functions[1].rng.name, "rng1");
  EXPECT_EQ(machine::Host{host}.functions(), 2u);
}

TEST(MachineFile, EverythingThatIsSaidIsTaken) {
  const HostConfig host = parse_machine(R"({
    "smmus": [{}, {"preset": "v3.1", "features": {"oas_bits": 40, "hyp": false}, "knobs": {"tlb": 64}}],
    "functions": [{"address": "0001:02:03.4", "kind": "virtio-rng", "smmu": 1, "stream": 24, "name": "me",
                   "msix": "disguised"}]})");
  EXPECT_EQ(host.smmus[1].features.version, 1u);
  EXPECT_EQ(host.smmus[1].features.oas_bits, 40u);
  EXPECT_FALSE(host.smmus[1].features.hyp);
  EXPECT_EQ(host.smmus[1].knobs.tlb, 64u);
  EXPECT_EQ(host.functions[0].address, (machine::PciAddress{1, 2, 3, 4}));
  EXPECT_EQ(host.functions[0].smmu, 1u);
  EXPECT_EQ(host.functions[0].stream, 24u);
  EXPECT_EQ(host.functions[0].rng.name, "me");
  EXPECT_EQ(host.functions[0].rng.msix, Msix::disguised);
}

TEST(MachineFile, EachPresetCanBeMade) {
  for (const auto& preset : model::presets) {
    const HostConfig host = parse_machine(R"({"smmus": [{"preset": ")" + std::string{preset.name} +
                                          R"("}], "functions": [{"address": "00:03.0"}]})");
    EXPECT_NO_THROW(machine::Host{host}) << preset.name;
  }
}

// Two SMMUs, these root ports and functions.
std::string with_ports(const std::string& ports, const std::string& functions) {
  return R"({"smmus": [{}, {}], "root_ports": [)" + ports + R"(], "functions": [)" + functions + "]}";
}

TEST(MachineFile, AFunctionGoesThroughTheSmmuOfItsRootPort) {
  const HostConfig host = parse_machine(with_ports(
      R"({"address": "00:01.0", "bus": 1}, {"address": "00:02.0", "bus": 4, "smmu": 1})",
      R"({"address": "01:00.0"}, {"address": "04:00.0"}, {"address": "04:00.1", "smmu": 1}, {"address": "00:03.0"})"));
  ASSERT_EQ(host.functions.size(), 4u);
  EXPECT_EQ(host.functions[0].smmu, 0u);
  EXPECT_EQ(host.functions[1].smmu, 1u);
  EXPECT_EQ(host.functions[2].smmu, 1u);
  EXPECT_EQ(host.functions[3].smmu, 0u);
  EXPECT_EQ(host.functions[1].address.requester(), 0x400u);
  EXPECT_EQ(machine::Host{host}.functions(), 4u);
}

TEST(MachineFile, ACopyEngineIsAFunctionLikeOthers) {
  const HostConfig host = parse_machine(with_ports(
      R"({"address": "00:01.0", "bus": 1, "smmu": 1})",
      R"({"address": "00:03.0"}, {"address": "01:00.0", "kind": "copy-engine", "stream": 77}, {"address": "00:04.0"})"));
  ASSERT_EQ(host.engines.size(), 1u);
  EXPECT_TRUE(host.engines[0].device);
  EXPECT_EQ(host.engines[0].smmu, 1u);
  EXPECT_EQ(host.engines[0].stream, 77u);
  ASSERT_EQ(host.functions.size(), 2u);
  EXPECT_EQ(host.functions[1].rng.name, "rng2") << "by its place in the file";
  EXPECT_EQ(machine::Host{host}.engines(), 1u);
}

TEST(MachineFile, ACopyEngineHasNoNameAndSharesNothingWithOthers) {
  const std::string engine = R"({"address": "00:05.0", "kind": "copy-engine")";
  expect_refused(with_functions(engine + R"(, "name": "me"})"), StartsWith("/functions/0/name: "));
  expect_refused(with_functions(engine + R"(, "msix": "none"})"), StartsWith("/functions/0/msix: "));
  expect_refused(with_functions(R"({"address": "00:05.0"}, )" + engine + "}"),
                 StartsWith("/functions/1/address: 0000:00:05.0 is the address of /functions/0 already"));
  expect_refused(with_functions(engine + R"(, "stream": 24}, {"address": "00:03.0"})"),
                 StartsWith("/functions/1: its StreamID 0x18 is that of /functions/0"));
}

TEST(MachineFile, AFunctionDoesNotContradictItsRootPort) {
  expect_refused(with_ports(R"({"address": "00:01.0", "bus": 1})", R"({"address": "01:00.0", "smmu": 1})"),
                 AllOf(HasSubstr("/functions/0/smmu"), HasSubstr("expected 0")));
}

TEST(MachineFile, BehindARootPortThereIsOneDevice) {
  expect_refused(with_ports(R"({"address": "00:01.0", "bus": 1})", R"({"address": "01:01.0"})"),
                 AllOf(HasSubstr("/functions/0/address"), HasSubstr("expected device 0")));
}

TEST(MachineFile, ARootPortHasItsAddressAndItsBusForItself) {
  const std::string first = R"({"address": "00:01.0", "bus": 1}, )";
  expect_refused(with_ports(first + R"({"address": "00:01.0", "bus": 2})", ""), HasSubstr("/root_ports/1/address"));
  expect_refused(with_ports(first + R"({"address": "00:02.0", "bus": 1})", ""), HasSubstr("/root_ports/1/bus"));
  expect_refused(with_ports(first + R"({"address": "01:00.0", "bus": 2})", ""),
                 AllOf(HasSubstr("/root_ports/1/address"), HasSubstr("root bus")));
  expect_refused(with_ports(R"({"address": "02:01.0", "bus": 2})", ""), HasSubstr("a bus after"));
  expect_refused(with_ports(R"({"address": "00:01.0", "bus": 1})", R"({"address": "00:01.0"})"),
                 AllOf(HasSubstr("/functions/0/address"), HasSubstr("/root_ports/0")));
}

TEST(MachineFile, TheExampleThatIsShippedHasTwoSmmus) {
  const HostConfig host = read_machine(source / "examples/two-smmus.json");
  EXPECT_EQ(host.smmus.size(), 2u);
  EXPECT_EQ(machine::Host{host}.functions(), 2u);
}

TEST(MachineFile, TheExampleOfTheDocumentationIsRead) {
  const std::string text = contents(source / "docs/machine-file.md");
  const auto begin = text.find("```json\n");
  ASSERT_NE(begin, text.npos);
  const HostConfig host =
      parse_machine(std::string_view{text}.substr(begin + 8, text.find("```\n", begin + 8) - begin - 8));
  EXPECT_EQ(host.smmus.size(), 2u);
  EXPECT_EQ(machine::Host{host}.functions(), 2u);
}

TEST(MachineFile, TheDocumentationNamesEverySetting) {
  const std::string text = contents(source / "docs/machine-file.md");
  for (const auto& setting : feature_settings) {
    EXPECT_THAT(text, HasSubstr("`" + std::string{setting.name} + "`"));
  }
  for (const auto& setting : knob_settings) {
    EXPECT_THAT(text, HasSubstr("`" + std::string{setting.name} + "`"));
  }
}

TEST(MachineFile, TheDocumentationNamesEveryPreset) {
  const std::string text = contents(source / "docs/machine-file.md");
  for (const auto& preset : model::presets) {
    EXPECT_THAT(text, HasSubstr("`" + std::string{preset.name} + "`"));
  }
}

TEST(MachineFile, TheDocumentedMessageIsTheOneThatComes) {
  const std::string text = R"({"smmus": [{}, {}],
    "functions": [{"address": "00:03.0"}, {"address": "00:04.0", "smmu": 2}]})";
  std::string message;
  try {
    parse_machine(text);
  } catch (const MachineFileError& error) {
    message = error.what();
  }
  EXPECT_THAT(contents(source / "docs/machine-file.md"), HasSubstr("two.json: " + message + "\n"));
}

TEST(MachineFile, UnknownKeysAreNamedWithThoseThatThereAre) {
  expect_refused(R"({"smmus": [{}], "functions": [], "extra": 1})",
                 AllOf(StartsWith("/extra: "), HasSubstr("smmus, root_ports, functions")));
  expect_refused(with_smmu(R"({"presets": "v3.2"})"), AllOf(StartsWith("/smmus/0/presets: "), HasSubstr("preset")));
  expect_refused(with_smmu(R"({"features": {"oas": 44}})"), StartsWith("/smmus/0/features/oas: "));
  expect_refused(with_functions(R"({"address": "00:03.0", "bus": 1})"), StartsWith("/functions/0/bus: "));
}

TEST(MachineFile, MissingKeysAreNamed) {
  expect_refused("{}", StartsWith("/: the key \"smmus\" is missing"));
  expect_refused(with_functions("{}"), StartsWith("/functions/0: the key \"address\" is missing"));
}

TEST(MachineFile, WrongTypesAreRefusedWithWhatWasExpected) {
  expect_refused("[]", StartsWith("/: expected an object, found []"));
  expect_refused(R"({"smmus": {}, "functions": []})", StartsWith("/smmus: expected an array of 1 to 16 entries"));
  expect_refused(R"({"smmus": [], "functions": []})", StartsWith("/smmus: expected an array of 1 to 16 entries"));
  expect_refused(with_smmu("3"), StartsWith("/smmus/0: expected an object, found 3"));
  expect_refused(with_smmu(R"({"preset": "v3.9"})"), StartsWith("/smmus/0/preset: expected one of v3.1, v3.2, v3.3"));
  expect_refused(with_smmu(R"({"preset": 3})"), StartsWith("/smmus/0/preset: expected one of"));
  expect_refused(with_smmu(R"({"features": {"ats": 1}})"), StartsWith("/smmus/0/features/ats: expected true or false"));
  expect_refused(with_smmu(R"({"features": {"oas_bits": -1}})"),
                 StartsWith("/smmus/0/features/oas_bits: expected a whole number from 0 to 4294967295, found -1"));
  expect_refused(with_smmu(R"({"features": {"oas_bits": 4294967340}})"), StartsWith("/smmus/0/features/oas_bits: "));
  expect_refused(with_functions(R"({"address": 3})"), StartsWith("/functions/0/address: expected domain:bus"));
  expect_refused(with_functions(R"({"address": "0000:00:20.0"})"), StartsWith("/functions/0/address: expected"));
  expect_refused(with_functions(R"({"address": "00:03.0", "kind": "virtio-blk"})"),
                 StartsWith("/functions/0/kind: expected one of virtio-rng, copy-engine"));
  expect_refused(with_functions(R"({"address": "00:03.0", "msix": true})"),
                 StartsWith("/functions/0/msix: expected one of none, plain, disguised"));
  for (const char* name : {R"("")", R"("ninechars")", R"("a b")", R"("\u00e4")", "1"}) {
    expect_refused(with_functions(std::string{R"({"address": "00:03.0", "name": )"} + name + "}"),
                   StartsWith("/functions/0/name: expected"));
  }
}

TEST(MachineFile, WhatFunctionsMayNotShareIsRefused) {
  expect_refused(with_functions(R"({"address": "00:03.0"}, {"address": "0000:00:03.0"})"),
                 StartsWith("/functions/1/address: 0000:00:03.0 is the address of /functions/0 already"));
  expect_refused(with_functions(R"({"address": "00:03.0"}, {"address": "00:04.0", "stream": 24})"),
                 StartsWith("/functions/1: its StreamID 0x18 is that of /functions/0"));
  expect_refused(with_functions(R"({"address": "00:03.0", "name": "a"}, {"address": "00:04.0", "name": "a"})"),
                 StartsWith("/functions/1/name: "));
}

TEST(MachineFile, StreamsBeyondTheSmmusAreRefused) {
  expect_refused(with_functions(R"({"address": "00:03.0", "stream": 65536})"),
                 StartsWith("/functions/0/stream: expected a whole number from 0 to 65535"));
  expect_refused(R"({"smmus": [{"features": {"streamid_bits": 4, "two_level_streams": false}}],
                     "functions": [{"address": "00:03.0"}]})",
                 AllOf(StartsWith("/functions/0: its StreamID is its Requester ID 0x18"), HasSubstr("4 bits")));
}

TEST(MachineFile, AnSmmuThatCannotBeIsRefusedWithTheRule) {
  expect_refused(with_smmu(R"({"features": {"oas_bits": 41}})"),
                 AllOf(StartsWith("/smmus/0: "), HasSubstr("no encoding"), HasSubstr("(oas)")));
  expect_refused(with_smmu(R"({"features": {"pri": true}})"),
                 AllOf(StartsWith("/smmus/0: "), HasSubstr("the architecture forbids"), HasSubstr("pri_without_ats")));
  expect_refused(with_smmu(R"({"features": {"version": 4, "e0pd": true, "ptwnnc": true}})"), HasSubstr("not modelled"));
  expect_refused(with_smmu(R"({"features": {"mpam": true}})"), AllOf(HasSubstr("not modelled"), HasSubstr("no_mpam")));
}

TEST(MachineFile, WhatTheHostAllowsIsSaid) {
  const auto plain = parse_machine(R"({"smmus": [{}], "functions": []})");
  EXPECT_FALSE(plain.memory_limit || plain.dirty_parents);
  const auto config =
      parse_machine(R"({"smmus": [{}], "functions": [], "memory_limit": 65536, "dirty_parents": true})");
  EXPECT_EQ(config.memory_limit, 65536U);
  EXPECT_TRUE(config.dirty_parents);
  expect_refused(R"({"smmus": [{}], "functions": [], "memory_limit": -1})",
                 StartsWith("/memory_limit: expected a whole number"));
  expect_refused(R"({"smmus": [{}], "functions": [], "dirty_parents": 1})",
                 StartsWith("/dirty_parents: expected true or false"));
}

TEST(MachineFile, WhatIsNoJsonIsRefusedWithItsLine) {
  expect_refused("{\n  \"smmus\": [}\n", StartsWith("line 2: this is no JSON"));
  expect_refused("", HasSubstr("no JSON"));
  expect_refused(R"({"smmus": [{}], "functions": [], "smmus": []})", HasSubstr("\"smmus\" is there twice"));
}

TEST(MachineFile, AFileIsNamedInFrontOfItsErrors) {
  const hosted::Scratch scratch{4096};
  const auto file = scratch.path() / "bad.json";
  EXPECT_THAT([&] { read_machine(file); }, ThrowsMessage<MachineFileError>(HasSubstr("bad.json cannot be read")));
  std::ofstream{file} << "[]";
  EXPECT_THAT([&] { read_machine(file); }, ThrowsMessage<MachineFileError>(HasSubstr("bad.json: /: expected")));
}

} // namespace
} // namespace sluice::scenario
