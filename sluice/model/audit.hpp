#pragma once

#include <sluice/arch/event.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::model {

// A translation that a port has cached and that the tables do not bear out: one that leads elsewhere, that they refuse,
// or that permits more than they do.
struct StaleTranslation {
  std::uint32_t stream_id{}; // one of those that can use it
  std::optional<std::uint32_t> substream_id{};
  std::uint64_t address{}; // VA of a 4 KB piece, or IPA where only stage 2 is cached
  bool by_ipa{};
  std::uint64_t cached{};                 // PA
  std::optional<std::uint64_t> fresh{};   // PA, if there is a translation
  std::optional<arch::EventType> event{}; // why there is none
};

// What Port::audit has found.
struct Audit {
  std::uint64_t compared{};
  std::uint64_t out_of_reach{}; // cached, but no configuration that is cached leads there
  std::vector<StaleTranslation> stale{};
};

} // namespace sluice::model
