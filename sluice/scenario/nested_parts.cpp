#include <sluice/scenario/nested_parts.hpp>

#include <array>

namespace sluice::scenario::nested {

namespace {

// The guest's names for its devices: in one leaf of its stream table and in others, and none the host's.
constexpr std::array<std::uint32_t, 4> guest_streams{0x100, 0x101, 0x1ff, 0x3402};

// What its devices can do, and the PASIDs that they work with, as contexts 0, 1, ... of their engines.
struct Ability {
  bool ats{};
  std::array<std::uint32_t, 2> pasids{}; // 0: none
};
constexpr std::array<Ability, guest_streams.size()> abilities{Ability{}, Ability{false, {1, 77}}, Ability{true, {}},
                                                              Ability{true, {1, 300}}};
constexpr Ability everything{true, {1, 2}}; // of the hostile guest's device
constexpr unsigned pasid_bits = 9;

} // namespace

machine::HostConfig host(const NestedJobOptions& options) {
  machine::HostConfig config;
  config.fault = options.fault;
  machine::SmmuConfig& smmu = config.smmus.emplace_back();
  smmu.driver.stream_bits = 16;
  smmu.features.ats = true;
  smmu.features.substreamid_bits = 16;
  config.port.arena.size = 32 << 20;
  smmu.features.stall_model = 0;
  smmu.features.stall_max = 16;
  for (std::uint8_t device = 1; device <= guest_streams.size() + 1; ++device) {
    const Ability ability = device <= abilities.size() ? abilities.at(device - 1U) : everything;
    machine::EngineConfig& engine = config.engines.emplace_back();
    engine.address.device = device;
    engine.show_pasid = true;
    engine.engine.ats.capabilities.ats = ability.ats;
    if (ability.pasids[0] != 0) {
      engine.engine.ats.capabilities.pasid_bits = pasid_bits;
      engine.engine.contexts = ability.pasids.size();
    }
  }
  machine::EngineConfig& stalling = config.engines.emplace_back();
  stalling.address.device = guest_streams.size() + 2;
  stalling.may_stall = true;
  if (options.seeded) {
    config.port.seeded.emplace().seed = options.seed;
  }
  if (options.storm) {
    smmu.driver.event_queue_log2 = 6;
    smmu.driver.guest_events = *options.storm;
    smmu.driver.guest_event_period_us = 1000;
  }
  return config;
}

VirtualMachine::Config guest(const NestedJobOptions& options) {
  VirtualMachine::Config config;
  config.elsewhere = options.elsewhere;
  for (unsigned i = 0; i < guest_streams.size(); ++i) {
    config.devices.push_back({i, guest_streams[i]});
  }
  config.devices.push_back({guest_streams.size() + 1, stalling_stream});
  config.own.stalls = 8;
  return config;
}

VirtualMachine::Config hostile() {
  VirtualMachine::Config config;
  config.name = "hostile guest";
  config.ram = 2 << 20;
  config.devices.push_back({guest_streams.size(), hostile_stream});
  config.own.command_queue_log2 = 6;
  return config;
}

platform::Owned<driver::Smmu> make_driver(VirtualMachine& vm) {
  driver::Config config;
  config.event_wire = {true, GuestLines::line(vsmmu::Wire::event_queue)};
  config.gerror_wire = {true, GuestLines::line(vsmmu::Wire::global_error)};
  config.stream_bits = 16;
  auto made = driver::Smmu::make(vm.platform(), vm.frame(), config);
  if (!made) {
    throw machine::DriverRefused{"the driver does not come up on the virtual SMMU"};
  }
  return std::move(*made);
}

std::vector<Target> targets() {
  std::vector<Target> all;
  for (unsigned device = 0; device < guest_streams.size(); ++device) {
    const std::uint32_t stream = guest_streams.at(device);
    all.push_back({device, stream, {}, {}});
    const auto& pasids = abilities.at(device).pasids;
    for (unsigned context = 0; context < pasids.size() && pasids.at(context) != 0; ++context) {
      all.push_back({device, stream, iommu::Target::pasid(pasids.at(context)), context});
    }
  }
  return all;
}

} // namespace sluice::scenario::nested
