#include <ports/qemu/edu.hpp>

namespace sluice::ports::qemu {

namespace {
// docs/specs/edu of QEMU: registers in BAR 0
constexpr std::uint64_t liveness = 0x04;
constexpr std::uint64_t dma_source = 0x80;
constexpr std::uint64_t dma_target = 0x88;
constexpr std::uint64_t dma_count = 0x90;
constexpr std::uint64_t dma_command = 0x98;
constexpr std::uint64_t start = 1;
constexpr std::uint64_t to_ram = 2;
constexpr std::uint64_t buffer = 0x40000; // the buffer's address, as the DMA registers name it
constexpr std::uint64_t gone = ~0ULL;     // what reads give when nobody answers
// It takes 100 ms of the machine's time.
constexpr std::uint64_t transfer_limit_us = 10'000'000;
} // namespace

Edu::Edu(Qtest& bus, PciFunction& function, platform::Time& time) : bus_{bus}, function_{function}, time_{time} {
  function_.enable();
}

bool Edu::alive() {
  constexpr std::uint32_t pattern = 0x1234'5678;
  bus_.write32(function_.bar(0) + liveness, pattern);
  return bus_.read32(function_.bar(0) + liveness) == ~pattern;
}

base::Status Edu::fetch(std::uint64_t iova, std::uint32_t offset, std::uint32_t size) {
  if (size > room || offset > room - size) {
    return base::Errc::too_large;
  }
  return transfer(iova, buffer + offset, size, 0);
}

base::Status Edu::deliver(std::uint32_t offset, std::uint64_t iova, std::uint32_t size) {
  if (size > room || offset > room - size) {
    return base::Errc::too_large;
  }
  return transfer(buffer + offset, iova, size, to_ram);
}

base::Status Edu::transfer(std::uint64_t source, std::uint64_t target, std::uint32_t size, std::uint64_t direction) {
  const auto registers = function_.bar(0);
  bus_.write64(registers + dma_source, source);
  bus_.write64(registers + dma_target, target);
  bus_.write64(registers + dma_count, size);
  bus_.write64(registers + dma_command, start | direction);
  std::uint64_t state{};
  const bool done = platform::wait_until(time_, transfer_limit_us, [&] {
    state = bus_.read64(registers + dma_command);
    return (state & start) == 0 || state == gone;
  });
  return state == gone ? base::Status{base::Errc::aborted}
         : done        ? base::Status{}
                       : base::Status{base::Errc::timed_out};
}

} // namespace sluice::ports::qemu
