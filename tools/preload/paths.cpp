#include "paths.hpp"

#include "process.hpp"
#include "report.hpp"

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
// QEMU opens these before and after it realizes arm-smmuv3,accel=on: `sluice exec` puts them into its arguments.
constexpr std::string_view marker_on = "/dev/sluice/accel-on";
constexpr std::string_view marker_off = "/dev/sluice/accel-off";
// The misc devices' major number with one of its free minor numbers, and one of those kept for local use.
constexpr unsigned misc_major = 10;
constexpr unsigned iommu_minor = 240;
constexpr unsigned vfio_major = 511;

// The folder that stands for those of the functions in /sys/bus/pci/devices: function n has vfio-dev/vfio<n>/dev.
struct Sysfs {
  std::string folder{}; // empty: it could not be made
  pid_t owner{};
};

const Sysfs& sysfs();

void remove_sysfs() {
  if (!sysfs().folder.empty() && sysfs().owner == getpid()) {
    std::error_code ignored;
    std::filesystem::remove_all(sysfs().folder, ignored);
  }
}

Sysfs make_sysfs() {
  std::error_code error;
  std::string folder = std::filesystem::temp_directory_path(error) / "sluice-XXXXXX";
  if (error || mkdtemp(folder.data()) == nullptr) {
    report("no folder can be made at %s: the functions will not be found in sysfs; TMPDIR moves it", folder.c_str());
    return {};
  }
  const auto& all = functions();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto place = std::filesystem::path{folder} / all[i] / "vfio-dev" / ("vfio" + std::to_string(i));
    std::filesystem::create_directories(place, error);
    std::ofstream{place / "dev"} << vfio_major << ':' << i << '\n';
  }
  std::atexit(remove_sysfs);
  return {folder, getpid()};
}

const Sysfs& sysfs() {
  static const auto* const one = new Sysfs{make_sysfs()};
  return *one;
}

Path classify_vfio(std::string_view digits) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc{} && end == digits.data() + digits.size() && number < functions().size()) {
    return {.kind = PathKind::vfio, .vfio = number};
  }
  return {};
}

Path classify_function(std::string_view rest) {
  for (const std::string& function : functions()) {
    if (rest.starts_with(function) && (rest.size() == function.size() || rest[function.size()] == '/') &&
        !sysfs().folder.empty()) {
      return {.kind = PathKind::sysfs, .instead = sysfs().folder + "/" + std::string{rest}};
    }
  }
  return {};
}

} // namespace

unsigned long iommu_device_number() { return makedev(misc_major, iommu_minor); }
unsigned long vfio_device_number(unsigned vfio) { return makedev(vfio_major, vfio); }

Path classify(const char* path) {
  // Most paths end here.
  if (path == nullptr || path[0] != '/' || (path[1] != 'd' && path[1] != 's')) {
    return {};
  }
  const std::string_view p{path};
  if (p == "/dev/iommu") {
    return {.kind = PathKind::iommu};
  }
  if (p.starts_with(vfio_devices)) {
    return classify_vfio(p.substr(vfio_devices.size()));
  }
  if (p.starts_with(devices)) {
    return classify_function(p.substr(devices.size()));
  }
  if (p == marker_on) {
    return {.kind = PathKind::marker_on};
  }
  if (p == marker_off) {
    return {.kind = PathKind::marker_off};
  }
  return {};
}

} // namespace sluice::preload
