#pragma once

#include "client.h"

// Calls that a VMM makes for a guest with an SMMU of its own.
enum { GET_HW_INFO = 0x3b8a, HWPT_ALLOC = 0x3b89, HWPT_INVALIDATE = 0x3b8d, VIOMMU_ALLOC = 0x3b90 };
enum { VDEVICE_ALLOC = 0x3b91, VEVENTQ_ALLOC = 0x3b93, VFIO_ATTACH = 0x3b77 };
enum { guest_ram = 0x40000000, ram_bytes = 1 << 20, vsid = 0x900 };

// On an IOAS, or with an STE on a vIOMMU.
static inline uint32_t hwpt_alloc(int iommu, uint32_t flags, uint32_t device, uint32_t on, uint64_t* ste) {
  struct {
    uint32_t size, flags, dev, pt, id, reserved, type, len;
    uint64_t data;
  } h = {sizeof h, flags, device, on, 0, 0, ste != NULL ? 2 : 0, ste != NULL ? 16 : 0, (uintptr_t)ste};
  EXPECT(ioctl(iommu, HWPT_ALLOC, &h) == 0);
  return h.id;
}

static inline void attach(int device, uint32_t hwpt) {
  struct {
    uint32_t argsz, flags, pt;
  } a = {sizeof a, 0, hwpt};
  EXPECT(ioctl(device, VFIO_ATTACH, &a) == 0);
}

static inline uint32_t viommu_alloc(int iommu, uint32_t device, uint32_t parent) {
  struct {
    uint32_t size, flags, type, dev, hwpt, id;
  } v = {sizeof v, 0, 1, device, parent, 0};
  EXPECT(ioctl(iommu, VIOMMU_ALLOC, &v) == 0);
  return v.id;
}

static inline uint32_t vdevice_alloc(int iommu, uint32_t device, uint32_t viommu) {
  struct {
    uint32_t size, viommu, dev, id;
    uint64_t virtual;
  } name = {sizeof name, viommu, device, 0, vsid};
  EXPECT(ioctl(iommu, VDEVICE_ALLOC, &name) == 0);
  return name.id;
}

static inline void ioas_map(int iommu, uint32_t ioas, void* ram) {
  struct {
    uint32_t size, flags, ioas, reserved;
    uint64_t va, length, iova;
  } m = {sizeof m, 7, ioas, 0, (uintptr_t)ram, ram_bytes, guest_ram};
  EXPECT(ioctl(iommu, IOAS_MAP, &m) == 0);
}

// 0 or errno; `*count` goes in and comes out as the call leaves it.
static inline int invalidate(int iommu, uint32_t id, uint64_t* commands, uint32_t* count) {
  struct {
    uint32_t size, id;
    uint64_t data;
    uint32_t type, len, num, reserved;
  } i = {sizeof i, id, (uintptr_t)commands, 1, 16, *count, 0};
  const int result = ioctl(iommu, HWPT_INVALIDATE, &i);
  *count = i.num;
  return result == 0 ? 0 : errno;
}
