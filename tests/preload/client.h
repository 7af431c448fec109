#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

// A program that knows nothing of us and asks its C library only. Each check ends the program at the first thing that
// is not as it would be on a kernel.
#define EXPECT(what)                                                                                                   \
  do {                                                                                                                 \
    if (!(what)) {                                                                                                     \
      fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #what, errno);                             \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

enum { IOAS_ALLOC = 0x3b81, DESTROY = 0x3b80, IOAS_MAP = 0x3b85, FAULT_QUEUE_ALLOC = 0x3b8e, VFIO_BIND = 0x3b76 };

// The id of a new IOAS, or -1.
static inline int ioas_alloc(int iommu) {
  struct {
    uint32_t size, flags, id;
  } a = {sizeof a, 0, 0};
  return ioctl(iommu, IOAS_ALLOC, &a) == 0 ? (int)a.id : -1;
}

static inline int destroy(int iommu, uint32_t id) {
  struct {
    uint32_t size, id;
  } d = {sizeof d, id};
  return ioctl(iommu, DESTROY, &d);
}

static inline int bind_device(int device, int iommu) {
  struct {
    uint32_t argsz, flags;
    int32_t iommufd;
    uint32_t id;
  } b = {sizeof b, 0, iommu, 0};
  return ioctl(device, VFIO_BIND, &b) == 0 ? (int)b.id : -1;
}

static inline int fails_with(int expected, int result) { return result == -1 && errno == expected; }

void check_descriptors(void);
void check_children(void);
void check_paths(void);
void check_given(int iommu, int device);
void check_markers(void);
void check_threads(void);
void check_closing(void);
void check_invalidate_nested(void);
void check_mapped(void);
void check_traps(void);
