#pragma once

#include "descriptors.hpp"

#include <cerrno>
#include <sys/stat.h>

// What the functions that are put before the C library's own have in common: a path or a descriptor that is not ours
// goes on to the C library at once.
namespace sluice::preload {

// Makes one of our answers, which is the kernel's way of saying it, the C library's. A success leaves errno as it was.
template <class Call>
auto answer(Call call) {
  const int before = errno;
  auto result = call();
  errno = before;
  if (result < 0) {
    errno = static_cast<int>(-result);
    result = -1;
  }
  return result;
}

// A successful stat of one of our devices.
template <class Stat>
void show_device(Stat& about, unsigned long number) {
  about.st_mode = S_IFCHR | 0666;
  about.st_rdev = number;
}

} // namespace sluice::preload
