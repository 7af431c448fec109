// The functions of the C library that are put before its own. A path or a descriptor that is not ours goes on to the C
// library at once.
#include "descriptors.hpp"
#include "files.hpp"
#include "paths.hpp"
#include "real.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace {

using namespace sluice::preload;

// The kernel's way of answering becomes the C library's.
template <class T>
T answer(T result) {
  if (result < 0) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}

bool has_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

template <class Open>
int open_path(const char* path, Open open) {
  const Path p = classify(path);
  switch (p.kind) {
  case PathKind::iommu:
  case PathKind::vfio:
    return open_device(p);
  case PathKind::sysfs:
    return open(p.instead.c_str());
  case PathKind::marker_on:
    set_accelerator(true);
    break;
  case PathKind::marker_off:
    set_accelerator(false);
    break;
  case PathKind::other:
    break;
  }
  return open(path);
}

template <class Use>
auto with_path(const char* path, Use use) {
  const Path p = classify(path);
  return use(p.kind == PathKind::sysfs ? p.instead.c_str() : path);
}

int remember_copy(int fd, int copy) {
  if (copy >= 0 && (descriptors().ours(fd) || descriptors().ours(copy))) {
    descriptors().copied(fd, copy);
  }
  return copy;
}

// A device's descriptor looks like one.
template <class Stat>
int stat_of(int fd, int result, Stat* about) {
  if (result == 0 && descriptors().ours(fd)) {
    if (const auto file = descriptors().find(fd); file && file->device_number() != 0) {
      about->st_mode = (about->st_mode & ~static_cast<mode_t>(S_IFMT)) | S_IFCHR;
      about->st_rdev = file->device_number();
    }
  }
  return result;
}

template <class RealRead, class Offset>
ssize_t read_at(RealRead real_read, int fd, void* into, size_t size, Offset offset) {
  if (descriptors().ours(fd)) {
    if (const auto file = descriptors().find(fd)) {
      return answer(file->pread(into, size, static_cast<std::uint64_t>(offset)));
    }
  }
  return real_read(fd, into, size, offset);
}

template <class RealWrite, class Offset>
ssize_t write_at(RealWrite real_write, int fd, const void* from, size_t size, Offset offset) {
  if (descriptors().ours(fd)) {
    if (const auto file = descriptors().find(fd)) {
      return answer(file->pwrite(from, size, static_cast<std::uint64_t>(offset)));
    }
  }
  return real_write(fd, from, size, offset);
}

} // namespace

#pragma GCC visibility push(default)
extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = has_mode(flags) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_path(path, [&](const char* p) { return real().open(p, flags, mode); });
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = has_mode(flags) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_path(path, [&](const char* p) { return real().open64(p, flags, mode); });
}

// What fortified programs call instead; flags that need a mode are a bug of theirs that glibc reports.
int __open_2(const char* path, int flags) {
  return open_path(path, [&](const char* p) { return real().open(p, flags); });
}
int __open64_2(const char* path, int flags) {
  return open_path(path, [&](const char* p) { return real().open64(p, flags); });
}

int openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = has_mode(flags) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_path(path, [&](const char* p) { return real().openat(folder, p, flags, mode); });
}

int openat64(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = has_mode(flags) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_path(path, [&](const char* p) { return real().openat64(folder, p, flags, mode); });
}

FILE* fopen(const char* path, const char* mode) {
  return with_path(path, [&](const char* p) { return real().fopen(p, mode); });
}
FILE* fopen64(const char* path, const char* mode) {
  return with_path(path, [&](const char* p) { return real().fopen64(p, mode); });
}

int close(int fd) {
  if (descriptors().ours(fd) && descriptors().find(fd)) {
    descriptors().closed(fd);
  }
  return real().close(fd);
}

int dup(int fd) noexcept { return remember_copy(fd, real().dup(fd)); }
int dup2(int fd, int number) noexcept { return remember_copy(fd, real().dup2(fd, number)); }
int dup3(int fd, int number, int flags) noexcept { return remember_copy(fd, real().dup3(fd, number, flags)); }

int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  const int result = real().fcntl(fd, command, argument);
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? remember_copy(fd, result) : result;
}
int fcntl64(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  const int result = real().fcntl64(fd, command, argument);
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? remember_copy(fd, result) : result;
}

int ioctl(int fd, unsigned long number, ...) noexcept {
  va_list rest;
  va_start(rest, number);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  if (descriptors().ours(fd)) {
    if (const auto file = descriptors().find(fd)) {
      return answer(file->ioctl(static_cast<std::uint32_t>(number), reinterpret_cast<std::uint64_t>(argument)));
    }
  }
  return real().ioctl(fd, number, argument);
}

ssize_t pread(int fd, void* into, size_t size, off_t offset) { return read_at(real().pread, fd, into, size, offset); }
ssize_t pread64(int fd, void* into, size_t size, off64_t offset) {
  return read_at(real().pread64, fd, into, size, offset);
}
ssize_t pwrite(int fd, const void* from, size_t size, off_t offset) {
  return write_at(real().pwrite, fd, from, size, offset);
}
ssize_t pwrite64(int fd, const void* from, size_t size, off64_t offset) {
  return write_at(real().pwrite64, fd, from, size, offset);
}

int fstat(int fd, struct stat* about) noexcept { return stat_of(fd, real().fstat(fd, about), about); }
int fstat64(int fd, struct stat64* about) noexcept { return stat_of(fd, real().fstat64(fd, about), about); }

int stat(const char* path, struct stat* about) noexcept {
  return with_path(path, [&](const char* p) { return real().stat(p, about); });
}
int stat64(const char* path, struct stat64* about) noexcept {
  return with_path(path, [&](const char* p) { return real().stat64(p, about); });
}

// Our devices exist and may be used, whatever the program's user may do.
int access(const char* path, int mode) noexcept {
  const Path p = classify(path);
  if (p.kind == PathKind::iommu || p.kind == PathKind::vfio) {
    return 0;
  }
  return real().access(p.kind == PathKind::sysfs ? p.instead.c_str() : path, mode);
}

ssize_t readlink(const char* path, char* into, size_t size) noexcept {
  return with_path(path, [&](const char* p) { return real().readlink(p, into, size); });
}

// A path of ours is real as it stands.
char* realpath(const char* path, char* into) noexcept {
  if (classify(path).kind != PathKind::sysfs) {
    return real().realpath(path, into);
  }
  return into != nullptr ? std::strcpy(into, path) : strdup(path);
}
char* __realpath_chk(const char* path, char* into, size_t) noexcept { return realpath(path, into); }

DIR* opendir(const char* path) {
  return with_path(path, [](const char* p) { return real().opendir(p); });
}

} // extern "C"
#pragma GCC visibility pop
