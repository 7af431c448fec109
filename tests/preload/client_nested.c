#include "client_vmm.h"

#include <poll.h>

#include <sys/mman.h>
#include <sys/uio.h>

// What a VMM has open for a guest's device: an iommufd, the device and the queue of its events. The guest's stage 1
// stands on a vIOMMU.
struct vmm {
  int descriptors[3]; // iommufd, device, events
  uint32_t viommu, nested;
};

static struct vmm start(void) {
  int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/vfio/devices/vfio0", O_RDWR);
  const int dev = bind_device(device, iommu);
  EXPECT(dev > 0);
  const uint32_t ioas = (uint32_t)ioas_alloc(iommu);
  void* ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  EXPECT(ram != MAP_FAILED);
  ioas_map(iommu, ioas, ram);
  const uint32_t parent = hwpt_alloc(iommu, 1, (uint32_t)dev, ioas, NULL);
  attach(device, parent);
  EXPECT(munmap(ram, ram_bytes) == 0); // it is pinned
  const uint32_t viommu = viommu_alloc(iommu, (uint32_t)dev, parent);
  vdevice_alloc(iommu, (uint32_t)dev, viommu);
  struct {
    uint32_t size, flags, viommu, type, depth, id, fd, reserved;
  } q = {sizeof q, 0, viommu, 1, 64, 0, 0, 0};
  EXPECT(ioctl(iommu, VEVENTQ_ALLOC, &q) == 0);
  uint64_t ste[2] = {guest_ram | 5 << 1 | 1, 0xd6};
  const uint32_t nested = hwpt_alloc(iommu, 0, (uint32_t)dev, viommu, ste);
  attach(device, nested);
  return (struct vmm){{iommu, device, (int)q.fd}, viommu, nested};
}

static void end(const struct vmm* vmm, const int* order) {
  for (int i = 0; i < 3; ++i) {
    EXPECT(close(vmm->descriptors[order[i]]) == 0);
  }
}

static void an_empty_queue_of_events_neither_waits_nor_takes_anything(int fd) {
  char event[40];
  EXPECT(read(fd, event, sizeof event) == 0);
  EXPECT(fails_with(EINVAL, (int)read(fd, event, 7)));
  EXPECT(fails_with(EINVAL, (int)write(fd, event, 8)));
  EXPECT(fails_with(ESPIPE, (int)pread(fd, event, sizeof event, 0)));
  struct iovec whole = {event, sizeof event}, parts[2] = {{event, 7}, {event + 7, 33}};
  EXPECT(readv(fd, &whole, 1) == 0);
  EXPECT(fails_with(EINVAL, (int)readv(fd, parts, 2)) && fails_with(EINVAL, (int)writev(fd, &whole, 1)));
  struct pollfd p = {fd, POLLIN | POLLOUT, 0};
  EXPECT(poll(&p, 1, 0) == 0);
}

void check_closing(void) {
  static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
  for (int i = 0; i < 6; ++i) {
    const struct vmm vmm = start(); // which finds the device free again
    an_empty_queue_of_events_neither_waits_nor_takes_anything(vmm.descriptors[2]);
    end(&vmm, orders[i]);
  }
}

void check_invalidate_nested(void) {
  const struct vmm vmm = start();
  uint64_t tlbi_nsnh_all[2] = {0x30, 0};
  uint32_t count = 1;
  EXPECT(invalidate(vmm.descriptors[0], vmm.nested, tlbi_nsnh_all, &count) == EOPNOTSUPP && count == 0);
  count = 1;
  EXPECT(invalidate(vmm.descriptors[0], vmm.viommu, tlbi_nsnh_all, &count) == 0 && count == 1);
  const int order[3] = {0, 1, 2};
  end(&vmm, order);
}
