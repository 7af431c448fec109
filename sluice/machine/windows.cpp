#include <sluice/machine/windows.hpp>

#include <sluice/base/check.hpp>
#include <sluice/hosted/guarded.hpp>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace sluice::machine {

using base::Errc;
using base::Order;
using base::Result;
using base::Status;

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t huge = 1ULL << 30;
constexpr std::uint64_t round_down(std::uint64_t value, std::uint64_t to) { return value / to * to; }
constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) { return round_down(value + to - 1, to); }

// errno belongs to the program that we run in.
struct KeepErrno {
  int before{errno};
  ~KeepErrno() { errno = before; }
};

} // namespace

// Where the bytes are: in the client's own memory, or in a mapping of ours that outlives the client's.
struct Windows::Source {
  std::uint64_t memory; // address of the first byte
  std::uint64_t length;
  bool writable;
  void* ours; // null: the client's
  std::uint64_t our_length;
};

class ClientWindow final : public iommufd::Window {
public:
  ClientWindow(Windows& windows, const Windows::Source& source, std::uint64_t address, std::uint64_t first,
               std::uint64_t count)
      : Window{address}, first_slot{first}, slot_count{count}, windows_{windows}, source_{source} {}
  ~ClientWindow() override {
    windows_.give_back(*this);
    if (source_.ours != nullptr) {
      const KeepErrno keep;
      munmap(source_.ours, source_.our_length);
    }
  }

  base::Status read(std::uint64_t offset, std::span<std::byte> into) const override {
    return hosted::guarded::read(source_.memory + offset, into);
  }
  base::Status write(std::uint64_t offset, std::span<const std::byte> from) const override {
    return source_.writable ? hosted::guarded::write(source_.memory + offset, from) : Status{Errc::bad_address};
  }

  // Null: not all of it is here.
  std::uint64_t memory(std::uint64_t at, std::size_t size) const {
    const std::uint64_t offset = at - address();
    return offset < source_.length && source_.length - offset >= size ? source_.memory + offset : 0;
  }
  bool writable() const { return source_.writable; }

  const std::uint64_t first_slot;
  const std::uint64_t slot_count;
  ClientWindow* next_abandoned{};

private:
  Windows& windows_;
  Windows::Source source_;
};

Windows::Windows(platform::Sync& sync, Space space) : sync_{sync}, space_{space} {
  base::check(space.start % huge == 0 && space.size % huge == 0);
  const std::uint64_t count = space.size / slot_size;
  void* const table =
      mmap(nullptr, count * sizeof(Slot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  base::check(table != MAP_FAILED);
  slots_ = {static_cast<Slot*>(table), count};
  free_.emplace(0, count);
}

Windows::~Windows() {
  while (abandoned_ != nullptr) {
    delete std::exchange(abandoned_, abandoned_->next_abandoned);
  }
  base::check(live() == 0);
  munmap(slots_.data(), slots_.size_bytes());
}

template <class F>
bool Windows::with(std::uint64_t address, std::size_t size, F f) const {
  const platform::ReadSection reading{sync_};
  const std::uint64_t slot = (address - space_.start) / slot_size;
  const ClientWindow* const window = slot < slots_.size() ? slots_[slot].load(Order::acquire) : nullptr;
  const std::uint64_t memory = window != nullptr ? window->memory(address, size) : 0;
  return memory != 0 && f(*window, memory);
}

bool Windows::read(std::uint64_t address, std::span<std::byte> into) const {
  return with(address, into.size(),
              [&](const ClientWindow&, std::uint64_t memory) { return hosted::guarded::read(memory, into).ok(); });
}

bool Windows::write(std::uint64_t address, std::span<const std::byte> from) const {
  return with(address, from.size(), [&](const ClientWindow& window, std::uint64_t memory) {
    return window.writable() && hosted::guarded::write(memory, from).ok();
  });
}

// The kernel's copy need not be one load: a word that is the same twice was not seen half-written.
bool Windows::read64(std::uint64_t address, std::uint64_t& value) const {
  return with(address, sizeof value, [&](const ClientWindow&, std::uint64_t memory) {
    std::uint64_t once{};
    std::uint64_t again{};
    for (int attempt = 0; attempt < 8; ++attempt) {
      if (!hosted::guarded::read(memory, std::as_writable_bytes(std::span{&once, 1})) ||
          !hosted::guarded::read(memory, std::as_writable_bytes(std::span{&again, 1}))) {
        return false;
      }
      if (once == again) {
        break;
      }
    }
    value = again;
    return true;
  });
}

void Windows::abandon(iommufd::Window* window) {
  auto* const mine = static_cast<ClientWindow*>(window);
  const platform::MutexGuard guard{sync_, mutex_};
  mine->next_abandoned = std::exchange(abandoned_, mine);
}

// First fit. `align` in slots.
Result<std::uint64_t> Windows::take_slots(std::uint64_t count, std::uint64_t align) {
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const auto [first, length] = *it;
    const std::uint64_t at = round_up(first, align);
    if (at + count > first + length) {
      continue;
    }
    free_.erase(it);
    if (at > first) {
      free_.emplace(first, at - first);
    }
    if (at + count < first + length) {
      free_.emplace(at + count, first + length - at - count);
    }
    return at;
  }
  return Errc::no_memory;
}

// The window's place within 2 MB, and of a large one within 1 GB, is the IOVA's: so the driver can use large pages.
Result<iommufd::Window*> Windows::add(const Source& source, iommufd::WindowPlace place) {
  const platform::MutexGuard guard{sync_, mutex_};
  const std::uint64_t unit = source.length >= huge ? huge : slot_size;
  const std::uint64_t offset = place.iova % unit;
  const std::uint64_t count = round_up(offset + source.length, slot_size) / slot_size;
  const auto first = take_slots(count, unit / slot_size);
  if (!first) {
    return first.error();
  }
  auto* const window = new ClientWindow{*this, source, space_.start + *first * slot_size + offset, *first, count};
  for (std::uint64_t i = 0; i < count; ++i) {
    slots_[*first + i].store(window, Order::release);
  }
  live_.fetch_add(1, Order::relaxed);
  return window;
}

void Windows::give_back(const ClientWindow& window) {
  const platform::MutexGuard guard{sync_, mutex_};
  for (std::uint64_t i = 0; i < window.slot_count; ++i) {
    slots_[window.first_slot + i].store(nullptr, Order::release);
  }
  sync_.reclaim(); // an access that was let in by mistake may still be under way
  auto [at, added] = free_.emplace(window.first_slot, window.slot_count);
  if (auto next = std::next(at); next != free_.end() && at->first + at->second == next->first) {
    at->second += next->second;
    free_.erase(next);
  }
  if (at != free_.begin()) {
    if (auto before = std::prev(at); before->first + before->second == at->first) {
      before->second += at->second;
      free_.erase(at);
    }
  }
  live_.fetch_sub(1, Order::relaxed);
}

Result<iommufd::Window*> Windows::map_memory(std::uint64_t user_va, std::uint64_t length, bool write,
                                             iommufd::WindowPlace place) {
  const KeepErrno keep;
  if (device_ranges_.touches(user_va, length)) {
    return Errc::bad_address;
  }
  if (auto status = hosted::guarded::populate(user_va, length, write); !status) {
    return status.error();
  }
  // A second mapping of shared memory: of old size 0, mremap makes one. Private memory has none and is reached where it
  // is.
  const std::uint64_t first = round_down(user_va, page);
  const std::uint64_t our_length = round_up(user_va + length, page) - first;
  void* const ours = mremap(reinterpret_cast<void*>(first), 0, our_length, MREMAP_MAYMOVE);
  Source source{user_va, length, write, nullptr, 0};
  if (ours != MAP_FAILED) {
    const auto start = reinterpret_cast<std::uint64_t>(ours);
    const bool is_it = our_length == page || hosted::guarded::shows_one_file(first, our_length);
    if (is_it && hosted::guarded::populate(start, our_length, write)) {
      source = {start + (user_va - first), length, write, ours, our_length};
    } else {
      munmap(ours, our_length); // the range continues in another mapping
    }
  }
  auto window = add(source, place);
  if (!window && source.ours != nullptr) {
    munmap(source.ours, source.our_length);
  }
  return window;
}

Result<iommufd::Window*> Windows::map_file(int fd, std::uint64_t start, std::uint64_t length, bool write,
                                           iommufd::WindowPlace place) {
  const KeepErrno keep;
  struct stat about {};
  const int seals = fcntl(fd, F_GET_SEALS); // only memory files know of seals
  std::uint64_t end{};
  constexpr mode_t opened_by = S_IRWXU | S_IRWXG | S_IRWXO; // by none: it stands for something else
  if (fstat(fd, &about) != 0 || seals < 0 || (about.st_mode & opened_by) == 0 ||
      __builtin_add_overflow(start, length, &end) || end > static_cast<std::uint64_t>(about.st_size)) {
    return Errc::invalid_argument;
  }
  const std::uint64_t first = round_down(start, page);
  const std::uint64_t our_length = round_up(start + length, page) - first;
  const int access = PROT_READ | (write ? PROT_WRITE : 0);
  void* const ours = mmap(nullptr, our_length, access, MAP_SHARED, fd, static_cast<off_t>(first));
  if (ours == MAP_FAILED) {
    return write && errno == EACCES ? Errc::invalid_argument : Errc::no_memory;
  }
  const Source source{reinterpret_cast<std::uint64_t>(ours) + (start - first), length, write, ours, our_length};
  auto window = add(source, place);
  if (!window) {
    munmap(ours, our_length);
  }
  return window;
}

// Straight to the kernel: the process may have a layer of ours around its descriptors.
Result<int> Windows::duplicate(int fd) {
  const KeepErrno keep;
  const long own = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) {
    return Errc::bad_descriptor;
  }
  return static_cast<int>(own);
}

void Windows::close(int fd) {
  const KeepErrno keep;
  syscall(SYS_close, fd);
}

} // namespace sluice::machine
