#include <sluice/machine/bus.hpp>

#include <sluice/base/fence.hpp>
#include <sluice/machine/copy.hpp>

#include <cstring>

namespace sluice::machine {

using base::DmaWord;
using base::Order;

namespace {

bool by_smmu(const model::BusAccess& access) { return access.initiator.stream == model::Initiator::smmu_itself; }

bool whole_words(const model::BusAccess& access) { return access.address % 8 == 0 && access.size % 8 == 0; }

} // namespace

void* Bus::target(const model::BusAccess& access) {
  by_smmu(access) ? interleave_.at_structure() : interleave_.at_data();
  const auto found = arena_.at(access.address, access.size);
  if (!found) {
    return nullptr;
  }
  if (!by_smmu(access) && !clients_.allows(access.address)) {
    strays_.fetch_add(1, Order::relaxed);
    return nullptr;
  }
  return *found;
}

// What driver and SMMU share goes through base::Atomic, as the driver's own accesses do.
bool Bus::read(const model::BusAccess& access, void* into) {
  const void* from = target(access);
  if (from == nullptr) {
    return false;
  }
  if (!by_smmu(access) || !whole_words(access)) {
    copy_out(from, into, access.size);
    return true;
  }
  const auto* words = static_cast<const DmaWord*>(from);
  for (std::uint32_t i = 0; i < access.size / 8; ++i) {
    const std::uint64_t word = words[i].load(Order::relaxed);
    std::memcpy(static_cast<std::byte*>(into) + 8 * i, &word, sizeof word);
  }
  return true;
}

bool Bus::write(const model::BusAccess& access, const void* from) {
  void* into = target(access);
  if (into == nullptr) {
    return false;
  }
  if (!by_smmu(access) || !whole_words(access)) {
    copy_in(into, from, access.size);
    return true;
  }
  auto* words = static_cast<DmaWord*>(into);
  for (std::uint32_t i = 0; i < access.size / 8; ++i) {
    std::uint64_t word{};
    std::memcpy(&word, static_cast<const std::byte*>(from) + 8 * i, sizeof word);
    words[i].store(word, Order::relaxed);
  }
  return true;
}

bool Bus::read64(std::uint64_t address, const model::Attributes&, std::uint64_t& value) {
  interleave_.at_structure();
  const auto found = arena_.at(address, 8);
  if (!found || address % 8 != 0) {
    return false;
  }
  value = static_cast<const DmaWord*>(*found)->load(Order::relaxed);
  return true;
}

bool Bus::compare_exchange64(std::uint64_t address, const model::Attributes&, std::uint64_t& expected,
                             std::uint64_t desired) {
  const auto found = arena_.at(address, 8);
  if (!found || address % 8 != 0) {
    return false;
  }
  // A failed exchange leaves what was found in `expected`: the access itself was served.
  static_cast<DmaWord*>(*found)->compare_exchange(expected, desired);
  return true;
}

bool Bus::message(const model::BusAccess& access, std::uint32_t data) {
  base::dma_publish(); // 3.18: what the message tells of is in memory before it
  return irq_.write(access.address, data) || write(access, &data);
}

} // namespace sluice::machine
