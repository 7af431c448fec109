#include "client.h"

#include <poll.h>

#include <sys/mman.h>
#include <sys/uio.h>

// What a VMM has open for a guest's device: an iommufd, the device and the queue of its events. The guest's stage 1
// stands on a vIOMMU.
enum { HWPT_ALLOC = 0x3b89, HWPT_INVALIDATE = 0x3b8d, VIOMMU_ALLOC = 0x3b90, VDEVICE_ALLOC = 0x3b91 };
enum { VEVENTQ_ALLOC = 0x3b93, VFIO_ATTACH = 0x3b77 };
enum { guest_ram = 0x40000000, ram_bytes = 1 << 20 };

struct vmm {
  int descriptors[3]; // iommufd, device, events
  uint32_t viommu, nested;
};

static uint32_t hwpt_alloc(int iommu, uint32_t flags, uint32_t device, uint32_t on, uint64_t* ste) {
  struct {
    uint32_t size, flags, dev, pt, id, reserved, type, len;
    uint64_t data;
  } h = {sizeof h, flags, device, on, 0, 0, ste != NULL ? 2 : 0, ste != NULL ? 16 : 0, (uintptr_t)ste};
  EXPECT(ioctl(iommu, HWPT_ALLOC, &h) == 0);
  return h.id;
}

static void attach(int device, uint32_t hwpt) {
  struct {
    uint32_t argsz, flags, pt;
  } a = {sizeof a, 0, hwpt};
  EXPECT(ioctl(device, VFIO_ATTACH, &a) == 0);
}

static struct vmm start(void) {
  int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/vfio/devices/vfio0", O_RDWR);
  const int dev = bind_device(device, iommu);
  EXPECT(dev > 0);
  const uint32_t ioas = (uint32_t)ioas_alloc(iommu);
  void* ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct {
    uint32_t size, flags, ioas, reserved;
    uint64_t va, length, iova;
  } m = {sizeof m, 7, ioas, 0, (uintptr_t)ram, ram_bytes, guest_ram};
  EXPECT(ram != MAP_FAILED && ioctl(iommu, IOAS_MAP, &m) == 0);
  const uint32_t parent = hwpt_alloc(iommu, 1, (uint32_t)dev, ioas, NULL);
  attach(device, parent);
  EXPECT(munmap(ram, ram_bytes) == 0); // it is pinned
  struct {
    uint32_t size, flags, type, dev, hwpt, id;
  } v = {sizeof v, 0, 1, (uint32_t)dev, parent, 0};
  EXPECT(ioctl(iommu, VIOMMU_ALLOC, &v) == 0);
  struct {
    uint32_t size, viommu, dev, id;
    uint64_t virtual;
  } name = {sizeof name, v.id, (uint32_t)dev, 0, 0x900};
  EXPECT(ioctl(iommu, VDEVICE_ALLOC, &name) == 0);
  struct {
    uint32_t size, flags, viommu, type, depth, id, fd, reserved;
  } q = {sizeof q, 0, v.id, 1, 64, 0, 0, 0};
  EXPECT(ioctl(iommu, VEVENTQ_ALLOC, &q) == 0);
  uint64_t ste[2] = {guest_ram | 5 << 1 | 1, 0xd6};
  const uint32_t nested = hwpt_alloc(iommu, 0, (uint32_t)dev, v.id, ste);
  attach(device, nested);
  return (struct vmm){{iommu, device, (int)q.fd}, v.id, nested};
}

// 0 or errno; `*count` as the call leaves it.
static int invalidate(int iommu, uint32_t id, uint32_t* count) {
  uint64_t command[2] = {0x30, 0}; // TLBI_NSNH_ALL
  struct {
    uint32_t size, id;
    uint64_t data;
    uint32_t type, len, num, reserved;
  } i = {sizeof i, id, (uintptr_t)command, 1, 16, 1, 0};
  const int result = ioctl(iommu, HWPT_INVALIDATE, &i);
  *count = i.num;
  return result == 0 ? 0 : errno;
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
  uint32_t count = 0;
  EXPECT(invalidate(vmm.descriptors[0], vmm.nested, &count) == EOPNOTSUPP && count == 0);
  EXPECT(invalidate(vmm.descriptors[0], vmm.viommu, &count) == 0 && count == 1);
  const int order[3] = {0, 1, 2};
  end(&vmm, order);
}
