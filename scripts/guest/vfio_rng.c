// A guest's user-space driver for a virtio entropy source, through VFIO: vfio_rng ADDRESS GROUP. It does what Linux's
// own driver has no use for: its chains are in indirect tables. Says what it saw on a line "SLUICE indirect key=value
// ...".
#include "vfio_device.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include <sys/mman.h>
#include <time.h>

enum { entries = 4, pieces = 3, piece = 64, rounds = 9 }; // QEMU gives this device 4 entries
// In one page, whose IOVA lies where the guest has RAM: QEMU, which knows of no SMMU, looks for rings there.
static const uint64_t page_iova = 0x50000000;
enum { page_size = 4096, driver_at = 0x200, device_at = 0x300, table_at = 0x400, data_at = 0x800 };

static uint64_t config, common, notify;

// Of the structures that the vendor-specific capabilities tell of
static uint64_t structure(uint8_t type, uint64_t* capability) {
  uint8_t at = (uint8_t)get_device(config + PCI_CAPABILITY_LIST, 1);
  for (int i = 0; i < 48 && at != 0; ++i, at = (uint8_t)get_device(config + at + 1, 1)) {
    if (get_device(config + at, 1) == PCI_CAP_ID_VNDR && get_device(config + at + 3, 1) == type) {
      *capability = config + at;
      return region((uint32_t)get_device(config + at + 4, 1)) + get_device(config + at + 8, 4);
    }
  }
  errno = ENODEV;
  must(0, "structure");
  return 0;
}

static void set_status(uint8_t status) { put_device(common + VIRTIO_PCI_COMMON_STATUS, status, 1); }

static void negotiate(uint64_t features) {
  set_status(0);
  set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
  for (uint32_t half = 0; half < 2; ++half) {
    put_device(common + VIRTIO_PCI_COMMON_GFSELECT, half, 4);
    put_device(common + VIRTIO_PCI_COMMON_GF, (uint32_t)(features >> 32 * half), 4);
  }
  set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
  errno = ENOTSUP;
  must((get_device(common + VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK) != 0, "features");
}

static void start_queue(void) {
  put_device(common + VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
  put_device(common + VIRTIO_PCI_COMMON_Q_SIZE, entries, 2);
  const uint64_t places[] = {page_iova, page_iova + driver_at, page_iova + device_at};
  for (uint64_t i = 0; i < 3; ++i) {
    put_device(common + VIRTIO_PCI_COMMON_Q_DESCLO + 8 * i, (uint32_t)places[i], 4);
    put_device(common + VIRTIO_PCI_COMMON_Q_DESCHI + 8 * i, (uint32_t)(places[i] >> 32), 4);
  }
  put_device(common + VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
  set_status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
             VIRTIO_CONFIG_S_DRIVER_OK);
}

static int is_used(const volatile struct vring_used* used, uint16_t count) {
  const struct timespec nap = {0, 1000000};
  for (int i = 0; i < 5000 && __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != count; ++i) {
    nanosleep(&nap, NULL);
  }
  return used->idx == count;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    return 2;
  }
  open_device(argv[1], argv[2]);
  config = region(VFIO_PCI_CONFIG_REGION_INDEX);
  uint64_t capability;
  common = structure(VIRTIO_PCI_CAP_COMMON_CFG, &capability);
  notify = structure(VIRTIO_PCI_CAP_NOTIFY_CFG, &capability);
  unsigned char* const page =
      mmap(NULL, page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  must(page != MAP_FAILED, "mmap");
  map(page, page_iova, page_size, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
  negotiate(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_ACCESS_PLATFORM | 1ULL << VIRTIO_RING_F_INDIRECT_DESC);
  start_queue();
  const uint64_t bell = notify + get_device(common + VIRTIO_PCI_COMMON_Q_NOFF, 2) * get_device(capability + 16, 4);

  struct vring_desc* const ring = (struct vring_desc*)page;
  struct vring_avail* const available = (struct vring_avail*)(page + driver_at);
  const volatile struct vring_used* const used = (struct vring_used*)(page + device_at);
  struct vring_desc* const table = (struct vring_desc*)(page + table_at);
  for (uint16_t i = 0; i < pieces; ++i) { // backwards in memory
    table[i] = (struct vring_desc){.addr = page_iova + data_at + (uint64_t)(pieces - 1 - i) * piece,
                                   .len = piece,
                                   .flags = VRING_DESC_F_WRITE | (i + 1 < pieces ? VRING_DESC_F_NEXT : 0),
                                   .next = (uint16_t)(i + 1)};
  }
  unsigned good = 0, bytes = 0;
  printf("SLUICE indirect data=");
  for (uint16_t i = 0; i < rounds; ++i) {
    const uint16_t head = i % entries;
    ring[head] = (struct vring_desc){
        .addr = page_iova + table_at, .len = pieces * sizeof *table, .flags = VRING_DESC_F_INDIRECT};
    available->ring[i % entries] = head;
    __atomic_store_n(&available->idx, i + 1, __ATOMIC_RELEASE);
    put_device(bell, 0, 2);
    if (!is_used(used, (uint16_t)(i + 1))) {
      break;
    }
    good += used->ring[i % entries].id == head;
    bytes += used->ring[i % entries].len;
    for (unsigned at = 0; at < pieces * piece; ++at) {
      printf("%02x", page[data_at + (pieces - 1 - at / piece) * piece + at % piece]);
    }
  }
  printf(" rounds=%u good=%u bytes=%u\n", rounds, good, bytes);
  set_status(0);
  return 0;
}
