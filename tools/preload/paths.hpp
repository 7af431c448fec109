#pragma once

#include <string>

namespace sluice::preload {

// What a path of the program means here.
enum class PathKind { other, iommu, vfio, sysfs, marker_on, marker_off };

struct Path {
  PathKind kind{PathKind::other};
  std::string instead{}; // sysfs: where the same thing lies in a folder of ours
  unsigned vfio{};       // vfio: its number
};

Path classify(const char* path);

// The numbers of our character devices.
unsigned long iommu_device_number();
unsigned long vfio_device_number(unsigned vfio);

} // namespace sluice::preload
