#define _GNU_SOURCE
#include "client.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

// A copy engine's ring, in its BAR 2: entries that are filled, a count of them, and the engine's count.
enum { VFIO_GET_REGION_INFO = 0x3b6c, VFIO_RESET = 0x3b6f, VFIO_ATTACH = 0x3b77, IOAS_MAP_FILE = 0x3b8f };
enum { ring_bytes = 0x4000, entries = 256, page = 4096, ram_bytes = 1 << 20 };
static const off_t registers = 0, ring_at = (off_t)2 << 40, config = (off_t)7 << 40;
static const uint64_t iova = 0x40000000;

struct entry {
  uint64_t source, destination;
  uint32_t size, how, state, moved;
};

struct engine {
  int iommu, device;
  uint32_t ioas;
  unsigned char* ram;
};

static struct engine open_engine(int iommu) {
  struct engine e = {iommu, open("/dev/vfio/devices/vfio1", O_RDWR), 0, NULL};
  EXPECT(e.device >= 0 && bind_device(e.device, iommu) > 0);
  return e;
}

static int map_ram(struct engine* e, void* at, uint64_t where, uint64_t length) {
  struct {
    uint32_t size, flags, ioas, reserved;
    uint64_t va, length, iova;
  } m = {sizeof m, 7, e->ioas, 0, (uintptr_t)at, length, where};
  return ioctl(e->iommu, IOAS_MAP, &m);
}

static void give_ram(struct engine* e) {
  e->ioas = (uint32_t)ioas_alloc(e->iommu);
  e->ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct {
    uint32_t argsz, flags, id;
  } a = {sizeof a, 0, e->ioas};
  EXPECT(e->ram != MAP_FAILED && ioctl(e->device, VFIO_ATTACH, &a) == 0);
  EXPECT(map_ram(e, e->ram, iova, ram_bytes) == 0);
  const uint16_t command = 6; // memory, bus master
  EXPECT(pwrite(e->device, &command, 2, config + 4) == 2);
}

static void* ring(int device, int protection) {
  return mmap(NULL, ring_bytes, protection, MAP_SHARED, device, ring_at);
}

static int map_file(struct engine* e, int fd, uint64_t where, uint64_t length) {
  struct {
    uint32_t size, flags, ioas;
    int32_t fd;
    uint64_t start, length, iova;
  } m = {sizeof m, 7, e->ioas, fd, 0, length, where};
  return ioctl(e->iommu, IOAS_MAP_FILE, &m);
}

static uint32_t load(const void* at) { return __atomic_load_n((const uint32_t*)at, __ATOMIC_ACQUIRE); }
static void store(void* at, uint32_t value) { __atomic_store_n((uint32_t*)at, value, __ATOMIC_RELEASE); }

static struct entry* entry_at(void* at, uint32_t n) { return (struct entry*)((char*)at + 0x1000) + n % entries; }
static void wait_for(const void* at, uint32_t value) {
  for (int ms = 0; load(at) != value; ++ms) {
    EXPECT(ms < 20000);
    usleep(1000);
  }
}

static uint32_t region_flags(int device, uint32_t index, uint64_t* size) {
  struct {
    uint32_t argsz, flags, index, cap_offset;
    uint64_t size, offset;
  } r = {sizeof r, 0, index, 0, 0, 0};
  EXPECT(ioctl(device, VFIO_GET_REGION_INFO, &r) == 0 && r.offset == (uint64_t)index << 40);
  *size = r.size;
  return r.flags;
}

static int refused(int expected, void* at) { return at == MAP_FAILED && errno == expected; }

static void what_cannot_be_mapped_is_refused(int device) {
  const int both = PROT_READ | PROT_WRITE;
  uint64_t size = 0;
  EXPECT(region_flags(device, 2, &size) == 7 && size == ring_bytes);
  EXPECT(region_flags(device, 0, &size) == 3 && size == page);
  EXPECT(refused(EINVAL, mmap(NULL, page, both, MAP_SHARED, device, registers)));
  EXPECT(refused(EINVAL, mmap(NULL, page, both, MAP_SHARED, device, config)));
  EXPECT(refused(EINVAL, mmap(NULL, page, both, MAP_SHARED, device, (off_t)9 << 40)));
  EXPECT(refused(EINVAL, mmap(NULL, page, PROT_READ, MAP_PRIVATE, device, ring_at)));
  EXPECT(refused(EINVAL, mmap(NULL, page, both, 0, device, ring_at)));
  EXPECT(refused(EINVAL, mmap(NULL, ring_bytes + page, both, MAP_SHARED, device, ring_at)));
  EXPECT(refused(EINVAL, mmap(NULL, ring_bytes, both, MAP_SHARED, device, ring_at + page)));
  EXPECT(refused(EINVAL, mmap(NULL, page, both, MAP_SHARED, device, ring_at + ring_bytes)));
  EXPECT(refused(EINVAL, mmap(NULL, page, both, MAP_SHARED, device, ring_at + 512)));
  EXPECT(refused(EINVAL, mmap(NULL, 0, both, MAP_SHARED, device, ring_at)));
  EXPECT(refused(EOPNOTSUPP, mmap(NULL, page, both, MAP_SHARED_VALIDATE | MAP_SYNC, device, ring_at)));
  char* const other = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT(refused(EEXIST, mmap(other, page, both, MAP_SHARED | MAP_FIXED_NOREPLACE, device, ring_at)));
  EXPECT(*other == 0 && munmap(other, page) == 0);
}

// Twice round the ring, in batches, each job to a place of its own.
static void copies_are_made(struct engine* e, char* at) {
  enum { jobs = 600, bytes = 512, half = ram_bytes / 2 };
  for (unsigned i = 0; i < half; ++i) {
    e->ram[i] = (unsigned char)(i * 7 + i / 251);
  }
  const uint32_t before = load(at + 0x40);
  EXPECT(load(at) == before);
  for (uint32_t done = 0; done < jobs;) {
    const uint32_t batch = done + 200 < jobs ? 200 : jobs - done;
    for (uint32_t n = done; n < done + batch; ++n) {
      struct entry* const entry = entry_at(at, before + n);
      *entry = (struct entry){iova + n * bytes, iova + half + n * bytes, bytes, 0, 0, 0};
    }
    done += batch;
    store(at, before + done);
    wait_for(at + 0x40, before + done);
  }
  EXPECT(memcmp(e->ram, e->ram + half, jobs * bytes) == 0 && e->ram[half + jobs * bytes] == 0);
  EXPECT(entry_at(at, before + jobs - 1)->state == 2 && entry_at(at, before + jobs - 1)->moved == bytes);
}

static void an_abort_is_told(char* at) {
  const uint32_t before = load(at);
  *entry_at(at, before) = (struct entry){0x1000, iova, 64, 0, 0, 0};
  store(at, before + 1);
  wait_for(at + 0x40, before + 1);
  EXPECT(entry_at(at, before)->state == 3 && entry_at(at, before)->moved == 0);
}

static void both_ways_lead_to_the_same_memory(int device, char* at) {
  uint32_t word = 0x12345678, other = 0;
  store(at + 0x3ffc, word);
  EXPECT(pread(device, &other, 4, ring_at + 0x3ffc) == 4 && other == word);
  other = 77;
  EXPECT(pwrite(device, &other, 4, ring_at + 0x3ff8) == 4 && load(at + 0x3ff8) == 77);
  char* const again = mmap(NULL, page, PROT_READ, MAP_SHARED, device, ring_at + 0x3000);
  EXPECT(again != MAP_FAILED && load(again + 0xffc) == word);
  int zero = open("/dev/zero", O_RDONLY);
  EXPECT(fails_with(EFAULT, (int)read(zero, again, 1)) && close(zero) == 0); // only to be read
  EXPECT(munmap(again, page) == 0);
}

static void a_bar_is_no_memory_for_devices(struct engine* e, char* at) {
  EXPECT(fails_with(EFAULT, map_ram(e, at, 2 * iova, page)));
  EXPECT(fails_with(EFAULT, map_ram(e, at + 0x3000, 2 * iova, page)));
  EXPECT(fails_with(EINVAL, map_file(e, e->device, 2 * iova, page)));
  EXPECT(fails_with(EINVAL, map_file(e, e->iommu, 2 * iova, page)));
}

static void a_reset_clears_it_where_it_is(int device, char* at) {
  store(at + 0x3000, 9);
  EXPECT(ioctl(device, VFIO_RESET) == 0);
  EXPECT(load(at) == 0 && load(at + 0x40) == 0 && load(at + 0x3000) == 0);
}

static char* it_is_moved_and_does_not_grow(char* at) {
  EXPECT(mremap(at, ring_bytes, 2 * ring_bytes, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
  EXPECT(mremap(at, 0, ring_bytes, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
  char* const room = mmap(NULL, ring_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  store(at + 0x3000, 8);
  EXPECT(mremap(at, ring_bytes, ring_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room);
  EXPECT(load(room + 0x3000) == 8);
  return room;
}

// As by a kernel: who has it mapped has it open.
static int is_free(int iommu) {
  int device = open("/dev/vfio/devices/vfio1", O_RDWR);
  EXPECT(device >= 0);
  const int bound = bind_device(device, iommu) > 0;
  EXPECT(bound || errno == EINVAL);
  EXPECT(close(device) == 0);
  return bound;
}

static void it_is_open_until_nothing_of_it_is_mapped(int iommu, char* at) {
  EXPECT(!is_free(iommu));
  const pid_t child = fork();
  if (child == 0) {
    _exit(munmap(at, ring_bytes));
  }
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child && status == 0 && !is_free(iommu));
  EXPECT(munmap(at + 0x1000, 0x1000) == 0 && !is_free(iommu));
  EXPECT(munmap(at + 0x3000, 0x1000) == 0 && !is_free(iommu));
  store(at + 0x2000, 5);
  EXPECT(load(at + 0x2000) == 5);
  EXPECT(mmap(at + 0x2000, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at + 0x2000);
  EXPECT(load(at + 0x2000) == 0 && !is_free(iommu));
  EXPECT(munmap(at - page, 0) == -1 && errno == EINVAL && !is_free(iommu));
  EXPECT(munmap(at, ring_bytes) == 0 && is_free(iommu));
}

struct race {
  int device;
  uint32_t mapped; // how often
};

static void* map_and_unmap(void* argument) {
  struct race* const race = argument;
  for (;;) {
    char* const at = ring(race->device, PROT_READ | PROT_WRITE);
    if (at == MAP_FAILED) {
      EXPECT(errno == EBADF);
      return NULL;
    }
    store(at + 0x2000, load(at + 0x2000) + 1);
    EXPECT(munmap(at, ring_bytes) == 0);
    store(&race->mapped, race->mapped + 1);
  }
}

static void it_is_closed_while_others_map_it(int iommu) {
  struct engine e = open_engine(iommu);
  struct race races[3];
  pthread_t threads[3];
  for (int i = 0; i < 3; ++i) {
    races[i] = (struct race){e.device, 0};
    EXPECT(pthread_create(&threads[i], NULL, map_and_unmap, &races[i]) == 0);
  }
  for (int i = 0; i < 3; ++i) {
    for (int ms = 0; load(&races[i].mapped) == 0; ++ms) {
      EXPECT(ms < 20000);
      usleep(1000);
    }
  }
  EXPECT(close(e.device) == 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT(pthread_join(threads[i], NULL) == 0);
  }
  EXPECT(is_free(iommu));
}

void check_mapped(void) {
  int iommu = open("/dev/iommu", O_RDWR), early = open("/dev/vfio/devices/vfio1", O_RDWR);
  EXPECT(refused(EINVAL, ring(early, PROT_READ)) && close(early) == 0); // not bound yet
  struct engine e = open_engine(iommu);
  give_ram(&e);
  what_cannot_be_mapped_is_refused(e.device);
  char* at = ring(e.device, PROT_READ | PROT_WRITE);
  EXPECT(at != MAP_FAILED);
  copies_are_made(&e, at);
  an_abort_is_told(at);
  both_ways_lead_to_the_same_memory(e.device, at);
  a_bar_is_no_memory_for_devices(&e, at);
  a_reset_clears_it_where_it_is(e.device, at);
  at = it_is_moved_and_does_not_grow(at);
  copies_are_made(&e, at);
  EXPECT(close(e.device) == 0);
  it_is_open_until_nothing_of_it_is_mapped(iommu, at);
  it_is_closed_while_others_map_it(iommu);
  EXPECT(munmap(e.ram, ram_bytes) == 0);
  struct engine last = open_engine(iommu); // and the program ends with it mapped
  EXPECT(ring(last.device, PROT_READ) != MAP_FAILED);
}
