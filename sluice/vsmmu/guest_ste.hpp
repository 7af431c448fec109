#pragma once

#include <sluice/arch/features.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/vsmmu/calls.hpp>

#include <cstdint>

namespace sluice::vsmmu {

enum class Stream : std::uint8_t {
  aborts,   // silently, or because its STE is no good
  bypasses, // its addresses are the guest's physical ones
  stage1,   // through the guest's tables
};

// What an STE says of a stream, for an SMMU with these features.
struct SteMeaning {
  Stream stream{Stream::aborts};
  bool illegal{}; // 5.2.2: C_BAD_STE, V = 0 apart
  SteWords words{};
};

// The words are those that a host takes: what this SMMU ignores is 0 in them, so that an SMMU with more features does
// not see it.
SteMeaning meaning_of(const arch::Ste& ste, const arch::IdRegisters& id);

} // namespace sluice::vsmmu
