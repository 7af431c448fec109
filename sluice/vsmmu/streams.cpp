#include <sluice/vsmmu/stream_table.hpp>
#include <sluice/vsmmu/vsmmu.hpp>

#include <sluice/arch/commands.hpp>

// Where devices' requests go: by GBPA while the SMMU is off, else by the guest's STEs.
namespace sluice::vsmmu {

using namespace arch;

void Vsmmu::place_all() {
  for (auto& [stream, device] : devices_) {
    place(device);
  }
}

void Vsmmu::place(Assigned& device) {
  if (registers_->get<CR0ACK>().get(CR0ACK::SMMUEN) != 0) {
    return place_by_ste(device);
  }
  const bool abort = registers_->get<GBPA>().get(GBPA::ABORT) != 0;
  ++counters_.placed;
  counters_.failed += put(device, abort ? Place::abort : Place::memory) == Placed::done ? 0 : 1;
}

// What waits there for an answer is answered by the host when the device leaves.
Placed Vsmmu::put(Assigned& device, Place place, const SteWords& words) {
  const std::uint32_t before = device.nested;
  const Placed placed = host_->place(device, place, words);
  if (device.nested != before) {
    forget_stalls(device.info.stream);
  }
  return placed;
}

// The host's SMMU has no event for a request that its STE aborts, and it is the host's STE that does. What is wrong
// with the guest's is told when it is read, once, so that the guest can know; that an STE is not valid, or its StreamID
// beyond the table, is how a guest says that nothing is there yet.
void Vsmmu::place_by_ste(Assigned& device) {
  const std::uint32_t stream = device.info.stream;
  const FoundSte found = find_ste(memory_, *registers_, stream);
  SteMeaning meaning = found.fault ? SteMeaning{} : meaning_of(found.ste, config_.features);
  if (hides_stalls_ && meaning.stream == Stream::stage1) { // 5.4: a CD that asks for stalls is illegal, as it is there
    meaning.words[1] |= Ste::S1STALLD.mask;
  }
  constexpr std::array places{Place::abort, Place::bypass, Place::stage1};
  const Placed placed = put(device, places[static_cast<std::size_t>(meaning.stream)], meaning.words);
  ++counters_.placed;
  counters_.refused += placed == Placed::refused ? 1 : 0;
  counters_.failed += placed == Placed::failed ? 1 : 0;
  if (found.fault == EventType::F_STE_FETCH || placed == Placed::failed) {
    report(EventType::F_STE_FETCH, stream, found.address);
  } else if (meaning.illegal || placed == Placed::refused) {
    report(EventType::C_BAD_STE, stream, 0);
  }
}

void Vsmmu::report(EventType type, std::uint32_t stream, std::uint64_t fetched) {
  Event event;
  event.set(Event::Type, type).set(Event::StreamID, stream).set(Event::FetchAddr, fetched & Event::FetchAddr.mask);
  record(event);
}

// 4.3: the STEs of `count` streams are read anew, and their CDs too. What there was in CDs of a stream whose STE is the
// same is still cached by the host.
void Vsmmu::reconfigure(std::uint32_t first, std::uint64_t count, std::uint32_t position) {
  if (registers_->get<CR0ACK>().get(CR0ACK::SMMUEN) == 0) {
    return;
  }
  for (auto at = devices_.lower_bound(first); at != devices_.end() && at->first - first < count; ++at) {
    place_by_ste(at->second);
    if (at->second.place == Place::stage1 && !forward(cmd::cfgi_cd_all(at->first), position)) {
      return;
    }
  }
}

} // namespace sluice::vsmmu
