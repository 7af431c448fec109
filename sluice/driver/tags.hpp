#pragma once

#include <sluice/base/result.hpp>
#include <sluice/platform/memory.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>

namespace sluice::driver {

// ASIDs or VMIDs of one SMMU. 0 is never given: it is the VMID of stage 1 domains, and no domain's ASID. A tag that is
// free is clean in every TLB; one whose invalidation was not confirmed is never freed.
class Tags {
public:
  Tags(platform::Memory& memory, platform::Sync& sync) : memory_{memory}, sync_{sync} {}
  Tags(const Tags&) = delete;
  Tags& operator=(const Tags&) = delete;
  ~Tags();

  // Errors: no_memory.
  base::Status make(unsigned bits);
  // Errors: ids_exhausted.
  base::Result<std::uint16_t> take();
  // This one, if nobody has it.
  bool claim(std::uint16_t tag);
  void give_back(std::uint16_t tag);

private:
  static constexpr std::size_t per_word = 64;

  platform::Memory& memory_;
  platform::Sync& sync_;
  platform::SpinLock lock_;
  std::uint64_t* taken_{};
  std::size_t words_{};
  std::size_t next_{}; // the word at which to begin
};

} // namespace sluice::driver
