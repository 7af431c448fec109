#include "client_vmm.h"

#include <sys/mman.h>

// A VMM that makes each of the mistakes that are explained, and its guest's device that works all the while.
enum { page = 4096, root = 1 * page, level2 = 2 * page, level3 = 3 * page, cds = 4 * page, ring = 5 * page };
enum { buffers = 6 * page, moved = 7 * page };
enum { descriptors = 0, driver_area = 0x400, device_area = 0x800 };
static const uint64_t iova = 0x10000000;

struct device {
  int fd;
  unsigned char* ram;
  uint16_t offered;
};

static void put(unsigned char* ram, size_t at, uint64_t value) {
  __atomic_store_n((uint64_t*)(void*)(ram + at), value, __ATOMIC_RELEASE);
}
static uint16_t used(const struct device* d) {
  return __atomic_load_n((uint16_t*)(void*)(d->ram + ring + device_area + 2), __ATOMIC_ACQUIRE);
}
static void set(const struct device* d, uint64_t offset, uint64_t value, size_t size) {
  EXPECT(pwrite(d->fd, &value, size, (off_t)offset) == (ssize_t)size);
}

// The guest's tables: 39 bits, pages of 4 KB. The ring and the buffers are at `iova`. `config` is the CD's word 0.
static void write_tables(unsigned char* ram, uint64_t config) {
  const uint64_t leaf = 1ULL << 11 | 1ULL << 10 | 3ULL << 8 | 1ULL << 6 | 3;
  put(ram, root, (guest_ram + level2) | 3);
  put(ram, level2 + 8 * (iova >> 21), (guest_ram + level3) | 3);
  put(ram, level3, (guest_ram + ring) | leaf);
  put(ram, level3 + 8, (guest_ram + buffers) | leaf);
  put(ram, cds, config);
  put(ram, cds + 8, guest_ram + root);
  put(ram, cds + 24, 0xff);
}

// An entropy source, by its common configuration in BAR 0.
static void start_device(struct device* d) {
  const uint64_t config = 7ULL << 40;
  set(d, config + 4, 6, 2); // memory, bus master
  set(d, 0x14, 3, 1);
  set(d, 0x08, 1, 4);
  set(d, 0x0c, 3, 4);
  set(d, 0x14, 0xb, 1);
  set(d, 0x20, iova + descriptors, 4);
  set(d, 0x28, iova + driver_area, 4);
  set(d, 0x30, iova + device_area, 4);
  set(d, 0x1c, 1, 2);
  set(d, 0x14, 0xf, 1);
}

// The device fills a buffer, which is at the second page.
static void fill(struct device* d) {
  unsigned char* const at = d->ram + ring;
  put(at, descriptors, iova + page);
  put(at, descriptors + 8, 64 | 2ULL << 32);
  __atomic_store_n((uint16_t*)(void*)(at + driver_area + 2), ++d->offered, __ATOMIC_RELEASE);
  set(d, 0x3000, 0, 2);
  for (int tries = 0; used(d) != d->offered; ++tries) {
    EXPECT(tries < 20000);
    usleep(1000);
  }
}

void check_traps(void) {
  const int iommu = open("/dev/iommu", O_RDWR), fd = open("/dev/vfio/devices/vfio0", O_RDWR);
  const uint32_t dev = (uint32_t)bind_device(fd, iommu);
  void* ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  EXPECT(ram != MAP_FAILED);
  const uint32_t ioas = (uint32_t)ioas_alloc(iommu);
  ioas_map(iommu, ioas, ram);
  uint32_t info[10];
  struct {
    uint32_t size, flags, dev, len;
    uint64_t data;
    uint32_t type;
    uint8_t pasids, reserved[3];
    uint64_t capabilities;
  } h = {sizeof h, 0, dev, sizeof info, (uintptr_t)info, 0, 0, {0}, 0};
  EXPECT(ioctl(iommu, GET_HW_INFO, &h) == 0 && (info[2] >> 6 & 3) == 2); // IDR0.HTTU
  const uint32_t parent = hwpt_alloc(iommu, 1, dev, ioas, NULL);
  const uint32_t viommu = viommu_alloc(iommu, dev, parent);
  uint32_t count = 0;
  EXPECT(invalidate(iommu, viommu, NULL, &count) == EINVAL);
  uint64_t cfgi_cd[2] = {0x05 | (uint64_t)vsid << 32, 1};
  count = 1;
  EXPECT(invalidate(iommu, viommu, cfgi_cd, &count) == EIO);
  vdevice_alloc(iommu, dev, viommu);
  EXPECT(destroy(iommu, viommu) == -1 && errno == EBUSY);
  // V, AA64, A, R, EPD1, ASID 4, T0SZ 25, 44 bits, write-back, inner; and HA
  write_tables(ram, 1ULL << 31 | 1ULL << 41 | 3ULL << 45 | 1ULL << 30 | 4ULL << 48 | 25 | 4ULL << 32 | 1ULL << 8 |
                        1ULL << 10 | 3ULL << 12 | 1ULL << 43);
  uint64_t ste[2] = {(guest_ram + cds) | 5 << 1 | 1, 0xd4};
  const uint32_t nested = hwpt_alloc(iommu, 0, dev, viommu, ste);
  attach(fd, nested);
  uint64_t tlbi_nsnh_all[2] = {0x30, 0};
  count = 1;
  EXPECT(invalidate(iommu, nested, tlbi_nsnh_all, &count) == EOPNOTSUPP);
  struct device d = {fd, ram, 0};
  start_device(&d);
  fill(&d);
  // The guest moves its page, and nobody tells the host.
  put(ram, level3 + 8, (guest_ram + moved) | 1ULL << 11 | 1ULL << 10 | 3ULL << 8 | 1ULL << 6 | 3);
  fill(&d);
  usleep(300000); // Knobs::stale_after_us of `sluice exec` is 200 ms: by then it counts without a CMD_SYNC
  fill(&d);
  EXPECT(d.ram[moved] == 0);
  uint64_t tlbi_nh_va[2] = {0x12 | 4ULL << 48, (iova + page) | 1};
  count = 1;
  EXPECT(invalidate(iommu, viommu, tlbi_nh_va, &count) == 0);
  fill(&d);
  EXPECT(d.ram[moved] != 0);
  EXPECT(close(fd) == 0 && close(iommu) == 0);
}
