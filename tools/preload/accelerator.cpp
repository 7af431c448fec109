#include "files.hpp"
#include "report.hpp"

#include <dlfcn.h>

namespace sluice::preload {

namespace {

bool* flag(const char* name) {
  auto* const found = static_cast<bool*>(dlsym(RTLD_DEFAULT, name));
  if (found == nullptr) {
    report("this program does not export '%s', which a QEMU with arm-smmuv3,accel=on under TCG needs to have (Debian's "
           "11.1 has it); "
           "accel=on will be refused",
           name);
  }
  return found;
}

} // namespace

void set_accelerator(bool on) {
  for (const char* name : {"kvm_allowed", "kvm_kernel_irqchip"}) {
    if (bool* const value = flag(name)) {
      *value = on;
    }
  }
}

} // namespace sluice::preload
