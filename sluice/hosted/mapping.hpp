#pragma once

#include <cstddef>
#include <filesystem>

namespace sluice::hosted {

// Memory of the process, mapped as long as the object lives. Throws SetupError.
class Mapping {
public:
  // Private memory that is zero and takes room only where it is touched.
  static Mapping zeroed(std::size_t size);
  // Memory that can be shared by passing on fd(), aligned to `align`.
  static Mapping shared(std::size_t size, std::size_t align);
  // The same as a file, which is made with that size, after a look whether its folder has room, and removed at the end.
  static Mapping file(const std::filesystem::path& path, std::size_t size, std::size_t align);

  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();

  void* at() const { return at_; }
  std::size_t size() const { return size_; }
  // -1 for memory that is not shared.
  int fd() const { return fd_; }

private:
  Mapping() = default;
  void map(std::size_t size, std::size_t align);

  void* at_{};
  std::size_t size_{};
  int fd_{-1};
  std::filesystem::path path_;
};

} // namespace sluice::hosted
