#include <ports/aarch64/platform.hpp>

#include <array>

namespace sluice::ports::aarch64 {

alignas(1 << 20) static std::array<std::byte, 16 << 20> arena;

base::Result<platform::DmaBlock> Arena::dma_alloc(std::size_t size, std::size_t align) {
  const auto first = (used_ + align - 1) & ~(align - 1);
  if (size > arena.size() || first > arena.size() - size) {
    return base::Errc::no_memory;
  }
  used_ = first + size;
  ++blocks_;
  return platform::DmaBlock{&arena[first], reinterpret_cast<std::uintptr_t>(&arena[first]), size}; // .bss is zeroed
}

base::Result<void*> Arena::alloc(std::size_t size) {
  auto block = dma_alloc(size, 64);
  return block ? base::Result<void*>{block->cpu} : base::Result<void*>{block.error()};
}

void Alone::retire(platform::Retired& object) {
  object.next = retired_;
  retired_ = &object;
}

void Alone::reclaim() {
  while (auto* const object = retired_) {
    retired_ = object->next;
    object->free(*object);
  }
}

std::uint64_t Counter::now_ns() {
  std::uint64_t ticks{}, per_second{};
  asm volatile("isb; mrs %0, cntpct_el0" : "=r"(ticks));
  asm volatile("mrs %0, cntfrq_el0" : "=r"(per_second));
  return ticks / per_second * 1'000'000'000 + ticks % per_second * 1'000'000'000 / per_second;
}

void print(const char* text) {
  auto* const uart = reinterpret_cast<volatile std::uint32_t*>(0x0900'0000);
  for (unsigned tries = 0; *text != '\0' && tries < 1'000'000; ++tries) {
    if ((uart[0x18 / 4] & 1U << 5) == 0) { // UARTFR.TXFF
      uart[0] = static_cast<unsigned char>(*text++);
    }
  }
}

void print(std::uint64_t value) {
  char digits[19] = "0x0";
  const int count = value == 0 ? 1 : (67 - __builtin_clzll(value)) / 4;
  for (int n = 0; n < count; ++n) {
    digits[2 + n] = "0123456789abcdef"[value >> (4 * (count - 1 - n)) & 15];
  }
  print(digits);
}

void Console::write(const platform::Note& note) {
  print_line("note: severity ", std::uint64_t(note.severity), " source ", std::uint64_t(note.source), " code ",
             std::uint64_t(note.code), " args ", note.args[0], " ", note.args[1], " ", note.args[2], " ", note.args[3]);
}

void power_off() {
  register std::uint64_t function asm("x0") = 0x8400'0008; // SYSTEM_OFF
  asm volatile("hvc #0" : "+r"(function)::"memory");
  for (;;) {
    asm volatile("wfi");
  }
}

// What compilers call by themselves; volatile, so that they do not make a call to the same function of the loop.
extern "C" {
void* memmove(void* to, const void* from, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    const auto at = to <= from ? i : size - 1 - i;
    static_cast<volatile char*>(to)[at] = static_cast<const char*>(from)[at];
  }
  return to;
}
void* memcpy(void* to, const void* from, std::size_t size) { return memmove(to, from, size); }
void* memset(void* to, int value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    static_cast<volatile char*>(to)[i] = static_cast<char>(value);
  }
  return to;
}
int memcmp(const void* a, const void* b, std::size_t size) {
  int difference = 0;
  for (std::size_t i = 0; i < size && difference == 0; ++i) {
    difference = static_cast<const unsigned char*>(a)[i] - static_cast<const unsigned char*>(b)[i];
  }
  return difference;
}
[[noreturn]] void __cxa_pure_virtual() {
  print_line("FAIL a pure virtual function was called");
  power_off();
}
[[noreturn]] void on_exception(std::uint64_t esr, std::uint64_t elr) {
  print_line("FAIL an exception was taken: ESR_EL1 ", esr, " ELR_EL1 ", elr);
  power_off();
}
}

} // namespace sluice::ports::aarch64
