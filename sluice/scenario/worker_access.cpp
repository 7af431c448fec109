#include <sluice/hosted/mmio_order.hpp>
#include <sluice/scenario/stamp.hpp>
#include <sluice/scenario/worker.hpp>

#include <sluice/arch/names/enums.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

// What a worker does as hardware.
namespace sluice::scenario {

namespace {

constexpr std::uint64_t longest_read = 256;
using OutcomeKind = model::Outcome::Kind;

std::string list(const Answers& possible) {
  std::string text;
  for (const auto& s : possible.served) {
    text += fmt::format(" owner {} by {};", s.owner, s.realm->describe());
  }
  text += possible.unmapped ? " nothing mapped;" : "";
  text += possible.read_only ? " read-only;" : "";
  text += possible.absent ? " nothing attached;" : "";
  text += possible.gone ? " process ended;" : "";
  return text;
}

std::string about_words(const std::byte* bytes, std::uint64_t iova, std::uint64_t size) {
  const std::uint64_t skip = (8 - iova % 8) % 8;
  if (size < skip + 8) {
    return "a part of a word";
  }
  std::uint64_t word{};
  std::memcpy(&word, bytes + skip, sizeof word);
  const Stamp s = stamp_of(word);
  return fmt::format("{:#018x}, which is owner {} at {:#x}", word, s.owner, s.iova);
}

} // namespace

void Worker::wrong(Rule rule, const Access& access, const Answers& possible, const std::string& what) {
  world_.findings.add(rule,
                      fmt::format("{}, {} of {:#x} (cell {}): {}; possible:{}", access.target->describe(),
                                  access.write ? "write" : "read", access.iova, access.cell, what, list(possible)));
}

bool Worker::access(const Operation& o) {
  LongTarget& target = *world_.targets[o.first % world_.targets.size()];
  const auto cell = static_cast<std::uint32_t>(o.second % cell_pages.size());
  // What is to be invalidated by a later flush may be used until then, which the detector cannot know.
  if (world_.common.deferred[cell].load() != 0) {
    return false;
  }
  Access a{.target = &target, .cell = cell, .choice = o.details >> 8};
  a.stream = target.device.streams[o.details % target.device.streams.size()];
  a.write = o.details / 2 % 4 == 0;
  std::uint64_t size = 8;
  std::uint64_t offset = mailbox;
  if (!a.write) {
    size = o.details / 8 % longest_read + 1;
    offset = o.details * 37 % (mailbox - longest_read);
    offset += o.details % 3 == 0 ? Common::size(cell) - cell_page : 0; // the last page
  }
  a.iova = world_.common.iova(cell) + offset;
  if (a.write) {
    const auto by = static_cast<std::uint32_t>(o.first % world_.targets.size());
    const std::uint64_t word = word_of({first_writer + by, a.iova});
    std::memcpy(buffer_.data(), &word, sizeof word);
  }
  const std::uint64_t since = world_.moments.next();
  world_.witness.announce(actor_, a, since);
  const Result result = make(a, size);
  if (result.stall != 0) {
    ++counts_.stalled;
    const auto bytes = buffer_;
    wait_for_end(); // of an earlier one
    world_.witness.postpone(actor_);
    waiting_ = {a, since, result.stall, {}, size, world_.common.platform.time.now_ns() + limit_us_ * 1000};
    waiting_buffer_ = bytes;
    if (a.choice % 2 == 0) {
      wait_for_end();
    }
    return true;
  }
  judge(a, result, size, since);
  if (result.recorded) {
    wait_for_events(a);
  }
  world_.witness.close(actor_, world_.moments.next());
  if (!result.served && ask_for_page(a, size) && a.choice % 2 == 0) {
    wait_for_end();
  }
  return true;
}

Worker::Result Worker::make(const Access& a, std::uint64_t size) {
  Result result;
  if (machine::Endpoint* const endpoint = a.target->device.endpoint) {
    const auto report = a.write ? endpoint->write(port_, a.iova, buffer_.data(), size, a.target->context)
                                : endpoint->read(port_, a.iova, buffer_.data(), size, a.target->context);
    result.served = report.complete();
    result.done = !report.not_master && !report.no_pasid;
    if (report.abort) {
      result.event = report.abort->outcome.event;
      result.recorded = report.abort->outcome.recorded;
    }
    return result;
  }
  model::Request request{.stream_id = a.stream, .address = a.iova, .write = a.write};
  request.size = static_cast<std::uint32_t>(size);
  if (!a.target->at.is_rid()) {
    request.substream_id = a.target->at.value();
  }
  model::Outcome outcome;
  hosted::device_access([&] { outcome = port_.access(request, buffer_.data()); });
  return {true, outcome.served(), outcome.event, outcome.recorded,
          outcome.kind == OutcomeKind::stalled ? outcome.stall : std::uint16_t{0}};
}

void Worker::judge(const Access& a, const Result& result, std::uint64_t size, std::uint64_t since) {
  const Answers possible = world_.answers(a, since, world_.moments.next());
  counts_.recorded += result.recorded ? 1 : 0;
  (result.served ? counts_.served : counts_.refused) += 1;
  if (!possible.known) {
    ++counts_.unknown;
    return;
  }
  counts_.during += possible.served.size() + (possible.refused() ? 1 : 0) > 1 ? 1 : 0;
  if (result.served) {
    judge_served(a, possible, size, since);
  } else {
    judge_refused(a, possible, result);
  }
}

void Worker::judge_served(const Access& a, const Answers& possible, std::uint64_t size, std::uint64_t since) {
  if (possible.served.empty()) {
    return wrong(possible.unmapped ? Rule::unmap : Rule::bytes, a, possible, "was served");
  }
  if (a.write) {
    if (possible.served.size() == 1 && !possible.refused()) {
      possible.served.front().realm->wrote(a.cell, possible.served.front().owner, since);
    }
    return;
  }
  const std::byte* const bytes = buffer_.data();
  const bool right = std::ranges::any_of(
      possible.served, [&](const Answers::Served& s) { return stamped(bytes, s.owner, a.iova, size); });
  if (!right) {
    wrong(possible.unmapped ? Rule::unmap : Rule::bytes, a, possible, "gave " + about_words(bytes, a.iova, size));
  }
}

void Worker::judge_refused(const Access& a, const Answers& possible, const Result& result) {
  if (!possible.refused()) {
    const auto* const event = result.event ? arch::names::name_of(*result.event).data() : "no event";
    return wrong(Rule::hitless, a, possible, fmt::format("was refused: {}", result.done ? event : "it was not made"));
  }
  if (result.recorded) {
    return;
  }
  // 3.9.1: a Translation Request that is refused is no event. What has stalled has left one before.
  const bool may_ask = a.target->device.endpoint != nullptr;
  if (!possible.quietly() && !may_ask && !result.stall) {
    wrong(Rule::event, a, possible, "was refused without an event");
  }
}

// Until all that the SMMU has recorded by now has been handed to the witness.
void Worker::wait_for_events(const Access& a) {
  const std::uint64_t recorded = world_.node.model().counters().events_recorded;
  const bool came = platform::wait_until(world_.common.platform.time, limit_us_,
                                         [&] { return world_.witness.events() >= recorded || world_.findings.any(); });
  if (!came) {
    wrong(Rule::event, a, world_.answers(a, world_.moments.next(), world_.moments.next()),
          fmt::format("{} events were recorded, {} came to anybody", recorded, world_.witness.events()));
  }
}

} // namespace sluice::scenario
