#include <tools/sluice/exec_command.hpp>

#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

// QEMU realizes its devices in the order of its arguments, except that those in JSON come after all others. A loader
// device between two others opens its file at a known moment, and the preloaded library sees which file that is.
namespace sluice::tool {

namespace {

using std::string_view;

// One `-device` of each spelling.
struct Device {
  std::size_t at{}; // its value in the arguments
  bool json{};
  std::string driver{};
  bool accelerated{};
};

bool is_on(string_view value) { return value == "on" || value == "yes" || value == "true" || value == "y"; }

Device parse(std::size_t at, const std::string& text) {
  Device device{.at = at, .json = text.starts_with('{')};
  if (device.json) {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (json.is_object()) {
      const auto driver = json.find("driver");
      device.driver = driver != json.end() && driver->is_string() ? driver->get<std::string>() : "";
      const auto accel = json.find("accel");
      device.accelerated =
          accel != json.end() && (*accel == true || (accel->is_string() && is_on(accel->get<std::string>())));
    }
    return device;
  }
  string_view rest{text};
  for (bool first = true; !rest.empty(); first = false) {
    const auto part = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    if (first || part.starts_with("driver=")) {
      device.driver = part.substr(part.starts_with("driver=") ? 7 : 0);
    } else if (part.starts_with("accel=")) {
      device.accelerated = is_on(part.substr(6));
    } else if (part == "accel") {
      device.accelerated = true;
    }
  }
  return device;
}

bool wants_smmu(const Device& device) { return device.driver == "arm-smmuv3" && device.accelerated; }

// Two bytes of the guest's address space are named and not written to: nothing is there on `virt`.
std::string loader(bool on, bool json, unsigned index) {
  constexpr unsigned nowhere = 0x0f000000;
  const char* const file = on ? "/dev/sluice/accel-on" : "/dev/sluice/accel-off";
  const unsigned address = nowhere + index * 0x1000;
  return json ? fmt::format(R"({{"driver":"loader","file":"{}","addr":{},"force-raw":true}})", file, address)
              : fmt::format("loader,file={},addr={:#x},force-raw=on", file, address);
}

bool names_kvm(string_view option, string_view value) {
  if (option == "-enable-kvm" || option == "--enable-kvm") {
    return true;
  }
  const bool accel = option == "-accel" || option == "--accel";
  const bool machine = option == "-machine" || option == "--machine" || option == "-M";
  return (accel && value.starts_with("kvm")) || (machine && value.find("accel=kvm") != string_view::npos);
}

} // namespace

QemuArguments mark_accelerated_smmus(std::vector<std::string>& arguments) {
  QemuArguments found;
  const auto name = arguments.empty() ? std::string{} : std::filesystem::path{arguments[0]}.filename().string();
  found.is_qemu = name.starts_with("qemu-system-");
  if (!found.is_qemu) {
    return found;
  }
  std::vector<Device> devices;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const auto& value = i + 1 < arguments.size() ? arguments[i + 1] : std::string{};
    found.kvm = found.kvm || names_kvm(arguments[i], value);
    if ((arguments[i] == "-device" || arguments[i] == "--device") && i + 1 < arguments.size()) {
      devices.push_back(parse(++i, value));
    }
  }
  found.accelerated_smmu = std::any_of(devices.begin(), devices.end(), wants_smmu);
  if (found.kvm || !found.accelerated_smmu) {
    return found;
  }
  std::vector<std::string> result;
  unsigned markers = 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto device = std::find_if(devices.begin(), devices.end(), [=](const Device& d) { return d.at == i + 1; });
    if (device == devices.end() || !wants_smmu(*device)) {
      result.push_back(arguments[i]);
      continue;
    }
    result.insert(result.end(), {"-device", loader(true, device->json, markers++), arguments[i], arguments[i + 1],
                                 "-device", loader(false, device->json, markers++)});
    ++i;
  }
  arguments = std::move(result);
  return found;
}

} // namespace sluice::tool
