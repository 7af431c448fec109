#include <sluice/scenario/machine_file.hpp>

#include <sluice/machine/bus.hpp>
#include <sluice/machine/names.hpp>
#include <sluice/model/idr.hpp>
#include <sluice/model/presets.hpp>
#include <sluice/scenario/machine_file_fields.hpp>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <vector>

namespace sluice::scenario {

using Json = nlohmann::json;
using Pointer = Json::json_pointer;
using Msix = pcie::VirtioRngConfig::MsixCapability;

namespace {

constexpr std::size_t most_smmus = 16;
constexpr std::size_t most_functions = 64;
constexpr std::size_t longest_name = 8; // in a MarkedStream's lines
constexpr std::string_view default_preset = "v3.2";

[[noreturn]] void fail(const Pointer& at, const std::string& what) {
  const std::string where = at.to_string();
  throw MachineFileError{fmt::format("{}: {}", where.empty() ? "/" : where, what)};
}

template <class... T>
[[noreturn]] void expected(const Pointer& at, const Json& found, fmt::format_string<T...> what, T&&... values) {
  std::string shown = found.dump();
  constexpr std::size_t enough = 60;
  if (shown.size() > enough) {
    shown = shown.substr(0, enough) + "...";
  }
  fail(at, fmt::format("expected {}, found {}", fmt::format(what, std::forward<T>(values)...), shown));
}

// One object of the file: a key that nobody takes is an unknown one.
class Object {
public:
  Object(const Json& value, Pointer at) : value_{value}, at_{std::move(at)} {
    if (!value.is_object()) {
      expected(at_, value, "an object");
    }
  }

  const Pointer& at() const { return at_; }
  Pointer at(std::string_view key) const { return at_ / std::string{key}; }
  // Null: it is not there.
  const Json* find(std::string_view key) {
    known_.emplace_back(key);
    const auto found = value_.find(std::string{key});
    return found == value_.end() ? nullptr : &*found;
  }
  const Json& get(std::string_view key) {
    const Json* found = find(key);
    if (found == nullptr) {
      fail(at_, fmt::format("the key \"{}\" is missing", key));
    }
    return *found;
  }
  // After the last find().
  void finish() const {
    for (const auto& [key, value] : value_.items()) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        fail(at(key), fmt::format("there is no such key; expected one of {}", fmt::join(known_, ", ")));
      }
    }
  }

private:
  const Json& value_;
  Pointer at_;
  std::vector<std::string> known_;
};

const Json& array(Object& object, std::string_view key, std::size_t least, std::size_t most) {
  const Json& value = object.get(key);
  if (!value.is_array() || value.size() < least || value.size() > most) {
    expected(object.at(key), value, "an array of {} to {} entries", least, most);
  }
  return value;
}

std::uint64_t number(const Json& value, const Pointer& at, std::uint64_t most) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
    expected(at, value, "a whole number from 0 to {}", most);
  }
  return value.get<std::uint64_t>();
}

std::string text(const Json& value, const Pointer& at, std::string_view what) {
  if (!value.is_string()) {
    expected(at, value, "{}", what);
  }
  return value.get<std::string>();
}

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

Msix msix(const Json& value, const Pointer& at) {
  const std::string word = value.is_string() ? value.get<std::string>() : "";
  if (word == "none") {
    return Msix::none;
  }
  if (word == "plain") {
    return Msix::plain;
  }
  if (word == "disguised") {
    return Msix::disguised;
  }
  expected(at, value, "one of none, plain, disguised");
}

machine::FunctionConfig function(const Json& value, const Pointer& at, std::size_t index,
                                 const machine::HostConfig& host) {
  Object object{value, at};
  machine::FunctionConfig config;
  const Json& address = object.get("address");
  const auto parsed = machine::parse_pci_address(address.is_string() ? address.get<std::string>() : "");
  if (!parsed) {
    expected(object.at("address"), address, "domain:bus:device.function as in \"0000:00:03.0\"");
  }
  config.address = *parsed;
  if (const Json* kind = object.find("kind"); kind != nullptr && *kind != "virtio-rng") {
    expected(object.at("kind"), *kind, "\"virtio-rng\"");
  }
  if (const Json* index_of_smmu = object.find("smmu")) {
    config.smmu = static_cast<unsigned>(number(*index_of_smmu, object.at("smmu"), host.smmus.size() - 1));
  }
  if (const Json* stream = object.find("stream")) {
    const unsigned bits = host.smmus[config.smmu].features.streamid_bits;
    config.stream = static_cast<std::uint32_t>(number(*stream, object.at("stream"), (1ULL << bits) - 1));
  }
  config.rng.name = fmt::format("rng{}", index);
  if (const Json* name = object.find("name")) {
    config.rng.name = text(*name, object.at("name"), "a name");
    const auto& n = config.rng.name;
    const bool plain = std::all_of(n.begin(), n.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (n.empty() || n.size() > longest_name || !plain) {
      expected(object.at("name"), *name, "1 to {} characters of ASCII without spaces", longest_name);
    }
  }
  if (const Json* kind = object.find("msix")) {
    config.rng.msix = msix(*kind, object.at("msix"));
  }
  object.finish();
  return config;
}

std::uint32_t stream_of(const machine::FunctionConfig& f) { return f.stream.value_or(f.address.requester()); }

// What a function may not have in common with those before it.
void check_function(const machine::HostConfig& host, const machine::FunctionConfig& f, const Pointer& at) {
  const unsigned bits = host.smmus[f.smmu].features.streamid_bits;
  if (bits < 32 && stream_of(f) >> bits != 0) {
    fail(at, fmt::format("its StreamID is its Requester ID {:#x}, and SMMU {} has {} bits of StreamID; expected a "
                         "\"stream\" or more \"streamid_bits\"",
                         stream_of(f), f.smmu, bits));
  }
  for (std::size_t i = 0; i < host.functions.size(); ++i) {
    const auto& other = host.functions[i];
    if (other.address == f.address) {
      fail(at / "address", fmt::format("{} is the address of /functions/{} already", to_string(f.address), i));
    }
    if (other.smmu == f.smmu && stream_of(other) == stream_of(f)) {
      fail(at,
           fmt::format("its StreamID {:#x} is that of /functions/{} already, behind the same SMMU", stream_of(f), i));
    }
    if (other.rng.name == f.rng.name) {
      fail(at / "name", fmt::format("\"{}\" is the name of /functions/{} already", f.rng.name, i));
    }
  }
}

// As the library reads it, but no key twice in one object.
Json parse_json(std::string_view from) {
  std::vector<std::set<std::string>> keys;
  const Json::parser_callback_t look = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw MachineFileError{fmt::format("the key {} is there twice in one object", parsed.dump())};
    }
    return true;
  };
  try {
    return Json::parse(from.begin(), from.end(), look);
  } catch (const Json::parse_error& error) {
    const std::string_view before = from.substr(0, std::min<std::size_t>(from.size(), error.byte));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    throw MachineFileError{fmt::format("line {}: this is no JSON: {}", line, error.what())};
  }
}

} // namespace

machine::HostConfig parse_machine(std::string_view from) {
  const Json file = parse_json(from);
  Object top{file, Pointer{}};
  machine::HostConfig host;
  const Json& smmus = array(top, "smmus", 1, most_smmus);
  for (std::size_t i = 0; i < smmus.size(); ++i) {
    host.smmus.push_back(smmu(smmus[i], top.at("smmus") / i));
  }
  const Json& functions = array(top, "functions", 0, most_functions);
  for (std::size_t i = 0; i < functions.size(); ++i) {
    const Pointer at = top.at("functions") / i;
    auto config = function(functions[i], at, i, host);
    check_function(host, config, at);
    host.functions.push_back(std::move(config));
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
