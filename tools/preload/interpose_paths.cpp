// Functions that take a path.
#include "files.hpp"
#include "interpose.hpp"
#include "paths.hpp"
#include "real.hpp"

#include <cstring>
#include <sys/sysmacros.h>

namespace {

using namespace sluice::preload;

bool has_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

template <class Open>
int open_path(const char* path, Open open) {
  const Path p = classify(path);
  switch (p.kind) {
  case PathKind::other:
    return open(path);
  case PathKind::sysfs:
    return open(p.instead.c_str());
  default:
    return answer([&] {
      const int fd = open_device(p);
      return fd < 0 ? -errno : fd;
    });
  }
}

template <class Use>
auto with_path(const char* path, Use use) {
  const Path p = classify(path);
  return use(p.kind == PathKind::sysfs ? p.instead.c_str() : path);
}

// 0 for a path that is not one of our devices'.
unsigned long device_at(const Path& p) {
  return p.kind == PathKind::iommu ? iommu_device_number() : p.kind == PathKind::vfio ? vfio_device_number(p.vfio) : 0;
}

template <class Stat, class Call>
int stat_path(const char* path, Stat* about, Call call) {
  const Path p = classify(path);
  const auto device = device_at(p);
  const int result = call(device != 0 ? "/dev/null" : p.kind == PathKind::sysfs ? p.instead.c_str() : path);
  if (result == 0 && device != 0) {
    show_device(*about, device);
  }
  return result;
}

// Our devices exist and may be used, whatever the program's user may do.
template <class Call>
int access_path(const char* path, Call call) {
  return with_path(path, [&](const char* p) { return device_at(classify(p)) != 0 ? 0 : call(p); });
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

// What fortified programs call where they give no mode.
int __open_2(const char* path, int flags) {
  return open_path(path, [&](const char* p) { return real().open(p, flags); });
}
int __open64_2(const char* path, int flags) {
  return open_path(path, [&](const char* p) { return real().open64(p, flags); });
}
int __openat_2(int folder, const char* path, int flags) {
  return open_path(path, [&](const char* p) { return real().openat(folder, p, flags); });
}
int __openat64_2(int folder, const char* path, int flags) {
  return open_path(path, [&](const char* p) { return real().openat64(folder, p, flags); });
}

FILE* fopen(const char* path, const char* mode) {
  return with_path(path, [&](const char* p) { return real().fopen(p, mode); });
}
FILE* fopen64(const char* path, const char* mode) {
  return with_path(path, [&](const char* p) { return real().fopen64(p, mode); });
}
DIR* opendir(const char* path) {
  return with_path(path, [](const char* p) { return real().opendir(p); });
}

int stat(const char* path, struct stat* about) noexcept {
  return stat_path(path, about, [&](const char* p) { return real().stat(p, about); });
}
int stat64(const char* path, struct stat64* about) noexcept {
  return stat_path(path, about, [&](const char* p) { return real().stat64(p, about); });
}
int lstat(const char* path, struct stat* about) noexcept {
  return stat_path(path, about, [&](const char* p) { return real().lstat(p, about); });
}
int lstat64(const char* path, struct stat64* about) noexcept {
  return stat_path(path, about, [&](const char* p) { return real().lstat64(p, about); });
}
int fstatat(int folder, const char* path, struct stat* about, int flags) noexcept {
  if ((flags & AT_EMPTY_PATH) != 0 && *path == '\0' && Descriptors::ours(folder)) {
    return fstat(folder, about);
  }
  return stat_path(path, about, [&](const char* p) { return real().fstatat(folder, p, about, flags); });
}
int fstatat64(int folder, const char* path, struct stat64* about, int flags) noexcept {
  if ((flags & AT_EMPTY_PATH) != 0 && *path == '\0' && Descriptors::ours(folder)) {
    return fstat64(folder, about);
  }
  return stat_path(path, about, [&](const char* p) { return real().fstatat64(folder, p, about, flags); });
}
int statx(int folder, const char* path, int flags, unsigned mask, struct statx* about) noexcept {
  unsigned long device = 0;
  if ((flags & AT_EMPTY_PATH) != 0 && *path == '\0' && Descriptors::ours(folder)) {
    const auto file = descriptors().find(folder);
    device = file ? file->device_number() : 0;
  }
  const Path p = device == 0 ? classify(path) : Path{};
  device = device == 0 ? device_at(p) : device;
  const char* const instead = device_at(p) != 0 ? "/dev/null" : p.kind == PathKind::sysfs ? p.instead.c_str() : path;
  const int result = real().statx(folder, instead, flags, mask, about);
  if (result == 0 && device != 0) {
    about->stx_mode = S_IFCHR | 0666;
    about->stx_rdev_major = major(device);
    about->stx_rdev_minor = minor(device);
  }
  return result;
}

int access(const char* path, int mode) noexcept {
  return access_path(path, [&](const char* p) { return real().access(p, mode); });
}
int faccessat(int folder, const char* path, int mode, int flags) noexcept {
  return access_path(path, [&](const char* p) { return real().faccessat(folder, p, mode, flags); });
}

ssize_t readlink(const char* path, char* into, size_t size) noexcept {
  return with_path(path, [&](const char* p) { return real().readlink(p, into, size); });
}

// A path of ours is real as it stands.
char* realpath(const char* path, char* into) noexcept {
  const Path p = classify(path);
  if (p.kind != PathKind::sysfs && device_at(p) == 0) {
    return real().realpath(path, into);
  }
  return into != nullptr ? std::strcpy(into, path) : strdup(path);
}
char* __realpath_chk(const char* path, char* into, size_t) noexcept { return realpath(path, into); }

} // extern "C"
#pragma GCC visibility pop
