#define _GNU_SOURCE
#include "client.h"

#include <spawn.h>
#include <sys/wait.h>

static int exit_of(pid_t child) {
  int status = 0;
  EXPECT(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

// Before the machine is there a child may be the one that makes it, as a daemon does.
static void a_daemon_may_fork_first(void) {
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    int fd = open("/dev/iommu", O_RDWR);
    EXPECT(ioas_alloc(fd) == 1 && close(fd) == 0);
    exit(3);
  }
  EXPECT(exit_of(child) == 3);
}

static void a_child_has_none_of_it(int iommu) {
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    EXPECT(fails_with(ENOTTY, ioas_alloc(iommu)));
    EXPECT(fails_with(ENODEV, open("/dev/iommu", O_RDWR)));
    EXPECT(close(iommu) == 0);
    exit(4); // with exit handlers
  }
  EXPECT(exit_of(child) == 4);
}

static void a_vfork_child_closes_for_itself(int iommu) {
  const pid_t child = vfork();
  if (child == 0) {
    close(iommu);
    dup2(2, iommu);
    const int is_another = fails_with(ENOTTY, ioas_alloc(iommu));
    close(iommu);
    _exit(is_another ? 5 : 6);
  }
  EXPECT(exit_of(child) == 5);
}

static void programs_that_it_starts_are_spared(void) {
  char* const arguments[] = {"sh", "-c", "case \"$LD_PRELOAD\" in *libsluice*) exit 1;; esac; test ! -e /dev/iommu",
                             NULL};
  pid_t child = 0;
  EXPECT(posix_spawnp(&child, "sh", NULL, NULL, arguments, environ) == 0);
  EXPECT(exit_of(child) == 0);
}

void check_children(void) {
  a_daemon_may_fork_first();
  int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/vfio/devices/vfio0", O_RDWR);
  EXPECT(bind_device(device, iommu) == 1 && ioas_alloc(iommu) == 2);
  a_child_has_none_of_it(iommu);
  EXPECT(ioas_alloc(iommu) == 3);
  a_vfork_child_closes_for_itself(iommu);
  EXPECT(ioas_alloc(iommu) == 4);
  programs_that_it_starts_are_spared();
  EXPECT(ioas_alloc(iommu) == 5);
}
