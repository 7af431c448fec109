#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace sluice::preload {

// What one of our descriptors does instead of the kernel. Answers are the kernel's: negative errno for errors.
class File {
public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File() = default;

  virtual int ioctl(std::uint32_t number, std::uint64_t argument) = 0;
  virtual ssize_t pread(void* into, std::size_t size, std::uint64_t offset);
  virtual ssize_t pwrite(const void* from, std::size_t size, std::uint64_t offset);
  // st_rdev of a character device, or 0 for no device.
  virtual std::uint64_t device_number() const { return 0; }
};

// Which descriptors are ours. Each is a memory file of the kernel, so that it can be mapped, duplicated and closed like
// any other, and is known again by its inode when a number has been reused behind our back.
class Descriptors {
public:
  static constexpr int limit = 65536;

  // One load for a descriptor that is not ours.
  bool ours(int fd) const {
    return fd >= 0 && fd < limit && table_[static_cast<std::size_t>(fd)].load(std::memory_order_relaxed);
  }
  // Null when it is not ours after all.
  std::shared_ptr<File> find(int fd);
  // A new descriptor for the file: of that number, or any. `size` is that of the memory file. -1 with errno set.
  int add(std::shared_ptr<File> file, std::uint64_t size, int number = -1);
  // `copy` is another descriptor of the same file.
  void copied(int fd, int copy);
  // The number is closed, or about to be: the file may end here.
  void closed(int fd);
  std::size_t count();

private:
  struct Entry {
    std::shared_ptr<File> file;
    std::uint64_t inode{};
  };

  std::mutex mutex_;
  std::array<std::atomic<bool>, limit> table_{};
  std::array<Entry, limit> entries_{};
};

Descriptors& descriptors();

} // namespace sluice::preload
