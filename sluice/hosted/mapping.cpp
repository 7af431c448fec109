#include <sluice/hosted/mapping.hpp>
#include <sluice/hosted/scratch.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace sluice::hosted {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw SetupError{what + ": " + std::strerror(errno)}; }

std::size_t page_up(std::size_t size) { return (size + 4095) & ~std::size_t{4095}; }

} // namespace

Mapping Mapping::zeroed(std::size_t size) {
  Mapping result;
  result.size_ = page_up(size == 0 ? 1 : size);
  void* at = mmap(nullptr, result.size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    refuse("cannot map " + std::to_string(size) + " bytes");
  }
  result.at_ = at;
  return result;
}

Mapping Mapping::shared(std::size_t size, std::size_t align) {
  Mapping result;
  result.fd_ = memfd_create("sluice", MFD_CLOEXEC);
  if (result.fd_ < 0) {
    refuse("cannot make shared memory");
  }
  result.map(size, align);
  return result;
}

Mapping Mapping::file(const std::filesystem::path& path, std::size_t size, std::size_t align) {
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path{"."};
  demand_room(folder, size);
  Mapping result;
  result.fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (result.fd_ < 0) {
    refuse("cannot make " + path.string());
  }
  result.path_ = path;
  result.map(size, align);
  return result;
}

// Reserves more addresses than needed, so that some aligned range is among them, and gives the rest back.
void Mapping::map(std::size_t size, std::size_t align) {
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    refuse("cannot give it " + std::to_string(size) + " bytes");
  }
  const auto span = size + align;
  void* reserved = mmap(nullptr, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) {
    refuse("cannot reserve " + std::to_string(span) + " bytes of addresses");
  }
  const auto low = reinterpret_cast<std::uintptr_t>(reserved);
  const auto aligned = (low + align - 1) & ~(align - 1);
  void* at = mmap(reinterpret_cast<void*>(aligned), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_, 0);
  if (at == MAP_FAILED) {
    munmap(reserved, span);
    refuse("cannot map " + std::to_string(size) + " bytes");
  }
  if (aligned > low) {
    munmap(reserved, aligned - low);
  }
  if (low + span > aligned + size) {
    munmap(reinterpret_cast<void*>(aligned + size), low + span - (aligned + size));
  }
  at_ = at;
  size_ = size;
}

Mapping::Mapping(Mapping&& other) noexcept
    : at_{std::exchange(other.at_, nullptr)}, size_{std::exchange(other.size_, 0)}, fd_{std::exchange(other.fd_, -1)},
      path_{std::exchange(other.path_, {})} {}

Mapping::~Mapping() {
  if (at_ != nullptr) {
    munmap(at_, size_);
  }
  if (fd_ >= 0) {
    close(fd_);
  }
  if (!path_.empty()) {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
}

} // namespace sluice::hosted
