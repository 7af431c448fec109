#include <sluice/uapi/iommufd_queues.hpp>
#include <sluice/vsmmu/vsmmu.hpp>

#include <algorithm>
#include <cstring>

// Faults that wait: from the host's queue into the guest's, and the guest's answers back. 3.12.2
namespace sluice::vsmmu {

using namespace arch;
using base::Errc;
using base::Status;
namespace i = uapi::iommufd;
using i::HwptPageResponse;
using i::HwptPgfault;

namespace {

// The host does not say what the fault is about; a guest that finds nothing wrong has the access tried again.
Event record_of(const HwptPgfault& fault, std::uint32_t stream) {
  Event event;
  event.set(Event::Type, EventType::F_TRANSLATION).set(Event::StreamID, stream).set(Event::InputAddr, fault.addr);
  event.set(Event::Stall, 1).set(Event::CLASS, EventClass::in);
  event.set(Event::RnW, (fault.perm & i::pgfault_write) == 0);
  event.set(Event::InD, (fault.perm & i::pgfault_execute) != 0);
  event.set(Event::PnU, (fault.perm & i::pgfault_privileged) != 0);
  if ((fault.flags & i::pgfault_pasid_valid) != 0) {
    event.set(Event::SSV, 1).set(Event::SubstreamID, fault.pasid);
  }
  return event;
}

} // namespace

Status Vsmmu::take_faults(std::span<const std::byte> records) {
  if (records.size() % sizeof(HwptPgfault) != 0) {
    return Errc::protocol;
  }
  for (; !records.empty(); records = records.subspan(sizeof(HwptPgfault))) {
    HwptPgfault fault;
    std::memcpy(&fault, records.data(), sizeof fault);
    take_fault(fault);
  }
  record_stalls();
  return {};
}

// A stall is one page. Groups of several are page requests of PCIe functions, and no guest was promised those.
void Vsmmu::take_fault(const HwptPgfault& fault) {
  const bool last = (fault.flags & i::pgfault_last_page) != 0;
  const bool alone = last && group_ != fault.cookie;
  group_ = last ? std::nullopt : std::optional{fault.cookie};
  if (!last) {
    return;
  }
  const auto device =
      std::find_if(devices_.begin(), devices_.end(), [&](const auto& d) { return d.second.info.id == fault.dev_id; });
  const bool known = device != devices_.end() && device->second.place == Place::stage1;
  if (!known || !alone || !stalls_.add(fault.cookie, record_of(fault, device->first))) {
    answer(fault.cookie, false);
    ++counters_.stalls_refused;
  }
}

// 7.2.1: a stall's record is not discarded, but waits for room.
void Vsmmu::record_stalls() {
  for (Stalls::Waiting* next = stalls_.next(); next != nullptr; next = stalls_.next()) {
    if (write_event(next->record) != Written::done) {
      return;
    }
    next->recorded = true;
    ++counters_.stalls;
  }
}

// 4.7.1, 4.7.2. A host ends such transactions with an abort, whichever way the guest asks for.
void Vsmmu::resume(const Command& command) {
  const auto stream = static_cast<std::uint32_t>(command.get(Command::StreamID));
  const auto cookie = stalls_.take(stream, static_cast<std::uint16_t>(command.get(Command::STAG)));
  if (cookie) {
    answer(*cookie, command.get(Command::Ac) != 0);
    ++counters_.stalls_answered;
  }
}

void Vsmmu::terminate(std::uint32_t stream) {
  while (const auto cookie = stalls_.take_any(stream)) {
    answer(*cookie, false);
    ++counters_.stalls_answered;
  }
}

void Vsmmu::terminate_all() {
  while (const auto cookie = stalls_.take_any()) {
    answer(*cookie, false);
  }
}

// Of a device that the host has moved on: what waited has been answered there.
void Vsmmu::forget_stalls(std::uint32_t stream) { stalls_.end(stream); }

void Vsmmu::answer(std::uint32_t cookie, bool again) {
  const HwptPageResponse response{cookie, again ? i::page_response_success : i::page_response_invalid};
  static_cast<void>(answers_(host_->fault_descriptor(), &response, sizeof response));
}

} // namespace sluice::vsmmu
