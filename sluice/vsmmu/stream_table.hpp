#pragma once

#include <sluice/arch/event.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/frame/registers.hpp>
#include <sluice/vsmmu/seams.hpp>

#include <cstdint>
#include <optional>

namespace sluice::vsmmu {

// A guest's STE as it is in memory now, or why there is none.
struct FoundSte {
  std::optional<arch::EventType> fault{}; // C_BAD_STREAMID, F_STE_FETCH
  std::uint64_t address{};                // of the fetch that failed
  arch::Ste ste{};
};

// 3.3.1: through the stream table that the registers name.
FoundSte find_ste(GuestMemory& memory, const frame::Registers& registers, std::uint32_t stream);

} // namespace sluice::vsmmu
