#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::preload {

// What a path of the program means here.
enum class PathKind { other, iommu, vfio, sysfs, marker_on, marker_off };

struct Path {
  PathKind kind{PathKind::other};
  std::string instead{}; // sysfs: where the same thing lies in a folder of ours
  unsigned vfio{};       // vfio: its number
};

// One comparison of the first bytes for a path that is not ours.
Path classify(const char* path);

// Makes the folder that stands for /sys/bus/pci/devices, with a function for each address, whose vfio-dev/vfioN/dev
// says "major:minor". It is removed when the process ends. Empty: it cannot be made.
bool make_sysfs();

} // namespace sluice::preload
