#pragma once

#include <sluice/arch/register_map.hpp>
#include <sluice/platform/mmio.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::machine {

// The register frame of an SMMU as plain memory, for software whose accesses nobody traps. poll() compares the memory
// with what it showed last, hands the differences to the SMMU as writes, and shows what the SMMU's registers read then.
//
// Memory cannot do all that registers do:
// - a value that is written twice between two polls is seen once, and one that is overwritten not at all: software has
//   to wait for each acknowledgement before it goes on, as 6.3.9, 6.3.14 and 6.3.16 demand;
// - what a write may not change, or what is reserved, reads as written until the next poll;
// - a write of what a register reads already is none. No register of the SMMUv3 tells the two apart.
class SharedFrame {
public:
  static constexpr std::size_t bytes = arch::frame_size;

  // `memory`: `bytes` of it, aligned to 8. It is cleared and shows the registers when this returns.
  SharedFrame(platform::Mmio& smmu, void* memory);
  SharedFrame(const SharedFrame&) = delete;
  SharedFrame& operator=(const SharedFrame&) = delete;

  // By one thread at a time. True if software or the SMMU had changed anything.
  bool poll();

  std::uint64_t writes() const { return writes_; } // handed to the SMMU
  // Registers that are read-only or absent and were written nevertheless.
  std::uint64_t stray_writes() const { return strays_; }

private:
  static constexpr std::size_t count = arch::register_map.size();
  using Values = std::array<std::uint64_t, count>;

  std::uint64_t load(std::size_t index) const;
  void replace(std::size_t index, std::uint64_t found, std::uint64_t now);
  std::uint64_t read(std::size_t index);
  bool take(const Values& found);
  bool show(const Values& found);

  platform::Mmio& smmu_;
  std::byte* memory_;
  Values shown_{};
  std::uint64_t writes_{};
  std::uint64_t strays_{};
};

} // namespace sluice::machine
