#pragma once

#include <sluice/iommufd/host.hpp>

#include <cstdint>
#include <memory>

namespace sluice::iommufd {

// Who is charged for what is pinned.
struct Charge {
  MemoryLimit* limit{}; // null: nobody
  bool by_process{};
};

// What one MAP or MAP_FILE named. Shared by copies of the mapping; a window, and charged for, while hardware or an
// access needs it, so that a mapping without a domain accepts any pointer.
class Backing {
public:
  static std::shared_ptr<Backing> memory(Pages& pages, Charge charge, std::uint64_t user_va, std::uint64_t length,
                                         bool writable);
  // Takes `fd`, a duplicate of its own.
  static std::shared_ptr<Backing> file(Pages& pages, Charge charge, int fd, std::uint64_t start, std::uint64_t length,
                                       bool writable);
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;
  ~Backing();

  std::uint64_t length() const { return length_; }
  bool writable() const { return writable_; }
  bool is_file() const { return fd_ != no_file; }
  // Address of the first byte within its page: user_va or the file offset.
  std::uint64_t start() const { return start_; }
  // Machine address of the first byte, until as many unpins. Errors: as Pages, no_memory (the limit).
  base::Result<std::uint64_t> pin(std::uint64_t iova);
  void unpin();
  // Hardware may still reach it: its window is never given back.
  void abandon() { abandoned_ = true; }
  // While it is pinned. Errors: bad_address.
  base::Status read(std::uint64_t offset, std::span<std::byte> into) const { return window_->read(offset, into); }
  base::Status write(std::uint64_t offset, std::span<const std::byte> from) const {
    return window_->write(offset, from);
  }

private:
  static constexpr int no_file = -1;

  Backing(Pages& pages, Charge charge, int fd, std::uint64_t start, std::uint64_t length, bool writable)
      : pages_{pages}, charge_{charge}, fd_{fd}, start_{start}, length_{length}, writable_{writable} {}
  std::uint64_t touched_pages() const;

  Pages& pages_;
  Charge charge_;
  int fd_;
  std::uint64_t start_;
  std::uint64_t length_;
  bool writable_;
  bool abandoned_{};
  std::uint64_t pins_{};
  std::unique_ptr<Window> window_;
};

} // namespace sluice::iommufd
