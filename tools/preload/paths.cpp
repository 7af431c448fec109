#include "paths.hpp"

#include "report.hpp"
#include "settings.hpp"

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace sluice::preload {

namespace {

constexpr std::string_view devices = "/sys/bus/pci/devices/";
constexpr std::string_view vfio_devices = "/dev/vfio/devices/vfio";
constexpr unsigned vfio_major = 511;

struct Sysfs {
  std::string folder{};
  std::vector<std::string> functions{};
  pid_t owner{};
};

Sysfs& sysfs() {
  static auto* const one = new Sysfs;
  return *one;
}

void remove_sysfs() {
  if (!sysfs().folder.empty() && sysfs().owner == getpid()) {
    std::error_code ignored;
    std::filesystem::remove_all(sysfs().folder, ignored);
  }
}

} // namespace

unsigned long vfio_device_number(unsigned vfio) { return makedev(vfio_major, vfio); }

void make_sysfs(const std::vector<std::string>& functions) {
  std::string folder = std::filesystem::temp_directory_path() / "sluice-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    report("no folder can be made in %s: the functions will not be found in sysfs", folder.c_str());
    return;
  }
  for (std::size_t i = 0; i < functions.size(); ++i) {
    const auto place = std::filesystem::path{folder} / functions[i] / "vfio-dev" / ("vfio" + std::to_string(i));
    std::filesystem::create_directories(place);
    std::ofstream{place / "dev"} << vfio_major << ':' << i << '\n';
  }
  sysfs() = {folder, functions, getpid()};
  std::atexit(remove_sysfs);
}

Path classify(const char* path) {
  if (path == nullptr || path[0] != '/') {
    return {};
  }
  const std::string_view p{path};
  if (p == "/dev/iommu") {
    return {.kind = PathKind::iommu};
  }
  if (p.starts_with(vfio_devices)) {
    const auto digits = p.substr(vfio_devices.size());
    unsigned number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc{} && end == digits.data() + digits.size() && number < sysfs().functions.size()) {
      return {.kind = PathKind::vfio, .vfio = number};
    }
  }
  if (p.starts_with(devices) && !sysfs().folder.empty()) {
    const auto rest = p.substr(devices.size());
    for (const std::string& function : sysfs().functions) {
      if (rest.starts_with(function) && (rest.size() == function.size() || rest[function.size()] == '/')) {
        return {.kind = PathKind::sysfs, .instead = sysfs().folder + "/" + std::string{rest}};
      }
    }
  }
  if (!settings().marker_on.empty() && p == settings().marker_on) {
    return {.kind = PathKind::marker_on};
  }
  if (!settings().marker_off.empty() && p == settings().marker_off) {
    return {.kind = PathKind::marker_off};
  }
  return {};
}

} // namespace sluice::preload
