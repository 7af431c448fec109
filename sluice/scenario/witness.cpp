#include <sluice/scenario/witness.hpp>

#include <sluice/arch/names/enums.hpp>
#include <sluice/driver/code.hpp>
#include <sluice/iommu/device.hpp>
#include <sluice/scenario/world.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice::scenario {

using arch::Event;
using arch::EventType;
using base::Order;

namespace {

constexpr std::uint64_t page_of(std::uint64_t address) { return address & ~0xfffULL; }

// Configuration errors name no address.
bool has_address(EventType type) {
  return type == EventType::F_TRANSLATION || type == EventType::F_PERMISSION || type == EventType::F_ACCESS ||
         type == EventType::F_ADDR_SIZE || type == EventType::F_WALK_EABT || type == EventType::F_TRANSL_FORBIDDEN;
}

bool names(const Event& event, const Access& access) {
  const auto type = event.get(Event::Type);
  const iommu::Target at = access.target->at;
  // 7.3.9 has a SubstreamID without SSV; 7.3.7 F_STREAM_DISABLED is of an access that has none.
  const bool with_pasid = type == EventType::C_BAD_SUBSTREAMID || event.get(Event::SSV) == 1;
  const bool same_target = at.is_rid() ? !with_pasid : with_pasid && event.get(Event::SubstreamID) == at.value();
  // A Translation Request is for a page.
  const std::uint64_t address = event.get(Event::InputAddr);
  const bool same_place = !has_address(type) || ((address == access.iova || address == page_of(access.iova)) &&
                                                 (event.get(Event::RnW) == 0) == access.write);
  return event.get(Event::StreamID) == access.stream && same_target && same_place;
}

} // namespace

void Witness::announce(std::size_t actor, const Access& access, std::uint64_t since) {
  const std::lock_guard guard{mutex_};
  Book& book = books_[actor];
  book.latest = book.latest % (kept - 1) + 1;
  book.all[book.latest] = {access, since, always, 0};
}

void Witness::postpone(std::size_t actor) {
  const std::lock_guard guard{mutex_};
  Book& book = books_[actor];
  book.all[0] = std::exchange(book.all[book.latest], {});
}

void Witness::close(std::size_t actor, std::uint64_t until) {
  const std::lock_guard guard{mutex_};
  Book& book = books_[actor];
  book.all[book.latest].until = until;
}

void Witness::close_waiting(std::size_t actor, std::uint64_t until) {
  const std::lock_guard guard{mutex_};
  books_[actor].all[0].until = until;
}

template <class Matches>
std::optional<Witness::Announced> Witness::find(Matches matches, EventType type) {
  std::vector<Announced> possible;
  {
    const std::lock_guard guard{mutex_};
    for (const Book& book : books_) {
      for (const Announced& a : book.all) {
        const bool over = a.until != always && a.seen != 0;
        if (a.access.target != nullptr && !over && matches(a.access)) {
          possible.push_back(a);
        }
      }
    }
  }
  // Of several that are alike one that has had none yet.
  std::ranges::stable_sort(possible, {}, &Announced::seen);
  const auto found = std::ranges::find_if(possible, [&](const Announced& a) { return explains_(a, type); });
  if (found == possible.end()) {
    return std::nullopt;
  }
  const std::lock_guard guard{mutex_};
  for (Book& book : books_) {
    for (Announced& a : book.all) {
      a.seen += a.since == found->since ? 1 : 0;
    }
  }
  return *found;
}

void Witness::settle(bool explained, const std::string& what) {
  if (explained) {
    explained_.fetch_add(1, Order::relaxed);
  } else {
    findings_.add(Rule::quiet, what);
  }
}

void Witness::on_record(const Event& event) {
  const auto type = event.get(Event::Type);
  const auto found = find([&](const Access& access) { return names(event, access); }, type);
  settle(found.has_value(),
         fmt::format("{} (event {:#04x}) of StreamID {:#x}, SubstreamID {}, address {:#x}, {}, which nobody expected",
                     arch::names::name_of(type), static_cast<unsigned>(type), event.get(Event::StreamID),
                     event.get(Event::SSV) != 0 ? fmt::format("{:#x}", event.get(Event::SubstreamID)) : "none",
                     event.get(Event::InputAddr), event.get(Event::RnW) != 0 ? "read" : "write"));
  count();
}

void Witness::on_fault(const iommu::Fault& fault) {
  Event event;
  std::memcpy(event.w.data(), fault.record.data(), std::min(fault.record.size(), sizeof event));
  on_record(event);
}

void Witness::on_guest_event(std::span<const std::byte> record, std::uint32_t name) {
  Event event;
  std::memcpy(event.w.data(), record.data(), std::min(record.size(), sizeof event));
  event.set(Event::StreamID, event.get(Event::StreamID) & ~name);
  guests_.fetch_add(1, Order::relaxed);
  on_record(event);
}

void Witness::on_note(const platform::Note& note) {
  const auto code = static_cast<driver::Code>(note.code);
  if (note.source == platform::Source::driver &&
      (code == driver::Code::event || code == driver::Code::event_unknown_stream)) {
    Event event;
    event.w = note.args;
    on_record(event);
  }
}

std::optional<Access> Witness::on_request(const iommu::PageRequestGroup& group, const iommu::PageRequest& page) {
  const auto matches = [&](const Access& access) {
    return access.target->device.is(group.device) && access.target->at == group.target &&
           page_of(access.iova) == page_of(page.iova) && access.write == page.write;
  };
  const bool write_to_read_only = page.write;
  auto found = find(matches, EventType::F_TRANSLATION);
  if (!found && write_to_read_only) {
    found = find(matches, EventType::F_PERMISSION);
  }
  if (group.stalled) { // its record is an event; a page that was asked for is none
    settle(found.has_value(), fmt::format("an access of {:#x} waits, and nobody expected it to", page.iova));
    count();
  }
  return found ? std::optional{found->access} : std::nullopt;
}

} // namespace sluice::scenario
