#include <sluice/scenario/machine_file_pci.hpp>

#include <algorithm>

namespace sluice::scenario::machine_file {

using Msix = pcie::VirtioRngConfig::MsixCapability;
using machine::EngineConfig;
using machine::FunctionConfig;
using machine::HostConfig;
using machine::PciAddress;

namespace {

constexpr std::size_t most_ports = 64;
constexpr std::size_t most_functions = 64;
constexpr std::size_t longest_name = 8; // in a MarkedStream's lines

unsigned smmu_index(const Json& value, const Pointer& at, const HostConfig& host) {
  return static_cast<unsigned>(number(value, at, host.smmus.size() - 1));
}

RootPort root_port(Object object, const HostConfig& host) {
  RootPort port;
  port.address = pci_address(object.get("address"), object.at("address"));
  const Json& bus = object.get("bus");
  port.bus = static_cast<std::uint8_t>(number(bus, object.at("bus"), 0xff));
  if (port.bus <= port.address.bus) {
    expected(object.at("bus"), bus, "a bus after the root port's own, {}", port.address.bus);
  }
  if (const Json* smmu = object.find("smmu")) {
    port.smmu = smmu_index(*smmu, object.at("smmu"), host);
  }
  object.finish();
  return port;
}

bool behind(const RootPort& port, const PciAddress& address) {
  return port.address.domain == address.domain && port.bus == address.bus;
}

// A root port is on a root bus, and is the only one with its address and with its bus.
void check_root_ports(const std::vector<RootPort>& ports, const Pointer& at) {
  for (std::size_t i = 0; i < ports.size(); ++i) {
    for (std::size_t j = 0; j < ports.size(); ++j) {
      if (behind(ports[j], ports[i].address)) {
        fail(at / i / "address", fmt::format("{} is behind /root_ports/{}; expected an address on a root bus",
                                             to_string(ports[i].address), j));
      }
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (ports[j].address == ports[i].address) {
        fail(at / i / "address",
             fmt::format("{} is the address of /root_ports/{} already", to_string(ports[i].address), j));
      }
      if (ports[j].address.domain == ports[i].address.domain && ports[j].bus == ports[i].bus) {
        fail(at / i / "bus", fmt::format("{} is the bus of /root_ports/{} already", ports[i].bus, j));
      }
    }
  }
}

Msix msix(const Json& value, const Pointer& at) {
  const std::string word = value.is_string() ? value.get<std::string>() : "";
  if (word == "none") {
    return Msix::none;
  }
  if (word == "plain") {
    return Msix::plain;
  }
  if (word == "disguised") {
    return Msix::disguised;
  }
  expected(at, value, "one of none, plain, disguised");
}

pcie::VirtioRngConfig rng(Object& object, std::size_t index) {
  pcie::VirtioRngConfig config;
  config.name = fmt::format("rng{}", index);
  if (const Json* name = object.find("name")) {
    config.name = text(*name, object.at("name"), "a name");
    const auto& n = config.name;
    const bool plain = std::all_of(n.begin(), n.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (n.empty() || n.size() > longest_name || !plain) {
      expected(object.at("name"), *name, "1 to {} characters of ASCII without spaces", longest_name);
    }
  }
  if (const Json* kind = object.find("msix")) {
    config.msix = msix(*kind, object.at("msix"));
  }
  return config;
}

// Behind which SMMU: what its root port says, and it may say the same.
unsigned smmu_of(Object& object, const PciAddress& address, const std::vector<RootPort>& ports,
                 const HostConfig& host) {
  const Json* const said = object.find("smmu");
  const unsigned smmu = said != nullptr ? smmu_index(*said, object.at("smmu"), host) : 0;
  const auto port = std::find_if(ports.begin(), ports.end(), [&](const RootPort& p) { return behind(p, address); });
  if (port == ports.end()) {
    return smmu;
  }
  if (address.device != 0) { // PCI Express 7.3.1: a link has one device
    fail(object.at("address"),
         fmt::format("{} is behind the root port {}; expected device 0", to_string(address), to_string(port->address)));
  }
  if (said != nullptr && smmu != port->smmu) {
    expected(object.at("smmu"), *said, "{}, which is its root port's", port->smmu);
  }
  return port->smmu;
}

// What functions of all kinds have.
template <class Config>
void place(Object& object, Config& config, const std::vector<RootPort>& ports, const HostConfig& host) {
  config.address = pci_address(object.get("address"), object.at("address"));
  config.smmu = smmu_of(object, config.address, ports, host);
  if (const Json* stream = object.find("stream")) {
    const unsigned bits = host.smmus[config.smmu].features.streamid_bits;
    config.stream = static_cast<std::uint32_t>(number(*stream, object.at("stream"), (1ULL << bits) - 1));
  }
}

FunctionConfig function(Object object, std::size_t index, const std::vector<RootPort>& ports, const HostConfig& host) {
  FunctionConfig config;
  place(object, config, ports, host);
  config.rng = rng(object, index);
  object.finish();
  return config;
}

EngineConfig engine(Object object, const std::vector<RootPort>& ports, const HostConfig& host) {
  EngineConfig config;
  config.device = true;
  place(object, config, ports, host);
  object.finish();
  return config;
}

bool is_engine(Object& object) {
  const Json* const kind = object.find("kind");
  if (kind == nullptr || *kind == "virtio-rng") {
    return false;
  }
  if (*kind != "copy-engine") {
    expected(object.at("kind"), *kind, "one of virtio-rng, copy-engine");
  }
  return true;
}

// What no two functions have in common.
struct Taken {
  PciAddress address{};
  unsigned smmu{};
  std::uint32_t stream{};
  std::string name{}; // of an entropy source
};

template <class Config>
Taken taken_by(const Config& config, std::string name = {}) {
  return {config.address, config.smmu, config.stream.value_or(config.address.requester()), std::move(name)};
}

void check_function(const HostConfig& host, const std::vector<RootPort>& ports, const std::vector<Taken>& before,
                    const Taken& f, const Pointer& at) {
  const unsigned bits = host.smmus[f.smmu].features.streamid_bits;
  if (bits < 32 && f.stream >> bits != 0) {
    fail(at, fmt::format("its StreamID is its Requester ID {:#x}, and SMMU {} has {} bits of StreamID; expected a "
                         "\"stream\" or more \"streamid_bits\"",
                         f.stream, f.smmu, bits));
  }
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].address == f.address) {
      fail(at / "address", fmt::format("{} is the address of /root_ports/{} already", to_string(f.address), i));
    }
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    const Taken& other = before[i];
    if (other.address == f.address) {
      fail(at / "address", fmt::format("{} is the address of /functions/{} already", to_string(f.address), i));
    }
    if (other.smmu == f.smmu && other.stream == f.stream) {
      fail(at, fmt::format("its StreamID {:#x} is that of /functions/{} already, behind the same SMMU", f.stream, i));
    }
    if (!f.name.empty() && other.name == f.name) {
      fail(at / "name", fmt::format("\"{}\" is the name of /functions/{} already", f.name, i));
    }
  }
}

} // namespace

std::vector<RootPort> root_ports(const Json& value, const Pointer& at, const HostConfig& host) {
  std::vector<RootPort> ports;
  for (std::size_t i = 0; i < array(value, at, {0, most_ports}).size(); ++i) {
    ports.push_back(root_port(Object{value[i], at / i}, host));
  }
  check_root_ports(ports, at);
  return ports;
}

void functions(const Json& value, const Pointer& at, const std::vector<RootPort>& ports, HostConfig& host) {
  std::vector<Taken> taken;
  const auto take = [&](Taken what, std::size_t i) {
    check_function(host, ports, taken, what, at / i);
    taken.push_back(std::move(what));
  };
  for (std::size_t i = 0; i < array(value, at, {0, most_functions}).size(); ++i) {
    Object object{value[i], at / i};
    if (is_engine(object)) {
      auto config = engine(std::move(object), ports, host);
      take(taken_by(config), i);
      host.engines.push_back(std::move(config));
    } else {
      auto config = function(std::move(object), i, ports, host);
      take(taken_by(config, config.rng.name), i);
      host.functions.push_back(std::move(config));
    }
  }
}

} // namespace sluice::scenario::machine_file
