#include "descriptors.hpp"

#include "real.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace sluice::preload {

namespace {

std::uint64_t inode_of(int fd) {
  const int before = errno;
  struct stat about {};
  const bool found = real().fstat(fd, &about) == 0;
  errno = before;
  return found ? about.st_ino : 0;
}

} // namespace

ssize_t File::pread(void*, std::size_t, std::uint64_t) { return -EINVAL; }
ssize_t File::pwrite(const void*, std::size_t, std::uint64_t) { return -EINVAL; }

std::shared_ptr<File> Descriptors::find(int fd) {
  if (!ours(fd)) {
    return nullptr;
  }
  std::shared_ptr<File> stale; // ends after the lock
  const std::lock_guard guard{mutex_};
  Entry& entry = entries_[static_cast<std::size_t>(fd)];
  if (entry.file && entry.inode != inode_of(fd)) {
    stale = std::move(entry.file);
    table_[static_cast<std::size_t>(fd)] = false;
  }
  return entry.file;
}

int Descriptors::add(std::shared_ptr<File> file, std::uint64_t size, int number) {
  int fd = memfd_create("sluice", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0) {
    return -1;
  }
  if (number >= 0 && number != fd) {
    const int moved = real().dup3(fd, number, O_CLOEXEC);
    real().close(fd);
    fd = moved;
  }
  if (fd < 0 || fd >= limit) {
    real().close(fd);
    errno = EMFILE;
    return -1;
  }
  const std::lock_guard guard{mutex_};
  entries_[static_cast<std::size_t>(fd)] = {std::move(file), inode_of(fd)};
  table_[static_cast<std::size_t>(fd)] = true;
  return fd;
}

void Descriptors::copied(int fd, int copy) {
  if (fd == copy || copy < 0 || copy >= limit) {
    return;
  }
  auto file = find(fd);
  std::shared_ptr<File> replaced; // ends after the lock
  const std::lock_guard guard{mutex_};
  Entry& entry = entries_[static_cast<std::size_t>(copy)];
  replaced = std::exchange(entry.file, file);
  entry.inode = file ? inode_of(copy) : 0;
  table_[static_cast<std::size_t>(copy)] = file != nullptr;
}

void Descriptors::closed(int fd) {
  std::shared_ptr<File> last; // ends after the lock
  const std::lock_guard guard{mutex_};
  last = std::move(entries_[static_cast<std::size_t>(fd)].file);
  entries_[static_cast<std::size_t>(fd)].file = nullptr;
  table_[static_cast<std::size_t>(fd)] = false;
}

std::size_t Descriptors::count() {
  const std::lock_guard guard{mutex_};
  return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.file != nullptr; }));
}

// Never destroyed: descriptors are used until the process ends.
Descriptors& descriptors() {
  static auto* const all = new Descriptors;
  return *all;
}

} // namespace sluice::preload
