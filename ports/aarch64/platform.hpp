#pragma once

#include <sluice/platform/platform.hpp>

#include <cstddef>
#include <cstdint>

// The least that the core needs: one processor, no interrupts, no PCI, memory that is cut off an arena and never
// reused.
namespace sluice::ports::aarch64 {

class Frame final : public platform::Mmio {
public:
  explicit Frame(std::uintptr_t base) : base_{base} {}
  std::uint32_t read32(std::uint32_t offset) override { return *at<std::uint32_t>(offset); }
  void write32(std::uint32_t offset, std::uint32_t value) override { *at<std::uint32_t>(offset) = value; }
  std::uint64_t read64(std::uint32_t offset) override { return *at<std::uint64_t>(offset); }
  void write64(std::uint32_t offset, std::uint64_t value) override { *at<std::uint64_t>(offset) = value; }

private:
  template <class T>
  volatile T* at(std::uint32_t offset) const {
    return reinterpret_cast<volatile T*>(base_ + offset);
  }
  std::uintptr_t base_;
};

// The bus sees the addresses that the processor sees.
class Arena final : public platform::Memory {
public:
  platform::MemoryFacts facts() const override { return {.coherent_walks = true, .bus_bits = 32}; }
  base::Result<platform::DmaBlock> dma_alloc(std::size_t size, std::size_t align) override;
  void dma_free(platform::DmaBlock) override { --blocks_; }
  std::uint64_t dma_offset() const override { return 0; }
  void clean(const void*, std::size_t) override {}
  void store128(void*, std::uint64_t, std::uint64_t) override {}
  base::Result<void*> alloc(std::size_t size) override;
  void free(void*, std::size_t) override { --blocks_; }
  std::size_t blocks() const { return blocks_; }

private:
  std::size_t blocks_{}, used_{};
};

// One processor with interrupts off never finds a lock taken, and nobody reads beside it.
class Alone final : public platform::Sync {
public:
  void lock(platform::Mutex& mutex) override { take(mutex.state); }
  void unlock(platform::Mutex& mutex) override { mutex.state.store(0); }
  platform::IrqState lock(platform::SpinLock& lock) override { return take(lock.state), 0; }
  void unlock(platform::SpinLock& lock, platform::IrqState) override { lock.state.store(0); }
  void read_enter() override {}
  void read_exit() override {}
  void retire(platform::Retired& object) override;
  void reclaim() override;

private:
  static void take(base::Atomic<std::uint32_t>& state) { base::check(state.exchange(1) == 0); }
  platform::Retired* retired_{};
};

class Counter final : public platform::Time {
public:
  std::uint64_t now_ns() override;
  void relax() override { asm volatile("yield" ::: "memory"); }
};

class NoIrq final : public platform::Irq {
public:
  base::Status connect(platform::IrqLine, platform::IrqHandler&) override { return base::Errc::not_found; }
  void disconnect(platform::IrqLine) override {}
};

// The console: QEMU's PL011.
void print(const char* text);
void print(std::uint64_t value);
template <class... Parts>
void print_line(Parts... parts) {
  (print(parts), ...);
  print("\n");
}

class Console final : public platform::Log {
public:
  void write(const platform::Note& note) override;
};

// By PSCI.
[[noreturn]] void power_off();

} // namespace sluice::ports::aarch64
