#include <sluice/scenario/event_book.hpp>

#include <sluice/arch/event.hpp>
#include <sluice/arch/names/enums.hpp>
#include <sluice/base/fence.hpp>

#include <fmt/format.h>

#include <cstring>

namespace sluice::scenario {

using arch::Event;
using arch::EventType;
using base::Order;

namespace {

iommu::Target target_of(const iommu::Fault& fault) {
  return fault.has_pasid ? iommu::Target::pasid(fault.pasid) : iommu::Target::rid();
}

iommu::Target target_of(const Event& record) {
  return record.get(Event::SSV) != 0 ? iommu::Target::pasid(static_cast<std::uint32_t>(record.get(Event::SubstreamID)))
                                     : iommu::Target::rid();
}

Event record_of(const iommu::Fault& fault) {
  Event event;
  std::memcpy(event.w.data(), fault.record.data(), std::min(fault.record.size(), sizeof event));
  return event;
}

} // namespace

EventBook::EventBook(const std::vector<Requester>& requesters, Findings& findings)
    : slots_(requesters.size()), findings_{findings} {
  for (std::size_t i = 0; i < requesters.size(); ++i) {
    slots_[i].stream = requesters[i].stream;
    slots_[i].target = requesters[i].target;
  }
}

void EventBook::expect(std::size_t index, std::uint64_t iova) {
  slots_[index].iova.store(iova, Order::relaxed);
  slots_[index].state.store(State::awaited);
  base::full_fence(); // as the doorbell would be that tells the endpoint to read
}

// Both the driver's reading of the record and the record itself have to name stream, PASID and address.
bool EventBook::take(const iommu::Fault& fault) {
  const Event record = record_of(fault);
  for (Slot& slot : slots_) {
    if (slot.stream != fault.requester || slot.stream != record.get(Event::StreamID) ||
        slot.target != target_of(fault) || slot.target != target_of(record)) {
      continue;
    }
    const std::uint64_t iova = slot.iova.load(Order::relaxed);
    State awaited = State::awaited;
    return fault.kind == iommu::FaultKind::translation && fault.has_address && fault.iova == iova && !fault.write &&
           record.get(Event::Type) == EventType::F_TRANSLATION && record.get(Event::InputAddr) == iova &&
           record.get(Event::RnW) == 1 && slot.state.compare_exchange(awaited, State::seen);
  }
  return false;
}

void EventBook::on_fault(const iommu::Fault& fault) {
  if (take(fault)) {
    expected_.fetch_add(1, Order::relaxed);
    return;
  }
  unexpected_.fetch_add(1, Order::relaxed);
  const Event record = record_of(fault);
  const auto type = record.get(Event::Type);
  findings_.add(Rule::quiet,
                fmt::format("{} (event {:#04x}) of StreamID {:#x}, address {:#x}", arch::names::name_of(type),
                            static_cast<unsigned>(type), record.get(Event::StreamID), record.get(Event::InputAddr)));
}

} // namespace sluice::scenario
