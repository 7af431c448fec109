#pragma once

namespace sluice::preload {

// QEMU under TCG refuses arm-smmuv3,accel=on for want of KVM's interrupt chip. While the device is realized two of
// QEMU's own exported booleans say that there is one. Ends a process that does not export them, with a message.
void set_accelerator(bool on);

} // namespace sluice::preload
