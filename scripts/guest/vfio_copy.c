// A guest's user-space driver for pcie::CopyDevice, through VFIO with its own IOVAs: vfio_copy ADDRESS GROUP. Says what
// it saw on lines "SLUICE vfio key=value ..."; nothing is judged here.
#include "vfio_device.h"

#include <sys/mman.h>
#include <time.h>

// sluice/pcie/copy_device.hpp
enum {
  source_at = 0x00,
  destination_at = 0x08,
  size_at = 0x10,
  doorbell_at = 0x14,
  status_at = 0x18,
  moved_at = 0x20,
  fault_at = 0x28,
  mode_at = 0x30,
  pasid_at = 0x34
};
enum { by_its_atc = 0, untranslated = 1 }; // mode
static const uint32_t with_pasid = 1u << 31;
enum { busy = 1, done = 2 };
static const char* const states[] = {"idle",          "busy",      "done",     "read_aborted",
                                     "write_aborted", "no_master", "bad_size", "no_pasid"};

enum { buffer_size = 16384, copied = 6000, rounds = 16 };
static const uint64_t far_iova = 0x10000000000, near_iova = 0x123456000, guarded_iova = 0x20000000,
                      other_iova = 0x30000000;

static uint64_t bar;

static void put(uint64_t at, uint64_t value, size_t size) { put_device(bar + at, value, size); }
static uint64_t get(uint64_t at, size_t size) { return get_device(bar + at, size); }

static unsigned char* buffer(unsigned seed) {
  unsigned char* at =
      mmap(NULL, buffer_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  must(at != MAP_FAILED, "mmap");
  for (unsigned i = 0; i < buffer_size; ++i) {
    at[i] = (unsigned char)((seed += 0x9e3779b9) >> 16);
  }
  return at;
}

static unsigned copy(uint64_t from, uint64_t to) {
  const struct timespec nap = {0, 1000000};
  put(source_at, from, 8);
  put(destination_at, to, 8);
  put(size_at, copied, 4);
  put(doorbell_at, 1, 4);
  for (int i = 0; i < 5000; ++i) {
    const unsigned state = (unsigned)get(status_at, 4);
    if (state != busy) {
      return state;
    }
    nanosleep(&nap, NULL);
  }
  return busy;
}

// Something else is mapped and unmapped, so that invalidations of the driver's come and go.
static void others(void) {
  static unsigned char page[buffer_size] __attribute__((aligned(buffer_size)));
  for (unsigned i = 0; i < 4; ++i) {
    map(page, other_iova, buffer_size, VFIO_DMA_MAP_FLAG_READ);
    unmap(other_iova, buffer_size);
  }
}

// As the device goes by default, which is by its ATC if it has one that is on, and without it; each twice.
static void say_refused(const char* what, uint64_t from, uint64_t to) {
  static const char* const modes[] = {"default", "untranslated"};
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned mode = i / 2 == 0 ? by_its_atc : untranslated;
    put(mode_at, mode, 4);
    const unsigned state = copy(from, to);
    others();
    printf("SLUICE vfio what=%s mode=%s result=%s moved=%llu iova=%#llx\n", what, modes[mode], states[state % 8],
           (unsigned long long)get(moved_at, 8), (unsigned long long)get(fault_at, 8));
  }
  put(mode_at, by_its_atc, 4);
}

// Each time other memory behind the same IOVA: what the last one had must not appear.
static void remap(const unsigned char* into) {
  unsigned wrong = 0, good = 0;
  for (unsigned i = 0; i < rounds; ++i) {
    unsigned char* const from = buffer(i + 100);
    map(from, far_iova, buffer_size, VFIO_DMA_MAP_FLAG_READ);
    good += copy(far_iova, near_iova) == done;
    wrong += memcmp(from, into, copied) != 0;
    unmap(far_iova, buffer_size);
    munmap(from, buffer_size);
  }
  printf("SLUICE vfio what=remap rounds=%u done=%u wrong=%u\n", rounds, good, wrong);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    return 2;
  }
  open_device(argv[1], argv[2]);
  bar = region(VFIO_PCI_BAR0_REGION_INDEX);
  unsigned char* const from = buffer(1);
  unsigned char* const into = buffer(2);
  unsigned char* const guarded = buffer(3);

  map(from, far_iova, buffer_size, VFIO_DMA_MAP_FLAG_READ);
  map(into, near_iova, buffer_size, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
  const unsigned state = copy(far_iova + 0x123, near_iova + 0xe45);
  unsigned wrong = 0;
  for (unsigned i = 0; i < copied; ++i) {
    wrong += from[0x123 + i] != into[0xe45 + i];
  }
  printf("SLUICE vfio what=copy result=%s bytes=%llu wrong=%u\n", states[state % 8],
         (unsigned long long)get(moved_at, 8), wrong);
  unmap(far_iova, buffer_size);

  remap(into);

  map(guarded, guarded_iova, buffer_size, VFIO_DMA_MAP_FLAG_READ);
  const unsigned char before = guarded[0];
  say_refused("readonly", near_iova, guarded_iova);
  printf("SLUICE vfio what=guarded changed=%d\n", guarded[0] != before);
  unmap(guarded_iova, buffer_size);

  put(pasid_at, with_pasid | 5, 4); // one that nobody has set up
  say_refused("pasid", near_iova, near_iova + 8192);
  put(pasid_at, 0, 4);

  copy(near_iova, near_iova + 8192); // used until the last moment
  unmap(near_iova, buffer_size);
  say_refused("unmapped", near_iova, near_iova + 8192);
  return 0;
}
