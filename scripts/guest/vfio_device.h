#ifndef VFIO_DEVICE_H
#define VFIO_DEVICE_H

// A PCI function of the guest's and IOVAs for it, through VFIO. What fails is said on a line "SLUICE vfio ..." and ends
// the program.
#define _GNU_SOURCE
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int container, device;

static inline void must(int good, const char* what) {
  if (!good) {
    printf("SLUICE vfio what=%s failed=%s\n", what, strerrorname_np(errno));
    exit(1);
  }
}

// At an offset of the device's file
static inline void put_device(uint64_t at, uint64_t value, size_t size) {
  must(pwrite(device, &value, size, (off_t)at) == (ssize_t)size, "pwrite");
}

static inline uint64_t get_device(uint64_t at, size_t size) {
  uint64_t value = 0;
  must(pread(device, &value, size, (off_t)at) == (ssize_t)size, "pread");
  return value;
}

// Where in that file a region begins
static inline uint64_t region(uint32_t index) {
  struct vfio_region_info info = {.argsz = sizeof info, .index = index};
  must(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) == 0, "region");
  return info.offset;
}

static inline void map(void* memory, uint64_t iova, uint64_t size, uint32_t flags) {
  struct vfio_iommu_type1_dma_map m = {
      .argsz = sizeof m, .flags = flags, .vaddr = (uintptr_t)memory, .iova = iova, .size = size};
  must(ioctl(container, VFIO_IOMMU_MAP_DMA, &m) == 0, "map");
}

static inline void unmap(uint64_t iova, uint64_t size) {
  struct vfio_iommu_type1_dma_unmap m = {.argsz = sizeof m, .iova = iova, .size = size};
  must(ioctl(container, VFIO_IOMMU_UNMAP_DMA, &m) == 0, "unmap");
}

// Bus master, with memory space
static inline void open_device(const char* address, const char* group_number) {
  char path[64];
  container = open("/dev/vfio/vfio", O_RDWR);
  must(container >= 0, "container");
  snprintf(path, sizeof path, "/dev/vfio/%s", group_number);
  int group = open(path, O_RDWR);
  must(group >= 0, "group");
  must(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) == 0, "set_container");
  must(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) == 0, "set_iommu");
  device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
  must(device >= 0, "device");
  put_device(region(VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

#endif
