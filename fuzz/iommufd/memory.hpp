#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <sys/mman.h>

namespace sluice::fuzz {

// A client's memory: pages that are shared, pages of its own, one that is read-only and one that is not there. What an
// input has taken out of it is back for the next one.
class ClientPages {
public:
  static constexpr std::size_t page = 4096;
  static constexpr std::size_t each = 32; // pages of either kind
  static constexpr std::size_t pages = 2 * each;

  ClientPages()
      : at_{static_cast<std::byte*>(
            mmap(nullptr, pages * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))} {
    renew();
  }
  ClientPages(const ClientPages&) = delete;
  ClientPages& operator=(const ClientPages&) = delete;

  std::byte* at(std::size_t offset = 0) const { return at_ + offset; }
  std::uint64_t address(std::size_t offset = 0) const { return reinterpret_cast<std::uint64_t>(at_ + offset); }
  // The two last pages of its own are bad.
  std::uint64_t read_only() const { return address((pages - 2) * page); }
  std::uint64_t missing() const { return address((pages - 1) * page); }

  void renew() {
    map(0, each, MAP_SHARED);
    map(each, each, MAP_PRIVATE);
    mprotect(at((pages - 2) * page), page, PROT_READ);
    munmap(at((pages - 1) * page), page);
  }
  // What is at the beginning, where it can be read but no answer be written.
  std::uint64_t copy_to_read_only(std::size_t size) {
    std::byte* const to = at((pages - 2) * page);
    mprotect(to, page, PROT_READ | PROT_WRITE);
    std::memcpy(to, at_, size);
    mprotect(to, page, PROT_READ);
    return read_only();
  }
  // Takes a page away that is neither a structure's nor data.
  void remove(std::size_t n) {
    constexpr std::size_t kept = 4;
    munmap(at((kept + n % (pages - 2 - kept)) * page), page);
  }

private:
  void map(std::size_t first, std::size_t count, int kind) {
    mmap(at(first * page), count * page, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  }

  std::byte* at_;
};

} // namespace sluice::fuzz
