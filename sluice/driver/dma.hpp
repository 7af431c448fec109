#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/platform/memory.hpp>

#include <utility>

namespace sluice::driver {

// Memory that the SMMU reaches, freed with its owner.
class Dma {
public:
  Dma() = default;
  Dma(platform::Memory& memory, const platform::DmaBlock& block) : memory_{&memory}, block_{block} {}
  Dma(Dma&& other) noexcept : memory_{other.memory_}, block_{std::exchange(other.block_, {})} {}
  Dma& operator=(Dma&& other) noexcept {
    if (this != &other) {
      reset();
      memory_ = other.memory_;
      block_ = std::exchange(other.block_, {});
    }
    return *this;
  }
  ~Dma() { reset(); }

  // Errors: no_memory.
  static base::Result<Dma> make(platform::Memory& memory, std::size_t size, std::size_t align) {
    auto block = memory.dma_alloc(size, align < 64 ? 64 : align);
    if (!block) {
      return block.error();
    }
    return Dma{memory, *block};
  }

  explicit operator bool() const { return static_cast<bool>(block_); }
  std::uint64_t bus() const { return block_.bus; }
  std::size_t size() const { return block_.size; }
  base::DmaWord* words() const { return block_.as<base::DmaWord>(); }
  platform::DmaBlock release() { return std::exchange(block_, {}); }
  void reset() {
    if (block_) {
      memory_->dma_free(std::exchange(block_, {}));
    }
  }

private:
  platform::Memory* memory_{};
  platform::DmaBlock block_{};
};

// The largest queue of at most 2^log2 entries for which there is memory. Errors: no_memory.
struct QueueMemory {
  Dma memory;
  unsigned log2{};

  static base::Result<QueueMemory> make(platform::Memory& memory, unsigned log2, std::size_t entry) {
    constexpr std::size_t page = 4096;
    for (;; --log2) {
      const std::size_t size = entry << log2;
      auto block = Dma::make(memory, size, size); // 6.3.26: aligned to its size
      if (block) {
        return QueueMemory{std::move(*block), log2};
      }
      if (size <= page) {
        return block.error();
      }
    }
  }
};

} // namespace sluice::driver
