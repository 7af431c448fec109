#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/fatal.hpp>
#include <sluice/hosted/fill.hpp>
#include <sluice/hosted/mmio_order.hpp>
#include <sluice/hosted/scratch.hpp>

#include <algorithm>
#include <bit>
#include <string>

namespace sluice::hosted {

namespace {

const ArenaConfig& checked(const ArenaConfig& config) {
  if (config.size == 0 || config.size % 4096 != 0 || config.bus_base % 4096 != 0 || config.reserved > config.size ||
      config.bus_base + config.size < config.bus_base) {
    throw SetupError{"an arena's size and bus address must be multiples of 4096, and its end below 2^64"};
  }
  return config;
}

// CPU addresses are aligned as bus addresses are, as far as a block can be large.
Mapping mapping_for(const ArenaConfig& config) {
  const auto align = std::min<std::size_t>(std::bit_floor(config.size), 1ULL << 30);
  return config.path.empty() ? Mapping::shared(config.size, align) : Mapping::file(config.path, config.size, align);
}

} // namespace

// Offsets are aligned, so bus addresses are as far as bus_base is.
Arena::Arena(const ArenaConfig& config)
    : config_{checked(config)}, mapping_{mapping_for(config)}, cpu_{static_cast<std::byte*>(mapping_.at())},
      buddy_{(config.reserved + Buddy::granule - 1) / Buddy::granule * Buddy::granule, config.size} {}

base::Result<platform::DmaBlock> Arena::alloc(std::size_t size, std::size_t align) {
  if (size == 0 || !std::has_single_bit(align) || (align > 1 && config_.bus_base % align != 0)) {
    return base::Errc::no_memory;
  }
  std::optional<std::uint64_t> offset;
  std::uint64_t whole = 0;
  {
    const std::lock_guard guard{mutex_};
    offset = buddy_.take(std::max(size, align));
    if (!offset) {
      return base::Errc::no_memory;
    }
    whole = *buddy_.size_of(*offset);
    ++live_blocks_;
    ++total_allocs_;
  }
  fill(cpu_ + *offset, 0, whole);
  return platform::DmaBlock{cpu_ + *offset, config_.bus_base + *offset, size};
}

void Arena::free(const platform::DmaBlock& block) {
  const auto offset = block.bus - config_.bus_base;
  std::uint64_t whole = 0;
  {
    const std::lock_guard guard{mutex_};
    const auto found = offset < config_.size ? buddy_.size_of(offset) : std::nullopt;
    if (!found || block.cpu != cpu_ + offset || block.size > *found) {
      fatal("a block of " + std::to_string(block.size) + " bytes at bus address " + std::to_string(block.bus) +
            " is freed that is not in use");
    }
    whole = *found;
  }
  forget_stores(cpu_ + offset, whole);
  if (config_.poison) {
    fill(cpu_ + offset, poison_byte, whole);
  }
  const std::lock_guard guard{mutex_};
  buddy_.give(offset);
  --live_blocks_;
}

std::uint64_t Arena::live_bytes() const {
  const std::lock_guard guard{mutex_};
  return buddy_.used();
}

std::uint64_t Arena::live_blocks() const {
  const std::lock_guard guard{mutex_};
  return live_blocks_;
}

std::uint64_t Arena::total_allocs() const {
  const std::lock_guard guard{mutex_};
  return total_allocs_;
}

} // namespace sluice::hosted
