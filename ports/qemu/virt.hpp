#pragma once

#include <ports/qemu/process.hpp>
#include <ports/qemu/qtest.hpp>
#include <sluice/hosted/arena.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::ports::qemu {

// Where QEMU's machine `virt` has things.
namespace map {
inline constexpr std::uint64_t gicd = 0x0800'0000;
inline constexpr std::uint64_t smmu = 0x0905'0000;
inline constexpr std::uint64_t pci_window = 0x1000'0000; // 32-bit memory BARs
inline constexpr std::uint64_t pci_window_end = 0x3eff'0000;
inline constexpr std::uint64_t ram = 0x4000'0000;
inline constexpr std::uint64_t ecam = 0x40'1000'0000;
// The start of the RAM is QEMU's: 1 MiB of device tree, and the code that the processor is parked in.
inline constexpr std::uint64_t kept = 0x100'0000;
// Shared peripheral interrupts of the SMMU.
enum Spi : std::uint32_t { event_queue = 74, pri_queue = 75, command_sync = 76, global_error = 77 };
} // namespace map

struct VirtOptions {
  std::string binary{}; // empty: $QEMU_SYSTEM_AARCH64, or else qemu-system-aarch64 of the PATH
  // What stands before the machine's options; empty: the binary.
  std::vector<std::string> command{};
  std::size_t ram_size{256U << 20}; // address space; only touched pages take memory
  int start_limit_ms{60'000};       // until the machine stands; its libraries may have to come from a slow disk
  int limit_ms{10'000};             // for each answer after that
};

// The command of the QEMU that scripts/guest/fetch.sh has fetched: 11, through its own ld.so. Empty if it is not there.
std::vector<std::string> fetched_qemu();

// A stock QEMU with machine `virt`, its SMMUv3, an `edu` device, and a parked processor. Its RAM is memory that we
// share with it; no file is left behind whatever happens.
class Virt {
public:
  // Throws hosted::SetupError; the text names the Debian package when QEMU is missing.
  explicit Virt(const VirtOptions& options = {});

  Qtest& bus() { return *bus_; }
  // The machine's whole RAM.
  hosted::Arena& ram() { return ram_; }
  // What went wrong with QEMU itself, with what it printed; empty while all is well.
  std::string failure();

private:
  void launch(const VirtOptions& options);

  hosted::Arena ram_;
  std::optional<Process> process_;
  std::optional<Qtest> bus_;
};

} // namespace sluice::ports::qemu
