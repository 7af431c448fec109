#include <ports/qemu/rival.hpp>

#include <sluice/hosted/errc.hpp>
#include <sluice/hosted/scratch.hpp>

#include <algorithm>

namespace sluice::ports::qemu {

namespace area = differential::area;

namespace {

// Where edu's buffer holds what it writes, and what it has read.
constexpr std::uint32_t outgoing = 0;
constexpr std::uint32_t incoming = 8;
constexpr std::uint32_t size = 4; // edu's DMA goes on by 4 bytes, each an access of its own

std::byte* start_of(hosted::Arena& arena) {
  const auto bytes = arena.at(area::ram, area::ram_end - area::ram);
  if (!bytes) {
    throw hosted::SetupError{"the machine's RAM is smaller than cases need"};
  }
  return static_cast<std::byte*>(*bytes);
}

} // namespace

Rival::Rival(const VirtOptions& options)
    : machine_{options}, ram_{start_of(machine_.virt.ram())}, software_{machine_.frame, ram_, area::queues} {
  const auto found =
      std::find_if(machine_.functions.begin(), machine_.functions.end(), [](auto& f) { return f.id() == Edu::id; });
  if (found == machine_.functions.end()) {
    throw hosted::SetupError{"this QEMU has no edu"};
  }
  stream_ = found->rid();
  edu_.emplace(machine_.virt.bus(), *found, machine_.time);
  software_.start();
  software_.disable();
  ram_.put32(area::answer, differential::marker);
  const auto loaded = edu_->fetch(area::answer, outgoing, size);
  if (!loaded) {
    throw hosted::SetupError{"edu does not read memory: " + std::string{hosted::name(loaded.error())}};
  }
  ram_.put32(area::answer, 0);
}

differential::Seen Rival::run(const differential::Case& c, std::optional<std::uint64_t> expected) {
  differential::Seen seen;
  software_.prepare(c);
  base::Status done;
  if (c.write) {
    done = edu_->deliver(outgoing, c.iova, size);
    seen.events = software_.events();
    seen.landed = landed(expected, seen.events.empty());
  } else {
    done = edu_->fetch(c.iova, incoming, size);
    seen.events = software_.events();
    software_.disable();
    const auto shown = edu_->deliver(incoming, area::answer, size);
    done = done ? shown : done;
    seen.value = ram_.get32(area::answer);
  }
  if (!done && failure_.empty()) {
    failure_ = "edu's transfer: " + std::string{hosted::name(done.error())};
  }
  return seen;
}

std::optional<std::uint64_t> Rival::landed(std::optional<std::uint64_t> expected, bool search) const {
  if (expected && ram_.get32(*expected) == differential::marker) {
    return expected;
  }
  for (std::uint64_t at = area::window; search && at < area::window_end; at += 4) {
    if (ram_.get32(at) == differential::marker) {
      return at;
    }
  }
  return std::nullopt;
}

std::string Rival::failure() {
  const auto why = machine_.virt.failure();
  return why.empty() ? failure_ : why;
}

} // namespace sluice::ports::qemu
