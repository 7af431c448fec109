#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/irq.hpp>
#include <sluice/hosted/log.hpp>
#include <sluice/hosted/memory.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/platform/platform.hpp>
#include <sluice/scenario/descriptors.hpp>
#include <sluice/scenario/guest_parts.hpp>
#include <sluice/vsmmu/vsmmu.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sluice::scenario {

// A device of the host's, and the StreamID that the guest knows it by.
struct PassedThrough {
  unsigned engine{};
  std::uint32_t stream{};
};

// A guest's machine, and the monitor that makes it of what a host has to give: RAM that is the second stage, copy
// engines, and before them an SMMU of the guest's own.
class VirtualMachine {
public:
  struct Config {
    std::string name{"guest"};
    std::size_t ram{32 << 20};
    std::vector<PassedThrough> devices{}; // at least one
    vsmmu::Own own{};
    std::optional<vsmmu::HostFacts> elsewhere{}; // a host that the guest may move to: it has what both have
  };

  // Throws hosted::SetupError.
  VirtualMachine(machine::Host& host, Descriptors& descriptors, const Config& config);
  VirtualMachine(const VirtualMachine&) = delete;
  VirtualMachine& operator=(const VirtualMachine&) = delete;
  ~VirtualMachine();

  // What the guest has.
  platform::Platform platform() { return {memory, sync, host_.port().time, irq, log}; }
  platform::Mmio& frame() { return *frame_; }
  platform::PciFunction& function(std::size_t device) { return *devices_.at(device).function; }
  const PassedThrough& device(std::size_t index) const { return devices_.at(index).passed; }
  std::size_t devices() const { return devices_.size(); }

  // The monitor's.
  vsmmu::Counters counters();
  // Gives the guest a page beyond its RAM, or takes it away again.
  void plug_memory();
  std::uint64_t plugged() const { return plugged_; }
  // Another HWPT of the same memory takes the place of that which everything of the guest's stands on. Throws
  // hosted::SetupError.
  void replace_parent();
  std::uint64_t parents_replaced() const { return parents_replaced_; }
  // What a guest's SMMU is, out of it and into it again, as for a guest that moves. Throws hosted::SetupError.
  void save_and_restore();
  std::uint64_t restored() const { return restored_; }
  // Odd while one of these goes on: transactions that wait for the guest end with it.
  std::uint64_t disturbances() const { return disturbances_.load(); }

  hosted::Arena arena;
  hosted::Memory memory{arena};
  hosted::Sync sync;
  hosted::Irq irq;
  hosted::Log log;

private:
  struct Device {
    PassedThrough passed{};
    int fd{-1};
    std::uint32_t id{};
    std::unique_ptr<GuestFunction> function{};
  };

  template <class T>
  void call(const char* what, T& structure);
  void open_devices(const Config& config);
  void make_memory();
  std::uint32_t make_parent();
  bool take_events();
  bool take_faults();
  long answer(int fd, const void* from, std::size_t size);
  void make_smmu(const Config& config);
  void read_events(const std::stop_token& stop);

  machine::Host& host_;
  Descriptors& descriptors_;
  const std::string name_;
  int iommufd_{-1};
  std::uint32_t ioas_{};
  std::uint32_t parent_{};
  std::vector<Device> devices_;
  GuestRam ram_{arena};
  GuestLines lines_{irq, ram_};
  platform::Mutex mutex_; // of the SMMU
  std::unique_ptr<vsmmu::Vsmmu> smmu_;
  std::unique_ptr<GuestFrame> frame_;
  platform::Mutex reading_; // of the event descriptor, and before the other one
  int events_{-1};
  int faults_{-1};
  base::Atomic<std::uint64_t> disturbances_{0};
  hosted::ActorId reader_{};
  hosted::Arena spare_;
  bool spare_mapped_{};
  std::uint64_t plugged_{};
  std::uint64_t parents_replaced_{};
  std::uint64_t restored_{};
};

} // namespace sluice::scenario
