#include <ports/qemu/rig.hpp>
#include <sluice/hosted/errc.hpp>
#include <sluice/hosted/scratch.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::ports::qemu {

Window::Window(Machine& machine, std::uint64_t iova) : machine_{machine}, iova_{iova} {
  auto block = machine.memory.dma_alloc(size, page);
  if (!block) {
    throw hosted::SetupError{"the machine's RAM is full"};
  }
  block_ = *block;
}

Window::Window(Window&& other) noexcept
    : machine_{other.machine_}, iova_{other.iova_}, block_{std::exchange(other.block_, {})} {}

Window::~Window() {
  if (block_) {
    machine_.memory.dma_free(block_);
  }
}

std::uint8_t& Window::at(std::size_t offset) const { return block_.as<std::uint8_t>()[offset ^ page]; }

base::Status Window::map(iommu::Domain& domain, iommu::Prot prot) const {
  const auto first = domain.map(iova_, pa(0), page, prot);
  return first ? domain.map(iova_ + page, pa(1), page, prot).status : first.status;
}

base::Status Window::unmap(iommu::Domain& domain) const { return domain.unmap(iova_, size).status; }

void Window::fill(std::uint8_t value) const {
  for (std::size_t i = 0; i < size; ++i) {
    at(i) = value;
  }
}

Rig::~Rig() {
  // What is left is an error already reported; the driver goes before the memory that its tables are in.
  static_cast<void>(give_back());
}

base::Status Rig::take(platform::Mmio& frame, driver::Config config) {
  config.event_wire = {true, map::event_queue};
  config.gerror_wire = {true, map::global_error};
  auto made = driver::Smmu::make(machine.platform(), frame, config);
  if (!made) {
    return made.error();
  }
  smmu = std::move(*made);
  return {};
}

base::Status Rig::add_edu() {
  const auto found =
      std::find_if(machine.functions.begin(), machine.functions.end(), [](auto& f) { return f.id() == Edu::id; });
  if (found == machine.functions.end()) {
    return base::Errc::not_found;
  }
  function = &*found;
  edu.emplace(machine.virt.bus(), *function, machine.time);
  const std::array streams{driver::StreamID{function->rid()}};
  auto added = smmu->add(function, streams);
  if (!added) {
    return added.error();
  }
  device = *added;
  return {};
}

base::Status Rig::give_back() {
  base::Status first{};
  const auto keep = [&](base::Status status) { first = first ? status : first; };
  if (device != nullptr && device->attached() != nullptr) {
    const auto detached = device->detach();
    keep(detached ? base::Status{} : base::Status{detached.error()});
  }
  for (auto* domain : std::exchange(domains, {})) {
    domain->set_fault_handler(nullptr);
    keep(domain->destroy());
  }
  if (device != nullptr) {
    keep(smmu->remove(*std::exchange(device, nullptr)));
  }
  smmu.reset();
  machine.sync.reclaim();
  return first;
}

base::Result<iommu::Domain*> Rig::domain(iommu::Stage stage) {
  auto made = smmu->make_paging({.stage = stage, .page_sizes = Window::page});
  if (made) {
    (*made)->set_fault_handler(&faults);
    domains.push_back(*made);
  }
  return made;
}

void Rig::interrupts() {
  // A handler may cause the next one; more than a few in a row would be a storm.
  for (int turn = 0; turn < 16 && machine.irq.deliver() != 0; ++turn) {
  }
}

base::Status Rig::transfer(std::uint64_t from, std::uint64_t to, std::size_t size) {
  const auto fetched = edu->fetch(from, 0, static_cast<std::uint32_t>(size));
  return fetched ? edu->deliver(0, to, static_cast<std::uint32_t>(size)) : fetched;
}

std::string Rig::move(const Window& from, const Window& to, std::size_t offset, std::size_t size) {
  const std::uint8_t pattern = next_pattern++;
  const auto expected = [&](std::size_t i) { return static_cast<std::uint8_t>(pattern + 31 * i + (i >> 8)); };
  for (std::size_t i = 0; i < Window::size; ++i) {
    from.at(i) = expected(i);
  }
  const auto background = static_cast<std::uint8_t>(~pattern);
  to.fill(background);
  if (const auto done = transfer(from.iova() + offset, to.iova() + offset, size); !done) {
    return "the device's transfer: " + text(done);
  }
  for (std::size_t i = 0; i < Window::size; ++i) {
    const auto wanted = i >= offset && i < offset + size ? expected(i) : background;
    if (to.at(i) != wanted) {
      return "byte " + hex(i) + " of the target is " + hex(to.at(i)) + ", not " + hex(wanted);
    }
  }
  bytes_verified += size;
  return "";
}

std::string text(const base::Status& status) { return status ? "ok" : std::string{hosted::name(status.error())}; }

} // namespace sluice::ports::qemu
