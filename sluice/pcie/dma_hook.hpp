#pragma once

#include <sluice/pcie/config_space.hpp>
#include <sluice/pcie/virtqueue.hpp>

#include <cstdint>

namespace sluice::pcie {

// Registers in a function's configuration space, where no capability is, with which a test makes the function issue a
// request of its choice: `setpci` or `dd` on sysfs is enough, in a guest too.
namespace hook {
constexpr std::uint16_t data = 0xe8;    // 32 bits: what a write writes, over and over; what a read has read first
constexpr std::uint16_t command = 0xf0; // 8 bits: writing it starts
constexpr std::uint16_t size = 0xf1;    // 8 bits: in bytes; 0 stands for 256
constexpr std::uint16_t result = 0xf2;  // 8 bits, read-only: Result
constexpr std::uint16_t count = 0xf3;   // 8 bits, read-only: requests that have ended, modulo 256
constexpr std::uint16_t scratch = 0xf4; // 32 bits that a reset keeps
constexpr std::uint16_t address = 0xf8; // 64 bits
constexpr std::uint16_t end = 0x100;

enum class Command : std::uint8_t {
  none = 0,
  read = 1,
  write = 2,
  repeat = 3, // reads again where the latest delivery of the device went
};
enum class Result : std::uint8_t {
  none = 0,
  pending = 1,
  served = 2,
  aborted = 3,
  no_master = 4, // Bus Master Enable is 0: nothing was issued
  bad_command = 5,
};
} // namespace hook

class DmaHook {
public:
  explicit DmaHook(ConfigSpace& space);

  // Whether a write of configuration space has started a request. One at a time: a second one is not heard.
  bool started(std::uint16_t offset, unsigned width);
  // Makes the request. `delivery` is where the device's latest delivery went.
  void run(Dma& dma, Master& master, bool bus_master, const Segment& delivery);
  void reset();
  // And the scratch register.
  void clear();

private:
  void finish(hook::Result result);

  ConfigSpace& space_;
};

} // namespace sluice::pcie
