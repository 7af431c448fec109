#pragma once

#include <sluice/iommufd/host.hpp>

#include <cstdint>
#include <memory>

namespace sluice::iommufd {

// What one MAP or MAP_FILE named. Shared by copies of the mapping; turned into a window when hardware first needs it,
// so that a mapping without a domain accepts any pointer.
class Backing {
public:
  static std::shared_ptr<Backing> memory(Pages& pages, std::uint64_t user_va, std::uint64_t length, bool writable);
  // Takes `fd`, a duplicate of its own.
  static std::shared_ptr<Backing> file(Pages& pages, int fd, std::uint64_t start, std::uint64_t length, bool writable);
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;
  ~Backing();

  std::uint64_t length() const { return length_; }
  bool writable() const { return writable_; }
  bool is_file() const { return fd_ != no_file; }
  // Address of the first byte within its page: user_va or the file offset.
  std::uint64_t start() const { return start_; }
  // Machine address of the first byte. Errors: as Pages.
  base::Result<std::uint64_t> pin(std::uint64_t iova);
  // Hardware may still reach it: its window is never given back.
  void abandon() { abandoned_ = true; }

private:
  static constexpr int no_file = -1;

  Backing(Pages& pages, int fd, std::uint64_t start, std::uint64_t length, bool writable)
      : pages_{pages}, fd_{fd}, start_{start}, length_{length}, writable_{writable} {}

  Pages& pages_;
  int fd_;
  std::uint64_t start_;
  std::uint64_t length_;
  bool writable_;
  bool abandoned_{};
  std::unique_ptr<Window> window_;
};

} // namespace sluice::iommufd
