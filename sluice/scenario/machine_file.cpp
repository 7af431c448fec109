#include <sluice/scenario/machine_file.hpp>

#include <sluice/machine/bus.hpp>
#include <sluice/machine/names.hpp>
#include <sluice/model/idr.hpp>
#include <sluice/model/presets.hpp>
#include <sluice/scenario/machine_file_fields.hpp>
#include <sluice/scenario/machine_file_json.hpp>
#include <sluice/scenario/machine_file_pci.hpp>

#include <fmt/ranges.h>

#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

namespace sluice::scenario {

using namespace machine_file;

namespace {

constexpr std::size_t most_smmus = 16;
constexpr std::string_view default_preset = "v3.2";

template <class Struct, std::size_t N>
void settings(Struct& into, const std::array<Setting<Struct>, N>& table, Object object) {
  for (const auto& setting : table) {
    const Json* const value = object.find(setting.name);
    if (value == nullptr) {
      continue;
    }
    const Pointer at = object.at(setting.name);
    std::visit(
        [&](auto member) {
          using T = std::remove_reference_t<decltype(into.*member)>;
          if constexpr (std::is_same_v<T, bool>) {
            if (!value->is_boolean()) {
              expected(at, *value, "true or false");
            }
            into.*member = value->get<bool>();
          } else {
            into.*member = static_cast<T>(number(*value, at, std::numeric_limits<T>::max()));
          }
        },
        setting.member);
  }
  object.finish();
}

std::string_view why(base::Errc kind) {
  switch (kind) {
  case base::Errc::invalid_argument:
    return "there is no encoding for that";
  case base::Errc::bad_hardware:
    return "the architecture forbids that";
  default:
    return "that is not modelled";
  }
}

machine::SmmuConfig smmu(const Json& value, const Pointer& at) {
  Object object{value, at};
  machine::SmmuConfig config;
  config.features = *model::preset(default_preset);
  if (const Json* preset = object.find("preset")) {
    const auto features = model::preset(preset->is_string() ? preset->get<std::string>() : "");
    if (!features) {
      std::vector<std::string_view> names;
      for (const model::Preset& p : model::presets) {
        names.push_back(p.name);
      }
      expected(object.at("preset"), *preset, "one of {}", fmt::join(names, ", "));
    }
    config.features = *features;
  }
  if (const Json* features = object.find("features")) {
    settings(config.features, feature_settings, Object{*features, object.at("features")});
  }
  if (const Json* knobs = object.find("knobs")) {
    settings(config.knobs, knob_settings, Object{*knobs, object.at("knobs")});
  }
  object.finish();
  const model::Refusal refusal = model::refusal(config.features, config.knobs);
  if (refusal != model::Refusal::none) {
    fail(at, fmt::format("no such SMMU can be made: {} ({})", why(model::errc(refusal)), machine::name(refusal)));
  }
  return config;
}

} // namespace

machine::HostConfig parse_machine(std::string_view from) {
  const Json file = parse(from);
  Object top{file, Pointer{}};
  machine::HostConfig host;
  const Json& smmus = array(top.get("smmus"), top.at("smmus"), {1, most_smmus});
  for (std::size_t i = 0; i < smmus.size(); ++i) {
    host.smmus.push_back(smmu(smmus[i], top.at("smmus") / i));
  }
  std::vector<RootPort> ports;
  if (const Json* value = top.find("root_ports")) {
    ports = root_ports(*value, top.at("root_ports"), host);
  }
  functions(top.get("functions"), top.at("functions"), ports, host);
  if (const Json* value = top.find("memory_limit")) {
    host.memory_limit = number(*value, top.at("memory_limit"), std::numeric_limits<std::uint64_t>::max());
  }
  if (const Json* value = top.find("dirty_parents")) {
    if (!value->is_boolean()) {
      expected(top.at("dirty_parents"), *value, "true or false");
    }
    host.dirty_parents = value->get<bool>();
  }
  top.finish();
  host.port.irq_lines = static_cast<platform::IrqLine>(most_smmus) * machine::wires_per_smmu;
  return host;
}

machine::HostConfig read_machine(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::ostringstream all;
  if (!in || !(all << in.rdbuf())) {
    throw MachineFileError{fmt::format("the machine file {} cannot be read", file.string())};
  }
  try {
    return parse_machine(all.str());
  } catch (const MachineFileError& error) {
    throw MachineFileError{fmt::format("{}: {}", file.string(), error.what())};
  }
}

machine::HostConfig default_machine() {
  return parse_machine(R"({
    "smmus": [{"preset": "v3.2"}],
    "functions": [{"address": "0000:00:03.0"}, {"address": "0000:00:04.0"}]
  })");
}

} // namespace sluice::scenario
