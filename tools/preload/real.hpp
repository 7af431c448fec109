#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

// The C library's own functions, behind those that this library puts before them.
namespace sluice::preload {

struct Real {
  decltype(&::open) open;
  decltype(&::open64) open64;
  decltype(&::openat) openat;
  decltype(&::openat64) openat64;
  decltype(&::fopen) fopen;
  decltype(&::fopen64) fopen64;
  decltype(&::opendir) opendir;
  decltype(&::stat) stat;
  decltype(&::stat64) stat64;
  decltype(&::lstat) lstat;
  decltype(&::lstat64) lstat64;
  decltype(&::fstatat) fstatat;
  decltype(&::fstatat64) fstatat64;
  decltype(&::statx) statx;
  decltype(&::access) access;
  decltype(&::faccessat) faccessat;
  decltype(&::readlink) readlink;
  decltype(&::realpath) realpath;
  decltype(&::close) close;
  decltype(&::close_range) close_range;
  decltype(&::closefrom) closefrom;
  decltype(&::dup) dup;
  decltype(&::dup2) dup2;
  decltype(&::dup3) dup3;
  decltype(&::fcntl) fcntl;
  decltype(&::fcntl64) fcntl64;
  decltype(&::ioctl) ioctl;
  decltype(&::read) read;
  decltype(&::write) write;
  decltype(&::readv) readv;
  decltype(&::writev) writev;
  decltype(&::pread) pread;
  decltype(&::pread64) pread64;
  decltype(&::pwrite) pwrite;
  decltype(&::pwrite64) pwrite64;
  decltype(&::fstat) fstat;
  decltype(&::fstat64) fstat64;
};

namespace detail {
inline constinit Real functions{};
inline constinit std::atomic<bool> looked_up{false};
void look_up();
} // namespace detail

// Looked up at the first use, which may be before this library's own start.
inline const Real& real() {
  if (!detail::looked_up.load(std::memory_order_acquire)) [[unlikely]] {
    detail::look_up();
  }
  return detail::functions;
}

} // namespace sluice::preload
