#include "program.hpp"

#include <sluice/arch/commands.hpp>

#include <algorithm>

// Transactions, and what is expected of them.
namespace sluice::fuzz {

using namespace arch;
using reference::below;
using reference::Response;

namespace {

reference::Attributes as_reference(const model::Attributes& a) {
  return {a.mair, static_cast<Shareability>(a.shareability), a.instruction, a.privileged};
}

reference::Access as_reference(const model::Request& r) {
  return {r.stream_id, r.substream_id, r.address, r.write, r.instruction, r.privileged};
}

Response response_of(const model::Outcome& o) {
  switch (o.kind) {
  case model::Outcome::Kind::served:
    return Response::served;
  case model::Outcome::Kind::aborted:
    return o.by_bus ? Response::served : Response::aborted;
  case model::Outcome::Kind::zeroed:
    return Response::zeroed;
  case model::Outcome::Kind::stalled:
    return Response::stalled;
  }
  return Response::aborted;
}

const char* name(Response r) {
  constexpr const char* names[] = {"served", "aborted", "zeroed", "stalled"};
  return names[static_cast<unsigned>(r)];
}

// Whether this is what has been seen, as far as can be told: events may have had no place.
bool fits(const reference::End& end, const model::Outcome& outcome, const std::vector<Event>& events) {
  if (response_of(outcome) != end.response || outcome.event != end.cause) {
    return false;
  }
  if (events.empty()) {
    return true;
  }
  Event seen = events[0];
  if (end.response == Response::stalled) {
    seen.set(Event::STAG, 0);
  }
  return seen == end.event;
}

unsigned long long show(std::uint64_t value) { return value; }

} // namespace

void Program::access() {
  const model::Request r = some_request();
  if (fresh_ && check(r)) {
    return;
  }
  std::uint64_t data = 0x0123'4567'89ab'cdef;
  const model::Outcome outcome = machine_.port->access(r, &data);
  if (outcome.stall != 0) {
    stalled_.push_back(outcome.stall);
  }
  fresh_ = false;
}

bool Program::check(const model::Request& r) {
  Memory& memory = machine_.memory;
  machine_.take_events();
  const reference::Registers registers = machine_.registers();
  answer_ = reference::translate(registers, memory, as_reference(r));
  if (!undisturbed(registers, answer_.tags)) {
    return false;
  }
  remember(answer_.tags);
  const bool writable = machine_.events_writable();
  memory.client_address.reset();
  memory.client_changed_tables = false;
  memory.clear_reads();
  std::uint64_t data = 0x0123'4567'89ab'cdef;
  const bool first = !latest_;
  const std::uint64_t stale = machine_.smmu->stale_uses().count;
  latest_ = r;
  const model::Outcome outcome = machine_.port->access(r, &data);
  if (outcome.stall != 0) {
    stalled_.push_back(outcome.stall);
  }
  if (answer_.may_be_illegal) {
    fresh_ = false;
    return true;
  }
  const std::vector<Event> events = machine_.take_events();
  if (answer_.instead && fits(*answer_.instead, outcome, events)) {
    static_cast<reference::End&>(answer_) = *answer_.instead;
  }
  compare(r, answer_, outcome, events, writable);
  if (machine_.smmu->stale_uses().count != stale) {
    finding("stream %u address 0x%llx is a stale use", r.stream_id, show(r.address));
  }
  if (memory.client_changed_tables) {
    fresh_ = false;
  }
  if (!machine_.reads_at_will() && !hinted_) {
    check_reads(first);
  }
  return true;
}

// 3.21.3: nothing is read but what leads to the answer, and all of that when nothing is cached; 13.8: as what is there.
void Program::check_reads(bool all) {
  const auto& reads = machine_.memory.reads();
  for (const Memory::Own& own : reads) {
    const auto expected = std::ranges::find(answer_.reads, own.at, &reference::Read::at);
    if (expected == answer_.reads.end()) {
      finding("0x%llx is read, which leads nowhere", show(own.at));
    }
    if (std::ranges::none_of(answer_.reads, [&](const reference::Read& read) {
          return read.at == own.at && read.attributes == as_reference(own.attributes);
        })) {
      finding("0x%llx is read as %02x %u, expected %02x %u", show(own.at), own.attributes.mair,
              own.attributes.shareability, expected->attributes.mair, static_cast<unsigned>(expected->attributes.sh));
    }
  }
  for (const reference::Read& read : answer_.reads) {
    if (all && std::ranges::find(reads, read.at, &Memory::Own::at) == reads.end()) {
      finding("0x%llx is not read: word %u, level %d, input 0x%llx", show(read.at), static_cast<unsigned>(read.what),
              read.level, show(read.input));
    }
  }
}

void Program::compare(const model::Request& r, const reference::Answer& expected, const model::Outcome& outcome,
                      const std::vector<Event>& events, bool writable) {
  const Response response = response_of(outcome);
  if (response != expected.response || outcome.event != expected.cause) {
    finding("stream %u address 0x%llx is %s (%x), expected %s (%x)", r.stream_id, show(r.address), name(response),
            outcome.event ? static_cast<unsigned>(*outcome.event) : 0, name(expected.response),
            expected.cause ? static_cast<unsigned>(*expected.cause) : 0);
  }
  const Memory& memory = machine_.memory;
  if (response == Response::served && memory.client_address != expected.pa) {
    finding("stream %u address 0x%llx leads to 0x%llx, expected 0x%llx", r.stream_id, show(r.address),
            show(memory.client_address.value_or(~0ULL)), show(expected.pa));
  }
  if (response == Response::served && as_reference(memory.client_attributes) != expected.attributes) {
    const auto& a = memory.client_attributes;
    const auto& e = expected.attributes;
    finding("stream %u address 0x%llx is %02x %u %d %d, expected %02x %u %d %d", r.stream_id, show(r.address), a.mair,
            a.shareability, a.instruction, a.privileged, e.mair, static_cast<unsigned>(e.sh), e.instruction,
            e.privileged);
  }
  if (response != Response::served && memory.client_address) {
    finding("stream %u address 0x%llx is refused and reaches 0x%llx", r.stream_id, show(r.address),
            show(*memory.client_address));
  }
  // 3.13
  for (const auto& [at, word] : expected.writes) {
    if (memory.get(at) != word && response == Response::served && !memory.client_changed_tables) {
      finding("the descriptor at 0x%llx is 0x%llx, expected 0x%llx", show(at), show(memory.get(at)), show(word));
    }
  }
  // 7.2.1; a stall is recorded when there is a STAG for it, and kept until then.
  for (const Event& e : events) {
    if (e.get(Event::Stall) != 0) {
      stags_.push_back(e.get(Event::StreamID) << 16 | e.get(Event::STAG));
    }
  }
  const bool stalled = expected.response == Response::stalled;
  if (!expected.event || !writable) {
    if (!events.empty()) {
      finding("event %llx, expected none", show(events[0].w[0]));
    }
    return;
  }
  if (events.size() != 1) {
    if (!(stalled && events.empty())) {
      finding("%zu events, expected event %llx", events.size(), show(expected.event->w[0]));
    }
    return;
  }
  Event seen = events[0];
  if (stalled) {
    seen.set(Event::STAG, 0);
  }
  if (seen != *expected.event) {
    finding("event %llx %llx %llx %llx, expected %llx %llx %llx %llx", show(seen.w[0]), show(seen.w[1]),
            show(seen.w[2]), show(seen.w[3]), show(expected.event->w[0]), show(expected.event->w[1]),
            show(expected.event->w[2]), show(expected.event->w[3]));
  }
}

// Bursts, long transfers, tools' look-ups, another port.
void Program::traffic_unchecked() {
  const model::Request r = some_request();
  const std::uint64_t choice = input_.bytes(2);
  std::vector<std::uint8_t> data(0x3000);
  const bool fresh = fresh_;
  fresh_ = false;
  switch (choice & 7) {
  case 0:
    static_cast<void>(machine_.port->translate(r));
    break;
  case 1:
    static_cast<void>(machine_.other->transfer(r, data.data(), 1 + (choice >> 3) % data.size()));
    break;
  case 2: {
    model::Port::Burst burst{*machine_.port};
    static_cast<void>(burst.translate(r));
    machine_.submit(cmd::cfgi_all());
    machine_.submit(cmd::sync());
    const model::Outcome outcome = burst.access(r, data.data());
    if (outcome.stall != 0) {
      static_cast<void>(burst.follow_up(outcome.stall, data.data()));
      stalled_.push_back(outcome.stall);
    }
    burst.pause();
    static_cast<void>(burst.transfer(r, data.data(), 1 + (choice >> 3) % data.size()));
    break;
  }
  case 3: {
    static_cast<void>(machine_.port->stages_of(r));
    static_cast<void>(machine_.port->counters());
    const Command scope[] = {some_command()};
    static_cast<void>(machine_.port->audit(scope));
    break;
  }
  case 4: {
    // 3.21.3: what is cached after an invalidation of everything is what is in memory.
    refresh();
    static_cast<void>(machine_.port->translate(r));
    const auto audit = machine_.port->audit();
    if (!audit.stale.empty() && (!machine_.prefetches() || streams_agree())) {
      finding("0x%llx is stale at once", show(audit.stale[0].address));
    }
    fresh_ = false;
    break;
  }
  case 5:
    ats(r, choice >> 3, fresh);
    break;
  default:
    machine_.port->idle();
    static_cast<void>(machine_.other->access(r, data.data()));
    break;
  }
}

// 3.9
void Program::ats(const model::Request& r, std::uint64_t choice, bool fresh) {
  std::uint64_t data = 0;
  machine_.memory.atc_answer = static_cast<model::AtcAnswer>(choice % 3);
  machine_.memory.atc_done = (choice >> 2 & 1) != 0;
  if ((choice >> 3 & 1) != 0) {
    model::Port::Burst burst{*machine_.port};
    const reference::Registers registers = machine_.registers();
    const reference::Access as_read{r.stream_id, r.substream_id, r.address & ~below(12),
                                    false,       false,          r.substream_id && r.privileged};
    const reference::Answer expected = reference::translate(registers, machine_.memory, as_read);
    const auto requested = burst.request_translation({r.stream_id, r.substream_id, r.address & ~below(12), !r.write,
                                                      r.substream_id && r.instruction, r.substream_id && r.privileged});
    const auto& completion = requested.completion;
    if (completion.succeeded() && (completion.address & below(completion.log2_size)) != 0) {
      finding("a completion of 2^%u bytes at 0x%llx", completion.log2_size, show(completion.address));
    }
    const bool full = registers.idr0.get(IDR0::ATS) != 0 && registers.cr0.get(CR0::SMMUEN) != 0 &&
                      expected.eats == Eats::full && (expected.tags.stage1 || expected.tags.stage2);
    if (fresh && full && !expected.may_be_illegal && undisturbed(registers, expected.tags)) {
      check_completion(r, completion, expected);
    }
    model::Request translated = r;
    translated.address = completion.address | (r.address & 0xfff);
    static_cast<void>(burst.access_translated(translated, &data));
    static_cast<void>(burst.access_translated(r, &data));
  }
  if ((choice >> 4 & 1) != 0) {
    machine_.port->request_page({r.stream_id, r.substream_id, r.address & ~below(12), (choice >> 5 & 1) != 0, r.write,
                                 r.substream_id && r.instruction, r.substream_id && r.privileged,
                                 (choice >> 6 & 1) != 0, static_cast<std::uint16_t>(choice >> 7)});
  }
}

// 3.9.1.2, with EATS 0b01: what a read would find.
void Program::check_completion(const model::Request& r, const model::TranslationCompletion& completion,
                               const reference::Answer& expected) {
  const bool served = expected.response == Response::served;
  const bool denied = expected.cause >= EventType::F_TRANSLATION && expected.cause <= EventType::F_PERMISSION;
  if (completion.succeeded() != (served || denied)) {
    finding("a translation request of stream %u for 0x%llx has status %u, a read %s (%x)", r.stream_id, show(r.address),
            static_cast<unsigned>(completion.status), name(expected.response),
            expected.cause ? static_cast<unsigned>(*expected.cause) : 0);
  }
  if (completion.succeeded() && completion.read != served) {
    finding("a translation request of stream %u for 0x%llx gives R=%d, a read is %s", r.stream_id, show(r.address),
            completion.read, name(expected.response));
  }
  const std::uint64_t to = completion.address | (r.address & ~below(12) & below(completion.log2_size));
  if (served && to != expected.pa) {
    finding("a translation request of stream %u for 0x%llx gives 0x%llx, a read goes to 0x%llx", r.stream_id,
            show(r.address), show(to), show(expected.pa));
  }
}

void Program::follow_up() {
  if (stalled_.empty()) {
    return;
  }
  const std::size_t which = input_.below(stalled_.size());
  std::uint64_t data = 0;
  const model::Outcome outcome = machine_.port->follow_up(stalled_[which], &data);
  if (outcome.kind != model::Outcome::Kind::stalled) {
    stalled_.erase(stalled_.begin() + static_cast<std::ptrdiff_t>(which));
  }
  fresh_ = false;
}

} // namespace sluice::fuzz
