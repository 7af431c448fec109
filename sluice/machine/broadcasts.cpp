#include <sluice/machine/broadcasts.hpp>

#include <sluice/arch/commands.hpp>

namespace sluice::machine {

using namespace arch;

base::Status SmmuBroadcasts::invalidate(std::uint16_t asid, std::span<const pagetable::Gather::Range> ranges) {
  for (const auto& range : ranges) {
    for (std::uint64_t done = 0; done < range.size; done += 1ULL << range.leaf_bits) {
      const std::uint64_t address = range.iova + done;
      smmu_.broadcast(el2_ ? cmd::tlbi_el2_va(asid, address, !range.tables)
                           : cmd::tlbi_nh_va(0, asid, address, !range.tables));
    }
  }
  const std::uint64_t number = smmu_.dvm_sync();
  const bool done = platform::wait_until(time_, limit_us, [&] { return smmu_.dvm_synced(number); });
  return done ? base::Status{} : base::Status{base::Errc::timed_out};
}

} // namespace sluice::machine
