// Functions that take a descriptor.
#include "interpose.hpp"
#include "mappings.hpp"
#include "real.hpp"

#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace {

using namespace sluice::preload;

// As answer(), where addresses lie on both sides of zero.
template <class Call>
std::intptr_t address(Call call) {
  const int before = errno;
  std::intptr_t result = call();
  errno = before;
  if (result < 0 && result >= -4095) {
    errno = static_cast<int>(-result);
    result = -1;
  }
  return result;
}

int remember_copy(int fd, int copy) {
  if (copy >= 0 && (Descriptors::ours(fd) || Descriptors::ours(copy))) {
    descriptors().copied(fd, copy);
  }
  return copy;
}

template <class Fcntl>
int control(Fcntl call, int fd, int command, void* argument) {
  const int result = call(fd, command, argument);
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? remember_copy(fd, result) : result;
}

template <class Read, class Offset>
ssize_t read_at(Read read, int fd, void* into, size_t size, Offset offset) {
  if (Descriptors::ours(fd)) {
    if (const auto file = descriptors().find(fd)) {
      return answer([&] { return file->pread(into, size, static_cast<std::uint64_t>(offset)); });
    }
  }
  return read(fd, into, size, offset);
}

template <class Write, class Offset>
ssize_t write_at(Write write, int fd, const void* from, size_t size, Offset offset) {
  if (Descriptors::ours(fd)) {
    if (const auto file = descriptors().find(fd)) {
      return answer([&] { return file->pwrite(from, size, static_cast<std::uint64_t>(offset)); });
    }
  }
  return write(fd, from, size, offset);
}

// What the kernel asks of each mmap() before it asks the file.
int check_map(size_t size, int flags, off64_t offset) {
  constexpr off64_t page = 4096;
  if (offset % page != 0 || size == 0 || (flags & MAP_HUGETLB) != 0) {
    return -EINVAL;
  }
  return (flags & MAP_SYNC) != 0 && (flags & MAP_TYPE) == MAP_SHARED_VALIDATE ? -EOPNOTSUPP : 0;
}

std::intptr_t show(const std::shared_ptr<File>& file, void* at, size_t size, int protection, int flags,
                   off64_t offset) {
  if (const int wrong = check_map(size, flags, offset)) {
    return wrong;
  }
  const int type = flags & MAP_TYPE;
  const MapRequest request{size, protection, type == MAP_SHARED || type == MAP_SHARED_VALIDATE,
                           static_cast<std::uint64_t>(offset)};
  Shown shown;
  const int wrong = file->map(request, file, shown);
  return wrong != 0 ? wrong : mappings().map(request, at, flags, shown);
}

// Straight to the kernel: a program's own allocator may call this before anything can be looked up.
void* map(void* at, size_t size, int protection, int flags, int fd, off64_t offset) {
  if ((flags & MAP_ANONYMOUS) == 0 && Descriptors::ours(fd)) {
    if (const auto file = descriptors().find(fd)) {
      return reinterpret_cast<void*>(address([&] { return show(file, at, size, protection, flags, offset); }));
    }
  }
  if ((flags & MAP_FIXED) != 0 && Mappings::any()) {
    return reinterpret_cast<void*>(address([&] {
      return mappings().over(reinterpret_cast<std::uint64_t>(at), size,
                             [&] { return kernel(SYS_mmap, at, size, protection, flags, fd, offset); });
    }));
  }
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, size, protection, flags, fd, offset));
}

// As the kernel does with a file that knows nothing of lists: piece by piece, until one is not all moved.
template <class Move>
ssize_t piece_by_piece(const iovec* pieces, int count, Move move) {
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    const ssize_t moved = pieces[i].iov_len != 0 ? move(pieces[i].iov_base, pieces[i].iov_len) : 0;
    if (moved < 0) {
      return total != 0 ? total : moved;
    }
    total += moved;
    if (static_cast<std::size_t>(moved) != pieces[i].iov_len) {
      break;
    }
  }
  return total;
}

template <class Stat>
int stat_of(int fd, int result, Stat* about) {
  if (result == 0 && Descriptors::ours(fd)) {
    if (const auto file = descriptors().find(fd); file && file->device_number() != 0) {
      show_device(*about, file->device_number());
    }
  }
  return result;
}

} // namespace

#pragma GCC visibility push(default)
extern "C" {

int ioctl(int fd, unsigned long number, ...) noexcept {
  va_list rest;
  va_start(rest, number);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  if (Descriptors::ours(fd)) {
    if (const auto file = descriptors().find(fd)) {
      return answer(
          [&] { return file->ioctl(static_cast<std::uint32_t>(number), reinterpret_cast<std::uint64_t>(argument)); });
    }
  }
  return real().ioctl(fd, number, argument);
}

ssize_t read(int fd, void* into, size_t size) {
  if (Descriptors::ours(fd)) {
    if (const auto file = descriptors().find(fd); file && file->is_stream()) {
      return answer([&] { return file->read(fd, into, size); });
    }
  }
  return real().read(fd, into, size);
}
ssize_t write(int fd, const void* from, size_t size) {
  if (Descriptors::ours(fd)) {
    if (const auto file = descriptors().find(fd); file && file->is_stream()) {
      return answer([&] { return file->write(from, size); });
    }
  }
  return real().write(fd, from, size);
}
ssize_t readv(int fd, const iovec* pieces, int count) {
  if (Descriptors::ours(fd)) {
    if (const auto file = descriptors().find(fd); file && file->is_stream()) {
      return answer([&] {
        return piece_by_piece(pieces, count, [&](void* at, std::size_t size) { return file->read(fd, at, size); });
      });
    }
  }
  return real().readv(fd, pieces, count);
}
ssize_t writev(int fd, const iovec* pieces, int count) {
  if (Descriptors::ours(fd)) {
    if (const auto file = descriptors().find(fd); file && file->is_stream()) {
      return answer([&] {
        return piece_by_piece(pieces, count, [&](const void* at, std::size_t size) { return file->write(at, size); });
      });
    }
  }
  return real().writev(fd, pieces, count);
}
ssize_t __read_chk(int fd, void* into, size_t size, size_t room) {
  return size <= room ? read(fd, into, size) : (abort(), -1);
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

// What fortified programs call: `room` is the size of the buffer.
ssize_t __pread_chk(int fd, void* into, size_t size, off_t offset, size_t room) {
  return size <= room ? pread(fd, into, size, offset) : (abort(), -1);
}
ssize_t __pread64_chk(int fd, void* into, size_t size, off64_t offset, size_t room) {
  return size <= room ? pread64(fd, into, size, offset) : (abort(), -1);
}

void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  return map(at, size, protection, flags, fd, offset);
}
void* mmap64(void* at, size_t size, int protection, int flags, int fd, off64_t offset) noexcept {
  return map(at, size, protection, flags, fd, offset);
}

int munmap(void* at, size_t size) noexcept {
  if (!Mappings::any()) {
    return static_cast<int>(syscall(SYS_munmap, at, size));
  }
  return static_cast<int>(address([&] {
    return mappings().over(reinterpret_cast<std::uint64_t>(at), size, [&] { return kernel(SYS_munmap, at, size); });
  }));
}
void* mremap(void* at, size_t size, size_t next_size, int flags, ...) noexcept {
  va_list rest;
  va_start(rest, flags);
  void* const next = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void*) : nullptr;
  va_end(rest);
  if (!Mappings::any()) {
    return reinterpret_cast<void*>(syscall(SYS_mremap, at, size, next_size, flags, next));
  }
  return reinterpret_cast<void*>(
      address([&] { return mappings().remap(reinterpret_cast<std::uint64_t>(at), size, next_size, flags, next); }));
}

int fstat(int fd, struct stat* about) noexcept { return stat_of(fd, real().fstat(fd, about), about); }
int fstat64(int fd, struct stat64* about) noexcept { return stat_of(fd, real().fstat64(fd, about), about); }

int close(int fd) {
  if (Descriptors::ours(fd)) {
    descriptors().closed(fd);
  }
  return real().close(fd);
}
int close_range(unsigned first, unsigned last, int flags) noexcept {
  if ((static_cast<unsigned>(flags) & CLOSE_RANGE_CLOEXEC) == 0) {
    descriptors().closed_range(first, last);
  }
  return real().close_range(first, last, flags);
}
void closefrom(int first) noexcept {
  descriptors().closed_range(first < 0 ? 0 : static_cast<unsigned>(first), ~0U);
  real().closefrom(first);
}

int dup(int fd) noexcept { return remember_copy(fd, real().dup(fd)); }
int dup2(int fd, int number) noexcept { return remember_copy(fd, real().dup2(fd, number)); }
int dup3(int fd, int number, int flags) noexcept { return remember_copy(fd, real().dup3(fd, number, flags)); }

int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  return control(real().fcntl, fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  return control(real().fcntl64, fd, command, argument);
}

} // extern "C"
#pragma GCC visibility pop
