#pragma once

#include <sluice/base/result.hpp>

#include <cstddef>
#include <cstdint>

namespace sluice::platform {

// Memory that processor and SMMU both reach. `bus` is what the SMMU puts on its bus for the first byte.
struct DmaBlock {
  void* cpu{};
  std::uint64_t bus{};
  std::size_t size{};

  explicit operator bool() const { return cpu != nullptr; }
  template <class T>
  T* as() const {
    return static_cast<T*>(cpu);
  }
};

// What a port promises of its memory. Each wrong promise breaks rule 1 of the design.
struct MemoryFacts {
  bool coherent_walks{true};   // IDR0.COHACC as the system is built: the SMMU sees caches. If not, clean() is called.
  bool atomic128{false};       // 3.21.3: aligned 128-bit stores are single-copy atomic to the SMMU
  bool entry_from_place{true}; // 3.21.3: words of one STE or CD that are used together were fetched from one place
  unsigned bus_bits{48};       // every `bus` address is below 2^bus_bits
};

// Allocation may fail anywhere. Blocks are zeroed, naturally aligned to `align`, and in one arena: bus - cpu is the
// same number for all, so that a walk turns a table address into a pointer without a call.
class Memory {
public:
  virtual MemoryFacts facts() const = 0;
  // `align` is a power of two of at least 64. Errors: no_memory.
  virtual base::Result<DmaBlock> dma_alloc(std::size_t size, std::size_t align) = 0;
  virtual void dma_free(DmaBlock block) = 0;
  // bus - cpu for every block of dma_alloc.
  virtual std::uint64_t dma_offset() const = 0;
  // Writes the range back to where a non-coherent SMMU sees it, before the next dma_publish. Not called when walks are
  // coherent.
  virtual void clean(const void* at, std::size_t size) = 0;
  // One 128-bit store that the SMMU cannot see half of. Called only where facts().atomic128. `at` is 16-byte aligned.
  virtual void store128(void* at, std::uint64_t low, std::uint64_t high) = 0;

  // Plain memory for the driver's own objects, zeroed, aligned to 64. Errors: no_memory.
  virtual base::Result<void*> alloc(std::size_t size) = 0;
  virtual void free(void* at, std::size_t size) = 0;

protected:
  ~Memory() = default;
};

} // namespace sluice::platform
