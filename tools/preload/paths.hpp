#pragma once

#include <string>
#include <vector>

namespace sluice::preload {

// What a path of the program means here.
enum class PathKind { other, iommu, vfio, sysfs, marker_on, marker_off };

struct Path {
  PathKind kind{PathKind::other};
  std::string instead{}; // sysfs: where the same thing lies in a folder of ours
  unsigned vfio{};       // vfio: its number
};

Path classify(const char* path);

// The number of a VFIO device, as its character device and its folder in sysfs show it.
unsigned long vfio_device_number(unsigned vfio);

// Makes the folder that stands for those of the functions in /sys/bus/pci/devices: function n has vfio-dev/vfio<n>/dev.
// It is removed when the process ends. An error is reported, and the functions are not found.
void make_sysfs(const std::vector<std::string>& functions);

} // namespace sluice::preload
