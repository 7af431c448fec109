#include <sluice/model/core.hpp>

namespace sluice::model {

namespace {

// 7.3.1: the same but for the offset in the page, where there is an address.
bool same_event(arch::Event a, arch::Event b) {
  const auto type = a.get(arch::Event::Type);
  if (type == arch::EventType::F_WALK_EABT || type == arch::EventType::F_TRANSL_FORBIDDEN ||
      (type >= arch::EventType::F_TRANSLATION && type <= arch::EventType::F_PERMISSION)) {
    a.w[2] &= ~0xfffULL;
    b.w[2] &= ~0xfffULL;
  }
  return a == b;
}

} // namespace

Core::Recorded Core::record(const arch::Event& event, bool may_merge) {
  const platform::SpinGuard guard{sync_, events_lock_};
  if (may_merge && facts_.knobs.merge_events && latest_event_ && !event_queue_.empty() &&
      same_event(*latest_event_, event)) {
    count_.events_merged.fetch_add(1, base::Order::relaxed);
    facts_.met(at("eventq.merged"));
    return {};
  }
  const Recorded result = write_event(event);
  if (!result.written) {
    count_.events_discarded.fetch_add(1, base::Order::relaxed);
    if (result.full) { // 7.4
      event_queue_.overflow();
      facts_.met(at("eventq.overflow"));
    } else if (!result.aborted) {
      facts_.met(at("eventq.off"));
    }
  }
  return result;
}

// 3.5.4: what cannot be written now is neither discarded nor an overflow.
Core::Recorded Core::stall(Stalled& transaction, arch::Event event) {
  Recorded result;
  stalls_.add(transaction, [&](std::uint16_t stag) {
    const platform::SpinGuard guard{sync_, events_lock_};
    result = write_event(event.set(arch::Event::Stall, 1).set(arch::Event::STAG, stag));
    return result.written || result.aborted;
  });
  return result;
}

// 7.2.1 recording conditions, under events_lock_
Core::Recorded Core::write_event(const arch::Event& event) {
  using Written = OutputQueue<EventQueue>::Written;
  Recorded result;
  if (!event_queue_.runs()) {
    return result;
  }
  if (event_queue_.full()) {
    result.full = true;
    return result;
  }
  const Written written = event_queue_.write(event);
  if (written == Written::aborted) {
    // 7.2.2: nothing more is written until software acknowledges.
    result.aborted = true;
    result.gerror_edge = raise_edge(EventQueue::error);
  } else {
    result.written = true;
    latest_event_ = event;
    result.event_edge = written == Written::to_empty && event_queue_.interrupts();
    count_.events_recorded.fetch_add(1, base::Order::relaxed);
  }
  announce(result);
  return result;
}

// 6.3.16: an interrupt cannot be switched off while an edge of it is on its way.
void Core::announce(Recorded& recorded) {
  if (recorded.edges()) {
    recorded.announced = 1;
    edges_on_way_.fetch_add(1);
  }
}

// What came of a transaction besides its outcome, once it has ended.
void Core::deliver(const Recorded& recorded) {
  if (recorded.response) {
    bus_.page_response(*recorded.response);
  }
  if (recorded.announced == 0) {
    return;
  }
  if (recorded.event_edge) {
    signal_event_queue();
  }
  if (recorded.pri_edge) {
    signal_pri_queue();
  }
  if (recorded.gerror_edge) {
    signal_gerror();
  }
  edges_on_way_.fetch_sub(recorded.announced);
  if (regs_.get<arch::IRQ_CTRL>().raw() != regs_.get<arch::IRQ_CTRLACK>().raw()) {
    kick();
  }
}

} // namespace sluice::model
