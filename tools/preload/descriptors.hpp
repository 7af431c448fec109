#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace sluice::preload {

// An mmap() of one of our descriptors.
struct MapRequest {
  std::size_t size{};
  int protection{};
  bool shared{};
  std::uint64_t offset{}; // a multiple of a page
};
// What it shows: shared memory of ours, which lasts as long as `keep`.
struct Shown {
  void* memory{};
  std::shared_ptr<void> keep{};
};

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
  virtual ssize_t write(const void* /*from*/, std::size_t /*size*/) { return -EINVAL; }
  // 0 where there is something to be shown. `self` is this file, for what has to keep it open.
  virtual int map(const MapRequest& request, const std::shared_ptr<File>& self, Shown& shown) = 0;
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
