#include <sluice/hosted/guarded.hpp>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

namespace sluice::hosted::guarded {

using base::Errc;
using base::Status;

namespace {

using Copy = ssize_t (*)(pid_t, const iovec*, unsigned long, const iovec*, unsigned long, unsigned long);

// errno belongs to the program that we run in.
Status transfer(Copy copy, std::uint64_t address, void* ours, std::size_t size) {
  const int before = errno;
  const iovec local{ours, size};
  const iovec remote{reinterpret_cast<void*>(address), size};
  const ssize_t done = copy(getpid(), &local, 1, &remote, 1, 0);
  errno = before;
  return done == static_cast<ssize_t>(size) ? Status{} : Status{Errc::bad_address};
}

// Kernels before 5.14 cannot populate: look at a byte of each page. Whether it can be written shows when it is.
Status touch(std::uint64_t start, std::uint64_t length, std::uint64_t page) {
  for (std::uint64_t at = 0; at < length; at += page) {
    std::byte byte;
    if (auto status = read(start + at, {&byte, 1}); !status) {
      return status;
    }
  }
  return {};
}

} // namespace

Status read(std::uint64_t from, std::span<std::byte> into) {
  return into.empty() ? Status{} : transfer(process_vm_readv, from, into.data(), into.size());
}

Status write(std::uint64_t to, std::span<const std::byte> from) {
  return from.empty() ? Status{} : transfer(process_vm_writev, to, const_cast<std::byte*>(from.data()), from.size());
}

Status populate(std::uint64_t start, std::uint64_t length, bool for_writing) {
  const int before = errno;
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t first = start / page * page;
  std::uint64_t end{};
  if (__builtin_add_overflow(start, length + page - 1, &end)) {
    return Errc::bad_address;
  }
  end = end / page * page;
  const int advice = for_writing ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  int answer = 0;
  do {
    answer = madvise(reinterpret_cast<void*>(first), end - first, advice);
  } while (answer != 0 && errno == EINTR);
  // Also the answer for memory that cannot be had in that way: of no memory at all, only the advice can be wrong.
  const bool unknown = answer != 0 && errno == EINVAL && madvise(nullptr, 0, advice) != 0;
  errno = before;
  if (unknown) {
    return touch(first, end - first, page);
  }
  return answer == 0 ? Status{} : Status{Errc::bad_address};
}

bool shows_one_file(std::uint64_t start, std::uint64_t length) {
  const int before = errno;
  std::ifstream maps{"/proc/self/maps"};
  std::string file; // that of the range so far, by device and inode
  std::uint64_t next_offset = 0;
  std::uint64_t at = start;
  const std::uint64_t end = start + length;
  for (std::string line; at < end && std::getline(maps, line);) {
    // 7f00-7f10 rw-s 00000000 00:01 1034 /memfd:x
    std::istringstream words{line};
    std::uint64_t first{};
    std::uint64_t last{};
    std::uint64_t offset{};
    char dash{};
    std::string access;
    std::string device;
    std::string inode;
    words >> std::hex >> first >> dash >> last >> access >> offset >> device >> inode;
    if (last <= at) {
      continue;
    }
    const bool goes_on = file.empty() || (file == device + ' ' + inode && offset == next_offset);
    if (!words || first > at || !goes_on || !access.ends_with('s')) {
      break;
    }
    file = device + ' ' + inode;
    next_offset = offset + (last - first);
    at = last;
  }
  errno = before;
  return at >= end;
}

} // namespace sluice::hosted::guarded
