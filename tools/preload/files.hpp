#pragma once

#include "paths.hpp"

namespace sluice::preload {

// A new descriptor of /dev/iommu or of a VFIO device. -1 with errno set.
int open_device(const Path& path);

// QEMU under TCG refuses accel=on for want of KVM's interrupt chip. While the device is realized two of QEMU's own
// exported booleans say that there is one.
void set_accelerator(bool on);

} // namespace sluice::preload
