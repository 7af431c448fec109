#pragma once

#include <sluice/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

// What iommufd needs of the process that it serves and of the machine that it serves it with.
namespace sluice::iommufd {

// A span of a client's memory or file, seen as a window of the machine's physical addresses. It outlives the client's
// munmap; what is no longer there when the hardware comes is an abort, never a signal.
class Window {
public:
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  virtual ~Window() = default;

  // Machine physical address of the first byte.
  std::uint64_t address() const { return address_; }
  // From a byte of it on, for whoever is no hardware. Errors: bad_address.
  virtual base::Status read(std::uint64_t, std::span<std::byte>) const { return base::Errc::bad_address; }
  virtual base::Status write(std::uint64_t, std::span<const std::byte>) const { return base::Errc::bad_address; }

protected:
  explicit Window(std::uint64_t address) : address_{address} {}

private:
  std::uint64_t address_;
};

// Where a window is wanted: the address modulo 1 GB that lets large pages be used.
struct WindowPlace {
  std::uint64_t iova{};
};

class Pages {
public:
  // Errors: bad_address (a byte that cannot be read, or written if `write`), no_memory.
  virtual base::Result<Window*> map_memory(std::uint64_t user_va, std::uint64_t length, bool write,
                                           WindowPlace place) = 0;
  // Errors: bad_descriptor, invalid_argument (no memory file, or beyond its end), no_memory.
  virtual base::Result<Window*> map_file(int fd, std::uint64_t start, std::uint64_t length, bool write,
                                         WindowPlace place) = 0;
  // Takes a window that hardware may still reach, though nobody uses it: it stays what it is.
  virtual void abandon(Window* window) = 0;
  // Whether `fd` may be mapped later, and a descriptor of our own for it. Errors: bad_descriptor.
  virtual base::Result<int> duplicate(int fd) = 0;
  virtual void close(int fd) = 0;

protected:
  ~Pages() = default;
};

// The caller's memory, for what its calls point at. Errors of both: bad_address.
class Caller {
public:
  virtual base::Status read(std::uint64_t from, std::span<std::byte> into) = 0;
  virtual base::Status write(std::uint64_t to, std::span<const std::byte> from) = 0;

protected:
  ~Caller() = default;
};

// What answers when a client reads or writes a descriptor. `buffer` is the caller's pointer. Bytes moved, or a negative
// errno; never waits for the other side.
class QueueFile {
public:
  virtual std::int64_t read(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) = 0;
  virtual std::int64_t write(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) = 0;
  // Says anew whether something can be read: after each read, and after whatever was said before has been taken back.
  virtual void refresh() = 0;

protected:
  ~QueueFile() = default;
};

// A descriptor whose reads and writes come to us. After its end none is under way, and reads find nothing.
class QueueDescriptor {
public:
  QueueDescriptor(const QueueDescriptor&) = delete;
  QueueDescriptor& operator=(const QueueDescriptor&) = delete;
  virtual ~QueueDescriptor() = default;

  // It is closed with us until it is given to the client: then the client closes it.
  virtual int number() const = 0;
  virtual void give() = 0;
  // What poll() says. Never waits. Any thread.
  virtual void set_readable(bool readable) = 0;
  // Whether a client still has it open.
  virtual bool connected() const = 0;

protected:
  QueueDescriptor() = default;
};

class Channels {
public:
  // What poll() says of writing is always the same. Errors: no_memory (no descriptor is left).
  virtual base::Result<QueueDescriptor*> open_queue(QueueFile& file, bool writable) = 0;

protected:
  ~Channels() = default;
};

class MemoryLimit;

struct Host {
  Caller& caller;
  Pages& pages;
  Channels& channels;
  bool without_invalidate{};   // as on a driver that lacks the operation
  bool without_sys_resource{}; // as for a process without CAP_SYS_RESOURCE
  MemoryLimit* limit{};        // null: as for a process with CAP_IPC_LOCK
  bool dirty_parents{};        // HWPT_ALLOC takes NEST_PARENT with DIRTY_TRACKING, which Linux refuses on an SMMUv3
};

} // namespace sluice::iommufd
