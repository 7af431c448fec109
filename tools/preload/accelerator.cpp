#include "accelerator.hpp"

#include "report.hpp"

#include <dlfcn.h>

namespace sluice::preload {

namespace {

bool& flag(const char* name) {
  auto* const found = static_cast<bool*>(dlsym(RTLD_DEFAULT, name));
  if (found == nullptr) {
    fail(
        "this program does not export '%s'. A QEMU that emulates its processor (TCG) realizes arm-smmuv3,accel=on only "
        "while that variable says otherwise; expected a QEMU that exports it, as Debian's 11.1 does",
        name);
  }
  return *found;
}

} // namespace

void set_accelerator(bool on) {
  bool& allowed = flag("kvm_allowed");
  bool& irqchip = flag("kvm_kernel_irqchip");
  allowed = on;
  irqchip = on;
}

} // namespace sluice::preload
