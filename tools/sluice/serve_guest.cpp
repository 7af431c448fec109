#include <tools/sluice/serve_guest.hpp>

#include <ports/qemu/virt.hpp>
#include <sluice/hosted/errc.hpp>
#include <sluice/scenario/machine_file.hpp>
#include <tools/sluice/exec_command.hpp>

#include <fmt/format.h>

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace sluice::tool {

namespace {

namespace map = ports::qemu::map;

constexpr int answer_ms = 10'000;

hosted::PortConfig port_config(const ServeArguments& arguments) {
  const std::size_t size = arguments.ram_mib << 20;
  return {.arena = {.size = size, .bus_base = map::ram, .reserved = size}};
}

machine::HostFault fault(const std::string& name) {
  using machine::HostFault;
  if (name.empty()) {
    return HostFault::none;
  }
  return name == "stale"  ? HostFault::tlbi
         : name == "walk" ? HostFault::walk
         : name == "atc"  ? HostFault::atc
                          : HostFault::cd;
}

machine::GuestSmmuConfig smmu_config(const ServeArguments& arguments) {
  const auto host = arguments.machine.empty() ? scenario::default_machine() : scenario::read_machine(arguments.machine);
  const machine::SmmuConfig& smmu = host.smmus.at(0);
  machine::GuestSmmuConfig config{
      .features = smmu.features, .knobs = smmu.knobs, .frame = arguments.frame, .fault = fault(arguments.fault)};
  config.knobs.watch_stale = true;
  return config;
}

// What the SMMU has of it, an endpoint of ours behind it has too.
pcie::AtsConfig ats_config(const ServeArguments& arguments, const model::Features& features) {
  return {.capabilities = {.ats = features.ats, .pasid_bits = static_cast<std::uint8_t>(features.substreamid_bits)},
          .atc_entries = arguments.atc_entries};
}

struct Place {
  std::string name;
  pcie::Address address;
};
// "rng0=0000:00:04.0"; the StreamID is the Requester ID.
Place place(const std::string& option, const std::string& text) {
  const auto sign = text.find('=');
  const auto address = machine::parse_pci_address(sign == text.npos ? "" : text.substr(sign + 1));
  if (sign == 0 || !address) {
    throw CommandError{fmt::format("{}: expected NAME=BUS:DEVICE.FUNCTION, found '{}'", option, text)};
  }
  return {text.substr(0, sign), {address->requester(), address->requester()}};
}

} // namespace

void QtestInterrupts::connect(hosted::Fd socket) { qtest_.emplace(std::move(socket), answer_ms); }

void QtestInterrupts::pulse(model::Wire wire) {
  constexpr std::array inputs{map::event_queue, map::pri_queue, map::command_sync, map::global_error};
  ++pulses_;
  qtest_->pulse_irq(gic_, inputs[static_cast<std::size_t>(wire)]);
}

void QtestInterrupts::message(std::uint64_t address, std::uint32_t data) {
  ++messages_;
  qtest_->write32(address, data);
}

ServedGuest::ServedGuest(const ServeArguments& arguments)
    : port_{port_config(arguments)}, interrupts_{arguments.gic}, smmu_{std::make_unique<machine::GuestSmmu>(
                                                                     smmu_config(arguments), port_, interrupts_)} {
  keep_.push_back(port_.arena.fd());
  add("ram", fmt::format("/proc/self/fd/{}", port_.arena.fd()));
  interrupts_.connect(connect("qtest"));
  for (const std::string& text : arguments.rngs) {
    const Place at = place("--rng", text);
    rngs_.push_back(std::make_unique<ServedRng>(at.name, at.address, *smmu_, port_));
    rngs_.back()->serve(connect(at.name));
  }
  for (const std::string& text : arguments.copies) {
    const Place at = place("--copy", text);
    copies_.push_back(std::make_unique<ServedCopy>(at.name, at.address,
                                                   ats_config(arguments, smmu_->model().features()), *smmu_, port_));
    auto listener = std::make_unique<remote::Listener>(at.name);
    add(at.name, listener->path());
    copies_.back()->serve(std::move(listener));
  }
}

ServedGuest::~ServedGuest() { stop(); }

hosted::Fd ServedGuest::connect(const std::string& name) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw hosted::SetupError{fmt::format("no socket for {}: {}", name, std::strerror(errno))};
  }
  hosted::Fd ours{ends[0]};
  theirs_.emplace_back(ends[1]);
  keep_.push_back(ends[1]);
  add(name, std::to_string(ends[1]));
  return ours;
}

void ServedGuest::add(const std::string& name, const std::string& place) {
  if (!places_.emplace(name, place).second) {
    throw CommandError{fmt::format("there are two things with the name '{}'", name)};
  }
}

void ServedGuest::stop() {
  for (const auto& rng : rngs_) {
    rng->stop();
  }
  for (const auto& copy : copies_) {
    copy->stop();
  }
  smmu_->stop();
}

void ServedGuest::complain() const {
  if (const auto why = interrupts_.failure(); !why.empty()) {
    fmt::print(stderr, "sluice serve: interrupts did not reach the guest: {}\n", why);
  }
  const auto complain_of = [](const auto& devices) {
    for (const auto& device : devices) {
      if (const auto status = device->server->status(); !status) {
        fmt::print(stderr, "sluice serve: the connection of {} was given up ({})\n", device->name,
                   hosted::name(status.error()));
      }
    }
  };
  complain_of(rngs_);
  complain_of(copies_);
}

} // namespace sluice::tool
