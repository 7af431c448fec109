#include "real.hpp"

#include <dlfcn.h>

namespace sluice::preload {

namespace {

template <class F>
void find(F& function, const char* name) {
  function = reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

Real find_all() {
  Real r{};
  find(r.open, "open");
  find(r.open64, "open64");
  find(r.openat, "openat");
  find(r.openat64, "openat64");
  find(r.fopen, "fopen");
  find(r.fopen64, "fopen64");
  find(r.opendir, "opendir");
  find(r.stat, "stat");
  find(r.stat64, "stat64");
  find(r.lstat, "lstat");
  find(r.lstat64, "lstat64");
  find(r.fstatat, "fstatat");
  find(r.fstatat64, "fstatat64");
  find(r.statx, "statx");
  find(r.access, "access");
  find(r.faccessat, "faccessat");
  find(r.readlink, "readlink");
  find(r.realpath, "realpath");
  find(r.close, "close");
  find(r.close_range, "close_range");
  find(r.closefrom, "closefrom");
  find(r.dup, "dup");
  find(r.dup2, "dup2");
  find(r.dup3, "dup3");
  find(r.fcntl, "fcntl");
  find(r.fcntl64, "fcntl64");
  find(r.ioctl, "ioctl");
  find(r.read, "read");
  find(r.write, "write");
  find(r.readv, "readv");
  find(r.writev, "writev");
  find(r.pread, "pread");
  find(r.pread64, "pread64");
  find(r.pwrite, "pwrite");
  find(r.pwrite64, "pwrite64");
  find(r.fstat, "fstat");
  find(r.fstat64, "fstat64");
  return r;
}

} // namespace

void detail::look_up() {
  [[maybe_unused]] static const bool once = [] {
    functions = find_all();
    looked_up.store(true, std::memory_order_release);
    return true;
  }();
}

} // namespace sluice::preload
