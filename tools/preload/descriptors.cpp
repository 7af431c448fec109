#include "descriptors.hpp"

#include "real.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <thread>
#include <utility>
#include <vector>

namespace sluice::preload {

namespace {

Inode inode_of(int fd) {
  const int before = errno;
  struct stat about {};
  const bool found = real().fstat(fd, &about) == 0;
  errno = before;
  return found ? Inode{about.st_dev, about.st_ino} : Inode{};
}

void mark(int fd, bool ours) { detail::ours[static_cast<std::size_t>(fd)] = ours; }

// Read and written without an offset it is at its end: what is not ours to answer has no false data. Nobody may open it
// anew, by which it is known not to be memory.
int memory_file(std::uint64_t size) {
  const int fd = memfd_create("sluice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) {
    return -1;
  }
  if (ftruncate(fd, static_cast<off_t>(size)) != 0 || lseek(fd, 0, SEEK_END) < 0 ||
      real().fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0 || fchmod(fd, 0) != 0) {
    real().close(fd);
    return -1;
  }
  return fd;
}

} // namespace

ssize_t File::pread(void*, std::size_t, std::uint64_t) { return -EINVAL; }
ssize_t File::pwrite(const void*, std::size_t, std::uint64_t) { return -EINVAL; }

std::shared_ptr<File> Descriptors::find(int fd) {
  std::shared_ptr<File> stale; // ends after the lock
  const std::lock_guard guard{mutex_};
  const auto found = entries_.find(fd);
  if (found == entries_.end()) {
    return nullptr;
  }
  if (found->second.inode != inode_of(fd)) {
    if (!in_owner()) {
      return nullptr; // the number is another's in a child only
    }
    stale = std::move(found->second.file);
    entries_.erase(found);
    mark(fd, false);
    return nullptr;
  }
  return found->second.file;
}

int Descriptors::add(std::shared_ptr<File> file, std::uint64_t size, int number) {
  int fd = memory_file(size);
  if (fd >= 0 && number >= 0 && number != fd) {
    const int moved = real().dup3(fd, number, O_CLOEXEC);
    real().close(fd);
    fd = moved;
  }
  if (fd < 0) {
    return -1;
  }
  if (fd >= descriptor_limit) {
    real().close(fd);
    errno = EMFILE;
    return -1;
  }
  std::shared_ptr<File> stale;
  const std::lock_guard guard{mutex_};
  owner_ = getpid();
  stale = std::exchange(entries_[fd].file, std::move(file));
  entries_[fd].inode = inode_of(fd);
  mark(fd, true);
  return fd;
}

void Descriptors::adopt(int fd, std::shared_ptr<File> file) {
  if (fd < 0 || fd >= descriptor_limit) {
    return;
  }
  std::shared_ptr<File> stale; // ends after the lock
  const std::lock_guard guard{mutex_};
  owner_ = getpid();
  stale = std::exchange(entries_[fd].file, std::move(file));
  entries_[fd].inode = inode_of(fd);
  mark(fd, true);
}

bool Descriptors::in_owner() const { return owner_ == getpid(); }

void Descriptors::copied(int fd, int copy) {
  if (fd == copy || copy < 0 || copy >= descriptor_limit || !in_owner()) {
    return;
  }
  auto file = find(fd);
  std::shared_ptr<File> replaced; // ends after the lock
  const std::lock_guard guard{mutex_};
  mark(copy, file != nullptr);
  if (file) {
    Entry& entry = entries_[copy];
    replaced = std::exchange(entry.file, std::move(file));
    entry.inode = inode_of(copy);
  } else if (const auto old = entries_.find(copy); old != entries_.end()) {
    replaced = std::move(old->second.file);
    entries_.erase(old);
  }
}

void Descriptors::closed(int fd) {
  const int before = errno;
  std::shared_ptr<File> last; // ends after the lock
  if (find(fd) == nullptr || !in_owner()) {
    return;
  }
  {
    const std::lock_guard guard{mutex_};
    if (auto node = entries_.extract(fd)) {
      last = std::move(node.mapped().file);
    }
    mark(fd, false);
  }
  last.reset();
  errno = before;
}

void Descriptors::closed_range(unsigned first, unsigned last) {
  std::vector<int> inside;
  {
    const std::lock_guard guard{mutex_};
    for (const auto& [fd, entry] : entries_) {
      if (static_cast<unsigned>(fd) >= first && static_cast<unsigned>(fd) <= last) {
        inside.push_back(fd);
      }
    }
  }
  for (const int fd : inside) {
    closed(fd);
  }
}

std::size_t Descriptors::count() {
  const std::lock_guard guard{mutex_};
  return entries_.size();
}

bool Descriptors::close_all(std::chrono::milliseconds patience) {
  std::vector<std::weak_ptr<File>> files;
  {
    const std::lock_guard guard{mutex_};
    for (const auto& [fd, entry] : entries_) {
      files.push_back(entry.file);
    }
  }
  closed_range(0, descriptor_limit);
  const auto end = std::chrono::steady_clock::now() + patience;
  const auto gone = [](const std::weak_ptr<File>& file) { return file.expired(); };
  while (!std::all_of(files.begin(), files.end(), gone)) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{1}); // calls of others end without telling us
  }
  return true;
}

void Descriptors::in_child(bool keep) {
  if (keep) {
    owner_ = getpid();
  } else {
    for (const auto& [fd, entry] : entries_) {
      mark(fd, false);
    }
  }
  mutex_.unlock();
}

// Never destroyed: descriptors are used until the process ends.
Descriptors& descriptors() {
  static auto* const all = new Descriptors;
  return *all;
}

} // namespace sluice::preload
