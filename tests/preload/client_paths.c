#define _GNU_SOURCE
#include "client.h"

#include <dirent.h>
#include <limits.h>
#include <sys/sysmacros.h>

// What QEMU's vfio-pci,host= asks, in its order.
static void a_function_is_discovered(const char* address) {
  char folder[128], path[256], real[PATH_MAX], link[64], text[64] = "";
  snprintf(folder, sizeof folder, "/sys/bus/pci/devices/%s", address);
  struct stat about;
  EXPECT(access("/dev/iommu", F_OK) == 0);
  EXPECT(stat(folder, &about) == 0 && S_ISDIR(about.st_mode));
  EXPECT(realpath(folder, real) != NULL && strcmp(real, folder) == 0);
  snprintf(path, sizeof path, "%s/subsystem", folder);
  EXPECT(readlink(path, link, sizeof link) == -1 && errno == ENOENT);
  snprintf(path, sizeof path, "%s/vfio-dev", folder);
  DIR* const listing = opendir(path);
  EXPECT(listing != NULL);
  char name[64] = "";
  for (struct dirent* entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
    if (strncmp(entry->d_name, "vfio", 4) == 0) {
      snprintf(name, sizeof name, "%.60s", entry->d_name);
    }
  }
  EXPECT(closedir(listing) == 0 && name[0] != '\0');
  snprintf(path, sizeof path, "%s/vfio-dev/%s/dev", folder, name);
  int dev = open(path, O_RDONLY);
  EXPECT(dev >= 0 && fstat(dev, &about) == 0 && S_ISREG(about.st_mode) && read(dev, text, sizeof text - 1) > 0);
  EXPECT(close(dev) == 0);
  unsigned major_number = 0, minor_number = 0;
  EXPECT(sscanf(text, "%u:%u\n", &major_number, &minor_number) == 2);
  FILE* const stream = fopen(path, "r");
  EXPECT(stream != NULL && fgets(link, sizeof link, stream) != NULL && strcmp(link, text) == 0 && fclose(stream) == 0);

  snprintf(path, sizeof path, "/dev/vfio/devices/%s", name);
  int device = open(path, O_RDWR | O_CLOEXEC);
  EXPECT(device >= 0 && fstat(device, &about) == 0);
  EXPECT(S_ISCHR(about.st_mode) && about.st_rdev == makedev(major_number, minor_number));
  EXPECT(stat(path, &about) == 0 && S_ISCHR(about.st_mode) && about.st_rdev == makedev(major_number, minor_number));
  struct statx extended;
  EXPECT(statx(device, "", AT_EMPTY_PATH, STATX_ALL, &extended) == 0 && S_ISCHR(extended.stx_mode));
  EXPECT(extended.stx_rdev_major == major_number && extended.stx_rdev_minor == minor_number);
  EXPECT(statx(AT_FDCWD, path, 0, STATX_ALL, &extended) == 0 && extended.stx_rdev_minor == minor_number);
  EXPECT(close(device) == 0);
}

static void other_paths_are_as_they_were(void) {
  struct stat about;
  EXPECT(fails_with(ENOENT, stat("/sys/bus/pci/devices/ffff:ff:1f.7", &about)));
  EXPECT(fails_with(ENOENT, stat("/sys/bus/pci/devices/0000:00:03.01", &about)));
  EXPECT(fails_with(ENOENT, open("/dev/vfio/devices/vfio0x", O_RDWR)));
  EXPECT(fails_with(ENOENT, access("/dev/iommu2", F_OK)));
  EXPECT(stat("/dev/null", &about) == 0 && about.st_rdev == makedev(1, 3));
  EXPECT(stat("/", &about) == 0 && S_ISDIR(about.st_mode));
  int here = open("/tmp", O_RDONLY | O_DIRECTORY);
  EXPECT(here >= 0 && openat(here, "no such file", O_RDONLY) == -1 && errno == ENOENT && close(here) == 0);
  char link[64];
  EXPECT(readlink("/proc/self", link, sizeof link) > 0);
  char* const real = realpath("/proc/../tmp", NULL);
  EXPECT(real != NULL && strcmp(real, "/tmp") == 0);
  free(real);
}

// As QEMU under TCG has them.
__attribute__((visibility("default"))) _Bool kvm_allowed, kvm_kernel_irqchip;

void check_markers(void) {
  int on = open("/dev/sluice/accel-on", O_RDONLY);
  char byte = 1;
  EXPECT(on >= 0 && kvm_allowed && kvm_kernel_irqchip);
  EXPECT(lseek(on, 0, SEEK_END) == 1 && lseek(on, 0, SEEK_SET) == 0 && read(on, &byte, 1) == 1 && byte == 0);
  int off = open("/dev/sluice/accel-off", O_RDONLY);
  EXPECT(off >= 0 && !kvm_allowed && !kvm_kernel_irqchip);
  EXPECT(close(on) == 0 && close(off) == 0);
}

void check_paths(void) {
  a_function_is_discovered("0000:00:03.0");
  other_paths_are_as_they_were();
}
