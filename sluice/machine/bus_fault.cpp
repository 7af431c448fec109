#include <sluice/machine/bus_fault.hpp>

namespace sluice::machine {

using base::Order;

void FaultyBus::plant(std::uint64_t address, std::uint64_t size, Whose whose) {
  size_.store(0);
  begin_.store(address);
  whose_.store(whose);
  size_.store(size);
}

bool FaultyBus::passes(const model::BusAccess& access) {
  const std::uint64_t size = size_.load(Order::acquire);
  if (size == 0) {
    return true;
  }
  const std::uint64_t begin = begin_.load(Order::relaxed);
  const Whose whose = whose_.load(Order::relaxed);
  const bool by_smmu = access.initiator.stream == model::Initiator::smmu_itself;
  const bool hit = access.address < begin + size && access.address + access.size > begin;
  if (!hit || (whose == Whose::smmu && !by_smmu) || (whose == Whose::clients && by_smmu)) {
    return true;
  }
  aborted_.fetch_add(1, Order::relaxed);
  return false;
}

} // namespace sluice::machine
