#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

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
  // Whether read() and write() on `fd` are its own affair, too.
  virtual bool is_stream() const { return false; }
  virtual ssize_t read(int /*fd*/, void* /*into*/, std::size_t /*size*/) { return 0; }
  virtual ssize_t write(const void* from, std::size_t size) { return pwrite(from, size, 0); }
  // The error of mmap(), or 0 where the memory file is what is to be mapped.
  virtual int map(int protection, int flags) = 0;
  // st_rdev of the character device; 0: it is none.
  virtual std::uint64_t device_number() const = 0;
};

using Inode = std::pair<dev_t, ino_t>;

inline constexpr int descriptor_limit = 65536;
namespace detail {
inline constinit std::array<std::atomic<bool>, descriptor_limit> ours{};
}

// Which descriptors are ours. Each is a memory file of the kernel, or a socket that was adopted, so that it can be
// mapped, duplicated and closed like any other, and is known again by its inode when a number has been reused behind
// our back.
class Descriptors {
public:
  // One load for a descriptor that is not ours.
  static bool ours(int fd) {
    return static_cast<unsigned>(fd) < descriptor_limit &&
           detail::ours[static_cast<std::size_t>(fd)].load(std::memory_order_relaxed);
  }
  // Null when it is not ours after all.
  std::shared_ptr<File> find(int fd);
  // A new descriptor for the file: of that number, which has to be free, or any. `size` is that of the memory file. -1
  // with errno set.
  int add(std::shared_ptr<File> file, std::uint64_t size, int number = -1);
  // A descriptor of the kernel's is the file from now on.
  void adopt(int fd, std::shared_ptr<File> file);
  // `copy` is another descriptor of the same file.
  void copied(int fd, int copy);
  // The number is closed, or about to be: the file may end here.
  void closed(int fd);
  void closed_range(unsigned first, unsigned last);
  std::size_t count();

  // Closes all, and waits until no call is under way in any. False if one still is.
  bool close_all(std::chrono::milliseconds patience);

  // Around fork(). The child keeps them if `keep`, else they are the kernel's memory files and no more.
  void before_fork() { mutex_.lock(); }
  void after_fork() { mutex_.unlock(); }
  void in_child(bool keep);

private:
  struct Entry {
    std::shared_ptr<File> file;
    Inode inode{};
  };

  // A child of vfork() shares our memory, and what it closes is not ours.
  bool in_owner() const;

  std::mutex mutex_;
  std::unordered_map<int, Entry> entries_;
  pid_t owner_{};
};

Descriptors& descriptors();

} // namespace sluice::preload
