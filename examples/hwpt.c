/* What a VMM says to the kernel for a device behind a virtual SMMUv3: cc -o hwpt hwpt.c && sluice exec -- ./hwpt
 * It knows nothing of Sluice, and does the same on an Arm machine with a nested SMMUv3. The structures are those of
 * <linux/iommufd.h> and <linux/vfio.h> of Linux 6.14, as far as they are needed. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* clang-format off */
enum { VFIO_BIND = 0x3b76, VFIO_ATTACH = 0x3b77, VFIO_DETACH = 0x3b78 };
enum { DESTROY = 0x3b80, IOAS_ALLOC = 0x3b81, IOAS_MAP = 0x3b85, HWPT_ALLOC = 0x3b89, HWPT_INVALIDATE = 0x3b8d,
       VIOMMU_ALLOC = 0x3b90, VDEVICE_ALLOC = 0x3b91 };
enum { FIXED_READ_WRITE = 7, NEST_PARENT = 1, DATA_SMMUV3 = 2, VIOMMU_SMMUV3 = 1, INVALIDATE_SMMUV3 = 1 };

struct bind { uint32_t argsz, flags; int32_t iommufd; uint32_t devid; };
struct attach { uint32_t argsz, flags, pt_id; };
struct detach { uint32_t argsz, flags; };
struct destroy { uint32_t size, id; };
struct ioas_alloc { uint32_t size, flags, id; };
struct ioas_map { uint32_t size, flags, ioas, reserved; uint64_t va, length, iova; };
struct hwpt_alloc { uint32_t size, flags, dev, pt, id, reserved, type, len; uint64_t data; };
struct viommu_alloc { uint32_t size, flags, type, dev, hwpt, id; };
struct vdevice_alloc { uint32_t size, viommu, dev, id; uint64_t virt_id; };
struct hwpt_invalidate { uint32_t size, id; uint64_t data; uint32_t type, len, num, reserved; };
/* clang-format on */

static const uint64_t ram_at = 0x40000000, ram_bytes = 16 << 20; /* of the guest */

static void call(int fd, unsigned long number, void* argument, const char* what) {
  if (ioctl(fd, number, argument) != 0) {
    perror(what);
    exit(1);
  }
}

static void attach(int device, uint32_t hwpt, const char* what) {
  struct attach a = {sizeof a, 0, hwpt};
  call(device, VFIO_ATTACH, &a, what);
  printf("%-44s HWPT %u\n", what, hwpt);
}

static void destroy(int iommu, uint32_t id) {
  struct destroy d = {sizeof d, id};
  call(iommu, DESTROY, &d, "destroy");
}

int main(void) {
  int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/vfio/devices/vfio0", O_RDWR);
  if (iommu < 0 || device < 0)
    return perror(iommu < 0 ? "/dev/iommu" : "/dev/vfio/devices/vfio0"), 1;
  struct bind bind = {sizeof bind, 0, iommu, 0};
  call(device, VFIO_BIND, &bind, "bind");
  printf("%-44s device %u\n", "the device is bound", bind.devid);

  /* Guest memory, at the addresses that the guest takes for physical. */
  struct ioas_alloc ioas = {sizeof ioas, 0, 0};
  call(iommu, IOAS_ALLOC, &ioas, "IOAS");
  void* ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct ioas_map map = {sizeof map, FIXED_READ_WRITE, ioas.id, 0, (uintptr_t)ram, ram_bytes, ram_at};
  call(iommu, IOAS_MAP, &map, "map");
  printf("%-44s IOAS %u\n", "16 MiB of guest memory are mapped", ioas.id);

  /* Stage 2, and on it the guest's SMMU. */
  struct hwpt_alloc parent = {sizeof parent, NEST_PARENT, bind.devid, ioas.id, 0, 0, 0, 0, 0};
  call(iommu, HWPT_ALLOC, &parent, "nest parent");
  attach(device, parent.id, "attached to stage 2");
  struct viommu_alloc viommu = {sizeof viommu, 0, VIOMMU_SMMUV3, bind.devid, parent.id, 0};
  call(iommu, VIOMMU_ALLOC, &viommu, "vIOMMU");
  struct vdevice_alloc vdevice = {sizeof vdevice, viommu.id, bind.devid, 0, 0x900};
  call(iommu, VDEVICE_ALLOC, &vdevice, "vDEVICE");
  printf("%-44s vIOMMU %u, vDEVICE %u\n", "the guest calls the device StreamID 0x900", viommu.id, vdevice.id);

  /* The guest writes an STE: valid, stage 1, its context descriptor at the start of its memory. */
  uint64_t ste[2] = {ram_at | 5 << 1 | 1, 0xd6};
  struct hwpt_alloc nested = {sizeof nested, 0, bind.devid, viommu.id, 0, 0, DATA_SMMUV3, sizeof ste, (uintptr_t)ste};
  call(iommu, HWPT_ALLOC, &nested, "nested HWPT");
  attach(device, nested.id, "attached to the guest's stage 1 on stage 2");

  /* The guest invalidates: CFGI_CD of its StreamID 0x900, TLBI_NH_ASID of ASID 4. */
  uint64_t commands[2][2] = {{0x05 | 0x900ULL << 32, 1}, {0x11 | 4ULL << 48, 0}};
  struct hwpt_invalidate invalidate = {sizeof invalidate, viommu.id, (uintptr_t)commands, INVALIDATE_SMMUV3, 16, 2};
  if (ioctl(iommu, HWPT_INVALIDATE, &invalidate) != 0)
    perror("invalidate");
  printf("%-44s %u of 2\n", "invalidation commands executed", invalidate.num);

  attach(device, parent.id, "attached to stage 2 again");
  struct detach detach = {sizeof detach, 0};
  call(device, VFIO_DETACH, &detach, "detach");
  const uint32_t all[] = {nested.id, vdevice.id, viommu.id, parent.id, ioas.id};
  for (int i = 0; i < 5; ++i)
    destroy(iommu, all[i]);
  puts("everything is destroyed");
  return invalidate.num == 2 ? 0 : 1;
}
