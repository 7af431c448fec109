#pragma once

#include <sluice/platform/platform.hpp>

#include <array>

// The platform of one processor at EL1 of QEMU's `virt`. What a port provides, and why, is in docs/porting.md.
namespace sluice::ports::aarch64 {

template <class T = std::uint32_t>
volatile T& reg(std::uintptr_t address) {
  return *reinterpret_cast<volatile T*>(address);
}

inline void print(const char* text) {
  for (; *text != '\0'; ++text) {
    reg(0x0900'0000) = static_cast<unsigned char>(*text); // QEMU's PL011 always has room
  }
}
inline void print(std::uint64_t value) {
  char digits[19] = "0x0";
  const int count = value == 0 ? 1 : (67 - __builtin_clzll(value)) / 4;
  for (int n = 0; n < count; ++n) {
    digits[2 + n] = "0123456789abcdef"[value >> (4 * (count - 1 - n)) & 15];
  }
  print(digits);
}
template <class... Parts>
void print_line(Parts... parts) {
  (print(parts), ...);
  print("\n");
}

// Memory is cut off an arena and never reused. The bus sees the addresses that the processor sees.
struct Arena final : platform::Memory {
  platform::MemoryFacts facts() const override { return {.coherent_walks = true, .bus_bits = 32}; }
  base::Result<platform::DmaBlock> dma_alloc(std::size_t size, std::size_t align) override {
    alignas(1 << 20) static std::array<std::byte, 16 << 20> arena; // zeroed
    const auto first = (used + align - 1) & ~(align - 1);
    if (size > arena.size() || first > arena.size() - size) {
      return base::Errc::no_memory;
    }
    used = first + size;
    ++blocks;
    return platform::DmaBlock{&arena[first], reinterpret_cast<std::uintptr_t>(&arena[first]), size};
  }
  void dma_free(platform::DmaBlock) override { --blocks; }
  std::uint64_t dma_offset() const override { return 0; }
  void clean(const void*, std::size_t) override {}
  void store128(void*, std::uint64_t, std::uint64_t) override {}
  base::Result<void*> alloc(std::size_t size) override {
    auto block = dma_alloc(size, 64);
    return block ? base::Result<void*>{block->cpu} : base::Result<void*>{block.error()};
  }
  void free(void*, std::size_t) override { --blocks; }
  std::size_t used{}, blocks{};
};

// One processor finds no lock taken as long as interrupts are off while it holds a SpinLock, and take no Mutex. Their
// read sections are over before what they interrupted goes on.
struct Alone final : platform::Sync {
  void lock(platform::Mutex& mutex) override { base::check(mutex.state.exchange(1) == 0); }
  void unlock(platform::Mutex& mutex) override { mutex.state.store(0); }
  platform::IrqState lock(platform::SpinLock&) override {
    platform::IrqState before{};
    asm volatile("mrs %0, daif; msr daifset, #2" : "=r"(before)::"memory");
    return before;
  }
  void unlock(platform::SpinLock&, platform::IrqState before) override {
    asm volatile("msr daif, %0" ::"r"(before) : "memory");
  }
  void read_enter() override {}
  void read_exit() override {}
  void retire(platform::Retired& object) override {
    object.next = retired.load();
    while (!retired.compare_exchange(object.next, &object)) {
    }
  }
  void reclaim() override {
    for (auto *object = retired.exchange(nullptr), *next = object; object != nullptr; object = next) {
      next = object->next;
      object->free(*object);
    }
  }
  base::Atomic<platform::Retired*> retired{nullptr};
};

struct Counter final : platform::Time {
  std::uint64_t now_ns() override {
    std::uint64_t ticks{}, per_second{};
    asm volatile("isb; mrs %0, cntpct_el0; mrs %1, cntfrq_el0" : "=r"(ticks), "=r"(per_second));
    return ticks / per_second * 1'000'000'000 + ticks % per_second * 1'000'000'000 / per_second;
  }
  void relax() override { asm volatile("yield" ::: "memory"); }
};

struct Console final : platform::Log {
  void write(const platform::Note& note) override {
    print_line("note: severity ", std::uint64_t(note.severity), " code ", note.code, " args ", note.args[0], " ",
               note.args[1], " ", note.args[2], " ", note.args[3]);
  }
};

// The register frame of the SMMU.
struct Frame final : platform::Mmio {
  explicit Frame(std::uintptr_t at) : base{at} {}
  std::uint32_t read32(std::uint32_t offset) override { return reg(base + offset); }
  void write32(std::uint32_t offset, std::uint32_t value) override { reg(base + offset) = value; }
  std::uint64_t read64(std::uint32_t offset) override { return reg<std::uint64_t>(base + offset); }
  void write64(std::uint32_t offset, std::uint64_t value) override { reg<std::uint64_t>(base + offset) = value; }
  std::uintptr_t base;
};

// A GICv3 (Arm IHI 0069) with affinity routing. A line is a shared peripheral interrupt, counted from 0. There is one.
struct Gic final : platform::Irq {
  Gic() {
    taker = this;
    reg(gicd) = 1U << 4 | 1U << 1;                                           // GICD_CTLR.ARE, EnableGrp1
    reg(gicr + 0x14) = 0;                                                    // GICR_WAKER.ProcessorSleep
    asm volatile("msr S3_0_C12_C12_5, %0; isb" ::"r"(1UL));                  // ICC_SRE_EL1.SRE
    asm volatile("msr S3_0_C4_C6_0, %0" ::"r"(0xffUL));                      // ICC_PMR_EL1
    asm volatile("msr S3_0_C12_C12_7, %0; isb; msr daifclr, #2" ::"r"(1UL)); // ICC_IGRPEN1_EL1
  }
  base::Status connect(platform::IrqLine line, platform::IrqHandler& handler) override {
    if (line >= handlers.size() || handlers[line] != nullptr) {
      return line < handlers.size() ? base::Errc::already_exists : base::Errc::not_found;
    }
    handlers[line] = &handler;
    const std::uint32_t id = 32 + line;
    set(0x080, id, 1, 1); // GICD_IGROUPR
    set(0xc00, id, 2, 2); // GICD_ICFGR: edge, since the SMMU's wires are pulses
    reg<std::uint64_t>(gicd + 0x6000 + 8 * std::uintptr_t{id}) = 0; // GICD_IROUTER: affinity 0.0.0.0
    set(0x100, id, 1, 1);                                           // GICD_ISENABLER
    return {};
  }
  void disconnect(platform::IrqLine line) override {
    reg(gicd + 0x180 + (32 + line) / 32 * 4) = 1U << line % 32; // GICD_ICENABLER
    handlers[line] = nullptr;
  }
  void take() {
    std::uint64_t id{};
    asm volatile("mrs %0, S3_0_C12_C12_0; dsb sy" : "=r"(id)); // ICC_IAR1_EL1
    if (id - 32 < handlers.size() && handlers[id - 32] != nullptr) {
      handlers[id - 32]->on_irq();
      taken.store(static_cast<std::uint32_t>(id));
    }
    asm volatile("msr S3_0_C12_C12_1, %0; isb" ::"r"(id)); // ICC_EOIR1_EL1
  }
  static void set(std::uint32_t array, std::uint32_t id, unsigned width, std::uint32_t value) {
    auto& word = reg(gicd + array + id * width / 32 * 4);
    word = word | value << id * width % 32;
  }
  static constexpr std::uintptr_t gicd = 0x0800'0000, gicr = 0x080a'0000;
  static inline Gic* taker;
  std::array<platform::IrqHandler*, 256> handlers{};
  base::Atomic<std::uint32_t> taken{0}; // the last
};

// A function of bus 0, by its number there, which is its StreamID too. Its configuration space is at ECAM.
struct PciFunction final : platform::PciFunction {
  explicit PciFunction(std::uint64_t rid) : config{0x40'1000'0000 + (rid << 12)} {}
  platform::PciFacts facts() const override { return {}; }
  std::uint32_t config_read(std::uint16_t offset, unsigned size) override {
    const auto at = config + offset;
    return size == 1 ? reg<std::uint8_t>(at) : size == 2 ? reg<std::uint16_t>(at) : reg(at);
  }
  void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    if (size == 4) {
      reg(config + offset) = value;
    } else if (size == 2) {
      reg<std::uint16_t>(config + offset) = static_cast<std::uint16_t>(value);
    } else {
      reg<std::uint8_t>(config + offset) = static_cast<std::uint8_t>(value);
    }
  }
  std::uintptr_t config;
};

} // namespace sluice::ports::aarch64
