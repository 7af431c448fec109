#pragma once

#include <sluice/hosted/random.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::scenario {

// One step of a long run, as numbers that mean something whatever was done before: a step that finds nothing to do does
// nothing, so that any part of a list of them is a list too.
struct Operation {
  enum class Kind : std::uint8_t {
    access,      // target, cell, details
    attach,      // target, space: or replace; a guest that it is at gives it another STE
    detach,      // target
    map,         // space, cell, details
    unmap,       // space, cell
    defer,       // space, cell: unmap deferred
    flush,       // space: what was deferred
    dirty,       // space, details: read, and clear
    rebind,      // space: its domain is made anew over the same address space, or under the same guest
    rebirth,     // space: destroyed with all that it maps, and made anew
    end_process, // space
    remove,      // device
    add,         // device
    handler,     // space, details: page requests are served, or are not
    finish,      // an access that waits
  };
  static constexpr std::size_t kinds = 15;

  Kind kind{};
  std::uint32_t actor{};
  std::uint32_t first{}, second{}, details{};

  friend bool operator==(const Operation&, const Operation&) = default;
};

std::string_view name(Operation::Kind kind);
// "0 attach 3 5 17", which parse_operation() reads.
std::string to_text(const Operation& operation);
// No value: it is none.
std::optional<Operation> parse_operation(std::string_view line);

// How many there are of each.
struct WorldSize {
  std::uint32_t devices{};
  std::uint32_t targets{};
  std::uint32_t spaces{};
  std::uint32_t cells{};                      // of each space
  std::uint32_t device_targets{};             // of each device, the first of which has no PASID
  std::uint32_t seldom_pasids{};              // a device whose RID mostly may have what leaves no room for PASIDs
  std::vector<std::uint32_t> without_pasid{}; // spaces that go with such a target
  std::vector<std::uint32_t> with_pasid{};    // and with the others
};

// Which of them an actor may change: no two actors change one target.
constexpr bool is_of(std::uint32_t actor, std::uint32_t target, std::uint32_t actors) {
  return target % actors == actor;
}

// `count` steps for so many actors, which follow from the seed.
std::vector<Operation> draw_operations(const WorldSize& size, std::uint32_t actors, std::size_t count,
                                       hosted::Random random);

} // namespace sluice::scenario
