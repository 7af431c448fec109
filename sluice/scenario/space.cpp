#include <sluice/scenario/space.hpp>

#include <sluice/hosted/errc.hpp>
#include <sluice/hosted/scratch.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/scenario/stamp.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sluice::scenario {

namespace {

platform::DmaBlock room(machine::ClientMemory& memory) {
  const auto block = memory.alloc(Space::window_size);
  if (!block) {
    throw hosted::SetupError("the machine has no memory left for the endpoints' buffers");
  }
  return *block;
}

} // namespace

std::string_view name(Kind kind) {
  constexpr std::array<std::string_view, kinds> names{"stage 1", "stage 2", "identity", "process"};
  return names.at(static_cast<std::size_t>(kind));
}

Space::Space(machine::ClientMemory& memory, iommu::Domain& identity, std::uint32_t owner, std::size_t streams)
    : memory_{memory}, domain_{identity}, kind_{Kind::identity}, owner_{owner} {
  for (std::size_t i = 0; i < streams; ++i) {
    add_buffers();
    windows_.push_back({buffers_[i].source.bus, buffers_[i].destination.bus});
    stamp(buffers_[i].source.cpu, owner_, windows_[i].source, window_size);
  }
}

Space::Space(machine::ClientMemory& memory, iommu::Domain& domain, Kind kind, std::uint32_t owner,
             const std::vector<Window>& windows)
    : memory_{memory}, domain_{domain}, kind_{kind}, owner_{owner}, windows_{windows} {
  fill(windows);
}

Space::Space(machine::ClientMemory& memory, std::unique_ptr<machine::AddressSpace> process, iommu::Domain& domain,
             std::uint32_t owner, const std::vector<Window>& windows)
    : memory_{memory}, process_{std::move(process)}, domain_{domain}, kind_{Kind::process}, owner_{owner},
      windows_{windows} {
  fill(windows);
}

void Space::fill(const std::vector<Window>& windows) {
  for (const Window& window : windows) {
    add_buffers();
    stamp(buffers_.back().source.cpu, owner_, window.source, window_size);
    map_window(window, buffers_.back());
  }
}

base::Progress Space::map(std::uint64_t iova, std::uint64_t pa, std::uint64_t size, iommu::Prot prot) {
  if (!process_) {
    return domain_.map(iova, pa, size, prot);
  }
  using pagetable::Prot;
  return process_->map(iova, pa, size, prot.write ? Prot::read | Prot::write : Prot::read);
}

base::Progress Space::unmap(std::uint64_t iova, std::uint64_t size) {
  return process_ ? process_->unmap(iova, size) : domain_.unmap(iova, size);
}

Space::~Space() {
  if (kind_ != Kind::identity && !retired_) {
    static_cast<void>(domain_.destroy());
  }
  for (const Buffers& buffers : buffers_) {
    memory_.free(buffers.source);
    memory_.free(buffers.destination);
  }
}

void Space::add_buffers() {
  Buffers& buffers = buffers_.emplace_back();
  buffers.source = room(memory_);
  buffers.destination = room(memory_);
  buffers.expected.assign(window_size, std::byte{0});
}

void Space::map_window(const Window& window, const Buffers& buffers) {
  const auto in = map(window.source, buffers.source.bus, window_size, iommu::prot::read);
  const auto out = map(window.destination, buffers.destination.bus, window_size, iommu::prot::read_write);
  for (const auto& progress : {in, out}) {
    if (!progress) {
      throw machine::DriverRefused(fmt::format("{} cannot be filled: {}", describe(), hosted::name(progress.error())));
    }
  }
}

std::vector<Window> Space::windows() const { return windows_; }

std::string Space::describe() const { return fmt::format("domain {} ({})", owner_, name(kind_)); }

void Space::destination(std::size_t stream, std::uint64_t offset, void* into, std::uint64_t size) const {
  machine::copy_out(buffers_[stream].destination.as<std::byte>() + offset, into, size);
}

void Space::expect(std::size_t stream, std::uint64_t offset, const void* bytes, std::uint64_t size) {
  std::memcpy(buffers_[stream].expected.data() + offset, bytes, size);
}

void Space::retire(Findings& findings) {
  audit(findings);
  retired_ = true;
  if (kind_ == Kind::identity) {
    return;
  }
  if (const auto destroyed = domain_.destroy(); !destroyed) {
    findings.add(Rule::queues, fmt::format("{} cannot be destroyed: {}", describe(), hosted::name(destroyed.error())));
  }
}

void Space::audit(Findings& findings) const {
  std::vector<std::byte> now(window_size);
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    machine::copy_out(buffers_[i].source.cpu, now.data(), window_size);
    if (!stamped(now.data(), owner_, windows_[i].source, window_size)) {
      findings.add(Rule::bytes, fmt::format("something wrote to source pages of {}", describe()));
    }
    machine::copy_out(buffers_[i].destination.cpu, now.data(), window_size);
    const auto wrong = std::mismatch(now.begin(), now.end(), buffers_[i].expected.begin()).first;
    if (wrong != now.end()) {
      const auto offset = static_cast<std::uint64_t>(wrong - now.begin());
      findings.add(Rule::bytes, fmt::format("{} holds bytes at IOVA {:#x} that no endpoint was told to write there",
                                            describe(), windows_[i].destination + offset));
    }
  }
}

} // namespace sluice::scenario
