#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/platform/mmio.hpp>
#include <sluice/platform/pci.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/cdev.hpp>
#include <sluice/vsmmu/vsmmu.hpp>

// What lies between a guest's driver and the monitor that runs the guest.
namespace sluice::scenario {

// The guest's RAM as its SMMU reaches it.
class GuestRam final : public vsmmu::GuestMemory {
public:
  explicit GuestRam(const hosted::Arena& arena) : arena_{arena} {}

  bool read(std::uint64_t address, void* into, std::size_t size) override {
    const auto at = arena_.at(address, size);
    if (at) {
      machine::copy_out(*at, into, size);
    }
    return at.has_value();
  }
  bool write(std::uint64_t address, const void* from, std::size_t size) override {
    const auto at = arena_.at(address, size);
    if (at) {
      machine::copy_in(*at, from, size);
    }
    return at.has_value();
  }

private:
  const hosted::Arena& arena_;
};

// The guest's interrupt controller: a line for each wire, and messages into its RAM.
class GuestLines final : public vsmmu::Interrupts {
public:
  GuestLines(hosted::Irq& irq, GuestRam& ram) : irq_{irq}, ram_{ram} {}

  bool message(std::uint64_t address, std::uint32_t data) override { return ram_.write(address, &data, sizeof data); }
  void pulse(vsmmu::Wire wire) override { irq_.raise(line(wire)); }
  static platform::IrqLine line(vsmmu::Wire wire) { return static_cast<platform::IrqLine>(wire); }

private:
  hosted::Irq& irq_;
  GuestRam& ram_;
};

// The register frame as the guest's driver reaches it: each access leaves the guest, and the monitor takes them in
// turn.
class GuestFrame final : public platform::Mmio {
public:
  GuestFrame(vsmmu::Vsmmu& smmu, platform::Sync& sync, platform::Mutex& mutex)
      : smmu_{smmu}, sync_{sync}, mutex_{mutex} {}

  std::uint32_t read32(std::uint32_t offset) override { return static_cast<std::uint32_t>(read(offset, 4)); }
  void write32(std::uint32_t offset, std::uint32_t value) override { write(offset, 4, value); }
  std::uint64_t read64(std::uint32_t offset) override { return read(offset, 8); }
  void write64(std::uint32_t offset, std::uint64_t value) override { write(offset, 8, value); }

private:
  std::uint64_t read(std::uint32_t offset, unsigned size) {
    const platform::MutexGuard guard{sync_, mutex_};
    return smmu_.read(offset, size);
  }
  void write(std::uint32_t offset, unsigned size, std::uint64_t value) {
    const platform::MutexGuard guard{sync_, mutex_};
    smmu_.write(offset, size, value);
  }

  vsmmu::Vsmmu& smmu_;
  platform::Sync& sync_;
  platform::Mutex& mutex_;
};

// A passed-through function as the guest's driver reaches it: what VFIO shows of its configuration space.
class GuestFunction final : public platform::PciFunction {
public:
  explicit GuestFunction(vfio::File& file) : file_{file} {}

  platform::PciFacts facts() const override { return {}; }
  std::uint32_t config_read(std::uint16_t offset, unsigned size) override {
    std::uint32_t value = 0;
    const auto got = file_.pread(reinterpret_cast<std::uintptr_t>(&value), size, place(offset));
    return got == static_cast<std::int64_t>(size) ? value : ~0U;
  }
  void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    static_cast<void>(file_.pwrite(reinterpret_cast<std::uintptr_t>(&value), size, place(offset)));
  }

private:
  static std::uint64_t place(std::uint16_t offset) {
    return std::uint64_t{uapi::vfio::region_config} << uapi::vfio::region_shift | offset;
  }

  vfio::File& file_;
};

} // namespace sluice::scenario
