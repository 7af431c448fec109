#include <sluice/hosted/mmio_order.hpp>
#include <sluice/scenario/worker.hpp>

#include <fmt/format.h>

#include <utility>

// Accesses that wait: the SMMU has stalled them, or their endpoint has asked for the page.
namespace sluice::scenario {

using Answer = pcie::PageRequests::Answer;

// 10.4: what an endpoint does that was refused, while its PRI is on.
bool Worker::ask_for_page(const Access& a, std::uint64_t size) {
  machine::Endpoint* const endpoint = a.target->device.endpoint;
  if (endpoint == nullptr || a.choice % 4 == 3 || !endpoint->engine.ats()->capabilities().pri_enabled()) {
    return false;
  }
  const auto bytes = buffer_;
  wait_for_end(); // of an earlier one
  const std::uint64_t since = world_.moments.next();
  world_.witness.announce(actor_, a, since);
  model::PageRequest page{.stream_id = a.stream, .address = a.iova - a.iova % cell_page};
  page.read = !a.write;
  page.write = a.write;
  if (!a.target->at.is_rid()) {
    page.substream_id = a.target->at.value();
  }
  std::optional<std::uint16_t> group;
  hosted::device_access([&] { group = endpoint->engine.ats()->pages().request(port_, page, 1); });
  if (!group) {
    world_.witness.close(actor_, world_.moments.next());
    return false;
  }
  ++counts_.pages_asked;
  world_.witness.postpone(actor_);
  waiting_ = {a, since, 0, group, size, world_.common.platform.time.now_ns() + limit_us_ * 1000};
  waiting_buffer_ = bytes;
  return true;
}

void Worker::try_again(const Waiting& over, Answer answer) {
  const Access& a = over.access;
  const auto& capabilities = a.target->device.endpoint->engine.ats()->capabilities();
  if (answer == Answer::timed_out || capabilities.unexpected_index()) {
    wrong(Rule::queues, a, world_.answers(a, over.since, world_.moments.next()),
          answer == Answer::timed_out ? "its page request had no answer" : "an endpoint was answered twice");
  }
  if (answer == Answer::success) {
    ++counts_.pages_served;
    const std::uint64_t since = world_.moments.next();
    const Result result = make(a, over.size);
    judge(a, result, over.size, since);
  }
}

// Whatever serves it has its chance; a wait beyond all bounds is wrong.
bool Worker::still_waits() {
  world_.common.driver.poll();
  if (world_.common.platform.time.now_ns() > waiting_->limit_ns) {
    const Waiting& w = *waiting_;
    wrong(Rule::queues, w.access, world_.answers(w.access, w.since, world_.moments.next()), "waits for ever");
    waiting_.reset();
  }
  return waiting_.has_value();
}

// True when nothing waits any more.
bool Worker::follow_up() {
  const Waiting w = *waiting_;
  if (w.group) {
    const Answer answer = w.access.target->device.endpoint->engine.ats()->pages().answer(*w.group);
    if (answer == Answer::none) {
      return !still_waits();
    }
    waiting_.reset();
    std::swap(buffer_, waiting_buffer_);
    try_again(w, answer);
  } else {
    model::Outcome outcome;
    hosted::device_access([&] { outcome = port_.follow_up(w.stall, waiting_buffer_.data()); });
    if (outcome.kind == model::Outcome::Kind::stalled) {
      return !still_waits();
    }
    waiting_.reset();
    std::swap(buffer_, waiting_buffer_);
    judge(w.access, {true, outcome.served(), outcome.event, false, w.stall}, w.size, w.since);
  }
  wait_for_events(w.access); // of this try, or of one that stalled again and was ended at once
  world_.witness.close_waiting(actor_, world_.moments.next());
  return true;
}

void Worker::wait_for_end() {
  for (std::uint64_t turn = 0; waiting_ && !world_.findings.any(); ++turn) {
    if (follow_up()) {
      return;
    }
    if (turn % 8 == 7) {
      for (const auto& realm : world_.realms) {
        realm->answer_late();
      }
    }
    world_.common.platform.time.relax();
  }
}

void Worker::finish() { wait_for_end(); }

} // namespace sluice::scenario
