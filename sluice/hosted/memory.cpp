#include <sluice/base/check.hpp>
#include <sluice/hosted/fatal.hpp>
#include <sluice/hosted/memory.hpp>
#include <sluice/hosted/mmio_order.hpp>

#include <cstring>
#include <new>

namespace sluice::hosted {

namespace {

constexpr std::align_val_t plain_align{64};

// One 16-byte store for every observer that reads 8 or 16 aligned bytes.
void store_pair(void* at, std::uint64_t low, std::uint64_t high) {
#if defined(__x86_64__)
  auto* words = static_cast<volatile std::uint64_t*>(at);
  std::uint64_t old_low = words[0];
  std::uint64_t old_high = words[1];
  bool done = false;
  while (!done) { // fails only when another store came in between
    asm volatile("lock cmpxchg16b %1"
                 : "=@ccz"(done), "+m"(*static_cast<char(*)[16]>(at)), "+a"(old_low), "+d"(old_high)
                 : "b"(low), "c"(high)
                 : "memory");
  }
#elif defined(__aarch64__)
  std::uint32_t failed = 1;
  std::uint64_t old_low = 0;
  std::uint64_t old_high = 0;
  while (failed != 0) {
    asm volatile("ldxp %1, %2, %3\n\tstxp %w0, %4, %5, %3"
                 : "=&r"(failed), "=&r"(old_low), "=&r"(old_high), "+Q"(*static_cast<char(*)[16]>(at))
                 : "r"(low), "r"(high)
                 : "memory");
  }
#else
  static_cast<void>(at), static_cast<void>(low), static_cast<void>(high);
  fatal("this processor has no 128-bit store that the library knows of");
#endif
}

} // namespace

bool Memory::refuses() {
  ++counts_.calls;
  ++next_;
  return next_ >= fail_from_ && next_ <= fail_to_;
}

void Memory::fail(std::uint64_t nth, std::uint64_t more) {
  const std::lock_guard guard{mutex_};
  next_ = 0;
  fail_from_ = nth;
  fail_to_ = nth == 0 ? 0 : (more > all - nth ? all : nth + more);
}

base::Result<platform::DmaBlock> Memory::dma_alloc(std::size_t size, std::size_t align) {
  base::check(align >= 64 && (align & (align - 1)) == 0);
  {
    const std::lock_guard guard{mutex_};
    if (refuses()) {
      ++counts_.failed;
      return base::Errc::no_memory;
    }
  }
  auto block = arena_.alloc(size, align);
  const std::lock_guard guard{mutex_};
  if (!block) {
    ++counts_.failed;
    return block;
  }
  counts_.dma_bytes += size;
  ++counts_.dma_blocks;
  return block;
}

void Memory::dma_free(platform::DmaBlock block) {
  arena_.free(block);
  const std::lock_guard guard{mutex_};
  counts_.dma_bytes -= block.size;
  --counts_.dma_blocks;
}

void Memory::clean(const void* at, std::size_t size) {
  {
    const std::lock_guard guard{mutex_};
    ++counts_.cleans;
    counts_.cleaned_bytes += size;
  }
  if (on_clean_) {
    on_clean_(at, size);
  }
}

void Memory::store128(void* at, std::uint64_t low, std::uint64_t high) {
  base::check(facts_.atomic128 && reinterpret_cast<std::uintptr_t>(at) % 16 == 0);
#if defined(SLUICE_EXPLORE)
  if (auto* explorer = Explorer::current()) {
    return explorer->store128(at, low, high);
  }
#endif
  store_pair(at, low, high);
}

base::Result<void*> Memory::alloc(std::size_t size) {
  {
    const std::lock_guard guard{mutex_};
    if (refuses()) {
      ++counts_.failed;
      return base::Errc::no_memory;
    }
  }
  void* at = ::operator new(size, plain_align, std::nothrow);
  const std::lock_guard guard{mutex_};
  if (at == nullptr) {
    ++counts_.failed;
    return base::Errc::no_memory;
  }
  std::memset(at, 0, size);
  counts_.plain_bytes += size;
  ++counts_.plain_blocks;
  return at;
}

void Memory::free(void* at, std::size_t size) {
  if (at == nullptr) {
    return;
  }
  forget_stores(at, size);
  ::operator delete(at, plain_align);
  const std::lock_guard guard{mutex_};
  counts_.plain_bytes -= size;
  --counts_.plain_blocks;
}

Memory::Counts Memory::counts() const {
  const std::lock_guard guard{mutex_};
  return counts_;
}

} // namespace sluice::hosted
