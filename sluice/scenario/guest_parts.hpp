#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/platform/mmio.hpp>
#include <sluice/platform/pci_translation.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/cdev.hpp>
#include <sluice/vsmmu/vsmmu.hpp>

#include <map>
#include <utility>

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

  bool message(std::uint64_t address, std::uint32_t data) override {
    return irq_.write(address, data) || ram_.write(address, &data, sizeof data);
  }
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

// A passed-through function as the guest's driver reaches it: what VFIO shows of its configuration space. The controls
// of ATS and PASIDs are the host's, and read-only there: the guest has some of its own, which say what it believes.
// What its device does follows from the STEs that it writes.
class GuestFunction final : public platform::PciFunction {
public:
  explicit GuestFunction(vfio::File& file) : file_{file} {
    namespace pci = platform::pci;
    for (const auto& [id, control] :
         {std::pair{pci::ats_id, pci::ats_control}, std::pair{pci::pasid_id, pci::pasid_control}}) {
      if (const std::uint16_t at = pci::find_extended(*this, id); at != 0) {
        controls_[static_cast<std::uint16_t>(at + control)] = 0;
      }
    }
  }

  platform::PciFacts facts() const override { return {.ats_allowed = true}; }
  std::uint32_t config_read(std::uint16_t offset, unsigned size) override {
    std::uint32_t value = 0;
    const auto got = file_.pread(reinterpret_cast<std::uintptr_t>(&value), size, place(offset));
    if (got != static_cast<std::int64_t>(size)) {
      return ~0U;
    }
    for (const auto& [at, control] : controls_) {
      for (unsigned i = 0; i < 2; ++i) {
        if (at + i >= offset && at + i < offset + size) {
          const unsigned shift = 8 * (at + i - offset);
          value = (value & ~(0xffU << shift)) | (control >> 8 * i & 0xffU) << shift;
        }
      }
    }
    return value;
  }
  void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    if (const auto control = controls_.find(offset); control != controls_.end() && size == 2) {
      control->second = static_cast<std::uint16_t>(value);
      return;
    }
    static_cast<void>(file_.pwrite(reinterpret_cast<std::uintptr_t>(&value), size, place(offset)));
  }

private:
  static std::uint64_t place(std::uint16_t offset) {
    return std::uint64_t{uapi::vfio::region_config} << uapi::vfio::region_shift | offset;
  }

  vfio::File& file_;
  std::map<std::uint16_t, std::uint16_t> controls_;
};

} // namespace sluice::scenario
