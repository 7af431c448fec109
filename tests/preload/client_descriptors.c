#define _GNU_SOURCE
#include "client.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static int plain(void) {
  int fd = open("/dev/null", O_RDWR);
  EXPECT(fd >= 0);
  return fd;
}

static int is_plain(int fd) { return fails_with(ENOTTY, ioas_alloc(fd)); }

static void copies_are_the_same_file(void) {
  int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
  EXPECT(ioas_alloc(fd) == 1);
  int copy = dup(fd);
  int at = fcntl(fd, F_DUPFD_CLOEXEC, 100);
  EXPECT(at >= 100 && dup2(fd, 90) == 90 && dup3(fd, 91, O_CLOEXEC) == 91);
  EXPECT(ioas_alloc(copy) == 2 && ioas_alloc(at) == 3 && ioas_alloc(90) == 4 && ioas_alloc(91) == 5);
  EXPECT(close(fd) == 0);
  EXPECT(fails_with(EBADF, ioas_alloc(fd)));
  EXPECT(ioas_alloc(copy) == 6);
  EXPECT(close(copy) == 0 && close(at) == 0 && close(90) == 0);
  EXPECT(ioas_alloc(91) == 7);
  EXPECT(close(91) == 0);
  EXPECT(fails_with(EBADF, close(91)));
}

static void opens_are_independent(void) {
  int a = open("/dev/iommu", O_RDWR), b = open("/dev/iommu", O_RDWR);
  EXPECT(ioas_alloc(a) == 1 && ioas_alloc(b) == 1);
  EXPECT(close(a) == 0 && ioas_alloc(b) == 2 && close(b) == 0);
}

static void numbers_are_used_again(void) {
  int fd = open("/dev/iommu", O_RDWR);
  EXPECT(ioas_alloc(fd) == 1);
  EXPECT(close(fd) == 0);
  EXPECT(plain() == fd && is_plain(fd));
  EXPECT(close(fd) == 0);

  EXPECT(open("/dev/iommu", O_RDWR) == fd);
  EXPECT(ioas_alloc(fd) == 1);
  int other = plain();
  EXPECT(dup2(other, fd) == fd && is_plain(fd));
  EXPECT(close(fd) == 0);

  // Closed without the C library
  EXPECT(open("/dev/iommu", O_RDWR) == fd);
  EXPECT(syscall(SYS_close, fd) == 0);
  EXPECT(plain() == fd && is_plain(fd));
  EXPECT(close(fd) == 0 && close(other) == 0);
}

static void ranges_are_closed(void) {
  int a = open("/dev/iommu", O_RDWR), b = open("/dev/iommu", O_RDWR), c = open("/dev/iommu", O_RDWR);
  EXPECT(close_range((unsigned)b, (unsigned)b, 0) == 0);
  EXPECT(fails_with(EBADF, ioas_alloc(b)) && ioas_alloc(a) == 1 && ioas_alloc(c) == 1);
  EXPECT(close_range((unsigned)a, ~0U, CLOSE_RANGE_CLOEXEC) == 0 && ioas_alloc(a) == 2);
  closefrom(a);
  EXPECT(fails_with(EBADF, ioas_alloc(a)) && fails_with(EBADF, ioas_alloc(c)));
  EXPECT(plain() == a && is_plain(a) && close(a) == 0);
}

static void queues_are_read_and_written(void) {
  int iommu = open("/dev/iommu", O_RDWR);
  struct {
    uint32_t size, flags, id, fd;
  } q = {sizeof q, 0, 0, 0};
  EXPECT(ioctl(iommu, FAULT_QUEUE_ALLOC, &q) == 0);
  int fd = (int)q.fd;
  char record[40];
  EXPECT(read(fd, record, 40) == 0);
  EXPECT(fails_with(ESPIPE, (int)read(fd, record, 39)));
  EXPECT(fails_with(ESPIPE, (int)pread(fd, record, 40, 0)) && fails_with(ESPIPE, (int)pwrite(fd, record, 8, 0)));
  struct iovec parts[2] = {{record, 20}, {record + 20, 20}};
  EXPECT(fails_with(ESPIPE, (int)readv(fd, parts, 2)));
  uint32_t response[2] = {1, 0};
  EXPECT(fails_with(EINVAL, (int)write(fd, response, 8)));
  EXPECT(fails_with(ESPIPE, (int)write(fd, response, 7)));
  EXPECT(fails_with(EFAULT, (int)write(fd, NULL, 8)));
  EXPECT(fails_with(ENOTTY, ioctl(fd, IOAS_ALLOC, &q)));
  struct pollfd p = {fd, POLLIN | POLLOUT, 0};
  EXPECT(poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
  int copy = dup(fd);
  EXPECT(close(fd) == 0 && fails_with(EBUSY, destroy(iommu, q.id)));
  EXPECT(read(copy, record, 40) == 0);
  EXPECT(close(copy) == 0 && destroy(iommu, q.id) == 0 && close(iommu) == 0);
}

static void errors_are_the_kernels(void) {
  int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/vfio/devices/vfio0", O_RDWR), other = plain();
  EXPECT(iommu >= 0 && device >= 0);
  errno = 77;
  EXPECT(ioas_alloc(iommu) == 1 && errno == 77);
  EXPECT(fails_with(ENOTTY, ioctl(iommu, 0x3bff, NULL)));
  EXPECT(fails_with(EFAULT, ioctl(iommu, IOAS_ALLOC, NULL)));
  EXPECT(fails_with(EBADF, bind_device(device, 999)));
  EXPECT(fails_with(EBADFD, bind_device(device, other)));
  EXPECT(fails_with(EBADFD, bind_device(device, device)));
  char byte = 1;
  EXPECT(fails_with(EINVAL, (int)pread(device, &byte, 1, (off_t)7 << 40))); // not bound yet
  EXPECT(bind_device(device, iommu) == 2);
  errno = 77;
  EXPECT(pread(device, &byte, 1, (off_t)7 << 40) == 1 && errno == 77 && byte == (char)0xf4);
  EXPECT(read(device, &byte, 1) == 0); // no false data
  EXPECT(fails_with(EINVAL, (int)pread(iommu, &byte, 1, 0)));
  errno = 0;
  EXPECT(mmap(NULL, 4096, PROT_READ, MAP_SHARED, iommu, 0) == MAP_FAILED && errno == ENXIO);
  EXPECT(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, iommu, 0) == MAP_FAILED && errno == EINVAL);
  EXPECT(mmap(NULL, 4096, PROT_EXEC, MAP_SHARED, iommu, 0) == MAP_FAILED && errno == EPERM);
  EXPECT(mmap(NULL, 4096, PROT_READ, MAP_SHARED, device, 0) == MAP_FAILED && errno == EINVAL); // as its flags say
  EXPECT(close(iommu) == 0);
  EXPECT(fails_with(ENOENT, open("/dev/vfio/devices/vfio99", O_RDWR)));
  EXPECT(close(device) == 0 && close(other) == 0);
}

static void others_pass(void) {
  int pipes[2];
  int count = 0;
  char word[8] = "";
  EXPECT(pipe(pipes) == 0 && write(pipes[1], "12345", 5) == 5);
  EXPECT(ioctl(pipes[0], FIONREAD, &count) == 0 && count == 5);
  int file = memfd_create("x", 0);
  errno = 77;
  EXPECT(pwrite(file, "abc", 3, 4096) == 3 && pread(file, word, 8, 4097) == 2 && strcmp(word, "bc") == 0);
  char* const shown = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 4096);
  EXPECT(shown != MAP_FAILED && memcmp(shown, "abc", 3) == 0 && munmap(shown, 4096) == 0 && errno == 77);
  EXPECT(fails_with(EBADF, ioctl(-1, FIONREAD, &count)) && fails_with(EBADF, (int)pread(70000, word, 1, 0)));
  EXPECT(close(pipes[0]) == 0 && close(pipes[1]) == 0 && close(file) == 0);
}

void check_descriptors(void) {
  copies_are_the_same_file();
  opens_are_independent();
  numbers_are_used_again();
  ranges_are_closed();
  queues_are_read_and_written();
  errors_are_the_kernels();
  others_pass();
}

void check_given(int iommu, int device) {
  EXPECT((fcntl(iommu, F_GETFD) & FD_CLOEXEC) != 0);
  EXPECT(bind_device(device, iommu) == 1);
  EXPECT(ioas_alloc(iommu) == 2);
  EXPECT(close(device) == 0 && ioas_alloc(iommu) == 1 && close(iommu) == 0);
}

static void* hammer(void* argument) {
  unsigned seed = (unsigned)(uintptr_t)argument;
  for (int i = 0; i < 300; ++i) {
    int fd = open("/dev/iommu", O_RDWR);
    int copy = dup(fd);
    EXPECT(fd >= 0 && copy >= 0);
    EXPECT(ioas_alloc(fd) == 1 && ioas_alloc(copy) == 2);
    const int first = rand_r(&seed) % 2 ? fd : copy;
    EXPECT(close(first) == 0);
    EXPECT(ioas_alloc(first == fd ? copy : fd) == 3);
    EXPECT(close(first == fd ? copy : fd) == 0);
  }
  return NULL;
}

// Blocked in all threads but the program's own.
static void signals_are_the_programs(void) {
  int others = 0;
  DIR* const tasks = opendir("/proc/self/task");
  for (struct dirent* task = readdir(tasks); task != NULL; task = readdir(tasks)) {
    char path[64];
    if (task->d_name[0] == '.' || atoi(task->d_name) == getpid()) {
      continue;
    }
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", task->d_name);
    FILE* file = fopen(path, "r");
    EXPECT(file != NULL);
    char line[256];
    unsigned long long blocked = 0;
    while (fgets(line, sizeof line, file) != NULL) {
      sscanf(line, "SigBlk: %llx", &blocked);
    }
    fclose(file);
    EXPECT((blocked & 1ULL << (15 - 1)) != 0 && (blocked & 1ULL << (17 - 1)) != 0);
    ++others;
  }
  EXPECT(closedir(tasks) == 0 && others > 0);
}

void check_threads(void) {
  int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/vfio/devices/vfio0", O_RDWR);
  EXPECT(bind_device(device, iommu) == 1);
  signals_are_the_programs();
  pthread_t threads[4];
  for (uintptr_t i = 0; i < 4; ++i) {
    EXPECT(pthread_create(&threads[i], NULL, hammer, (void*)(i + 1)) == 0);
  }
  for (int i = 0; i < 4; ++i) {
    EXPECT(pthread_join(threads[i], NULL) == 0);
  }
  // Both are left open, and the program ends.
}
