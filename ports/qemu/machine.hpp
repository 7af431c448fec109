#pragma once

#include <ports/qemu/gic.hpp>
#include <ports/qemu/pci.hpp>
#include <ports/qemu/virt.hpp>
#include <sluice/hosted/free.hpp>
#include <sluice/hosted/log.hpp>
#include <sluice/hosted/memory.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/hosted/time.hpp>
#include <sluice/platform/platform.hpp>

namespace sluice::ports::qemu {

// The SMMU's registers, as a processor of the machine reaches them.
class Frame final : public platform::Mmio {
public:
  explicit Frame(Qtest& bus, std::uint64_t base = map::smmu) : bus_{bus}, base_{base} {}

  std::uint32_t read32(std::uint32_t offset) override { return bus_.read32(base_ + offset); }
  void write32(std::uint32_t offset, std::uint32_t value) override { bus_.write32(base_ + offset, value); }
  std::uint64_t read64(std::uint32_t offset) override { return bus_.read64(base_ + offset); }
  void write64(std::uint32_t offset, std::uint64_t value) override { bus_.write64(base_ + offset, value); }

private:
  Qtest& bus_;
  std::uint64_t base_;
};

// A running QEMU as the driver's platform.
struct Machine {
  // Throws hosted::SetupError.
  explicit Machine(const VirtOptions& options = {}) : virt{options} {}

  platform::Platform platform() { return {memory, sync, time, irq, log}; }

  Virt virt;
  hosted::FreeSchedule schedule;
  hosted::Time time{schedule};
  hosted::Sync sync{schedule};
  hosted::Log log;
  // QEMU reads an entry of a table in one piece, and never while a register write is being answered.
  hosted::Memory memory{virt.ram(), {.bus_bits = 40}};
  Gic irq{virt.bus()};
  Frame frame{virt.bus()};
  std::vector<PciFunction> functions{enumerate(virt.bus())};
};

} // namespace sluice::ports::qemu
