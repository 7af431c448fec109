#pragma once

#include <sluice/arch/event.hpp>
#include <sluice/arch/queues.hpp>
#include <sluice/base/fence.hpp>
#include <sluice/frame/registers.hpp>
#include <sluice/model/atc_invalidations.hpp>
#include <sluice/model/facts.hpp>
#include <sluice/model/log.hpp>
#include <sluice/model/output_queue.hpp>
#include <sluice/model/smmu.hpp>
#include <sluice/model/software_faults.hpp>
#include <sluice/model/stale_use.hpp>
#include <sluice/model/stalls.hpp>

#include <cstdint>
#include <optional>

namespace sluice::model {

// What the SMMU knows of a port. state: twice the log position that the port has applied, plus 1 while it is online.
//
// Going online is: store the state with 1, full fence, load the log's head, apply what is new, store the new position.
// Asking who is online is: append to the log, full fence, load the states. Of the two loads at least one sees the other
// side's store. So either the command side sees the port online and waits for it to get past the entry, or the port
// sees the entry before its access begins.
//
// Leaving is the same game: store the state, full fence, load waiting(); against: store waiting(), full fence, load the
// states. Either the port sees that somebody waits and does the pending work, or it is seen to have left.
struct PortLink {
  base::Atomic<std::uint64_t> state{0};
  std::uint32_t id{};
  PortLink* next{};

  static constexpr std::uint64_t online(std::uint64_t seen) { return seen << 1 | 1; }
  static constexpr std::uint64_t offline(std::uint64_t seen) { return seen << 1; }
  static constexpr bool holds_up(std::uint64_t state, std::uint64_t position) {
    return (state & 1) != 0 && (state >> 1) < position;
  }
};

// Everything of an SMMU that is not a port: registers, queues, handshakes.
class Core {
public:
  Core(const Features& features, const Knobs& knobs, Bus& bus, platform::Sync& sync, platform::Time& time);

  // Software's side
  std::uint64_t read(std::uint32_t offset, unsigned size);
  void write(std::uint32_t offset, unsigned size, std::uint64_t value);
  // Does pending work unless somebody is at it; true if something happened.
  bool poll();
  Counters counters() const;
  // 3.17, broadcast.cpp
  void broadcast(const arch::Command& tlbi);
  std::uint64_t dvm_sync();
  bool dvm_synced(std::uint64_t number);
  Snapshot snapshot();
  SoftwareFaults& software_faults() { return software_faults_; }
  StaleUseLog& stale_uses() { return stale_uses_; }
  std::uint64_t syncs() const { return count_.syncs.load(base::Order::acquire); }
  std::uint64_t now_ns() const { return time_.now_ns(); }
  // Whether one of the commands that wait in the queue, or that a port at `seen` has not applied, is such a one.
  template <class Matches>
  bool any_outstanding(std::uint64_t seen, Matches matches);

  // The ports' side
  const Facts& facts() const { return facts_; }
  Bus& bus() { return bus_; }
  const InvalidationLog& log() const { return log_; }
  const frame::Registers& registers() const { return regs_; }
  // 6.3.9, 6.3.14: as they take effect, which is what ports go by when the log says that registers have changed.
  bool smmuen() const { return live(arch::CR0::SMMUEN); }
  bool atschk() const { return live(arch::CR0::ATSCHK); }
  arch::GBPA gbpa() const { return arch::GBPA::from(live_gbpa_.load(base::Order::acquire)); }

  void attach(PortLink& port);
  void detach(PortLink& port);
  // A log position that something waits for ports to reach, or 0.
  std::uint64_t waiting() const { return waiting_.load(base::Order::relaxed); }
  // Sees to it that pending work is looked at after this call began, by the caller or by whoever is at it.
  bool kick();

  // 7.2: writes the record if it can. The edges are for deliver(), once the access has ended.
  struct Recorded {
    bool written{};
    bool aborted{};            // 7.2.2: the record is lost
    bool full{};               // 7.4: there was no room
    bool event_edge{};         // 3.18.2: the queue was empty
    bool pri_edge{};           // likewise, or by LO
    bool gerror_edge{};        // 7.5: the write aborted
    std::uint32_t announced{}; // how often deliver() has been promised
    std::optional<PageResponse> response{};

    bool edges() const { return event_edge || pri_edge || gerror_edge; }
    // What has to be delivered of another one.
    void add(const Recorded& other) {
      event_edge = event_edge || other.event_edge;
      pri_edge = pri_edge || other.pri_edge;
      gerror_edge = gerror_edge || other.gerror_edge;
      announced += other.announced;
    }
  };
  // `may_merge`: 7.3.1, if the knob says so too.
  Recorded record(const arch::Event& event, bool may_merge);
  // 3.12.2: the transaction waits from now on, with a record if there is a STAG and room for it. 7.2.2: a record whose
  // write aborts is lost, and its transaction waits for somebody to terminate it.
  Recorded stall(Stalled& transaction, arch::Event event);
  Stalls& stalls() { return stalls_; }
  // 8, pri_queue.cpp
  PageRequestFate queue(const PageRequest& request, Recorded& recorded);
  void deliver(const Recorded& recorded);

private:
  struct Barrier { // a log position that all ports have to pass
    bool pending{};
    std::uint64_t position{};
  };

  // commands.cpp: work that only one thread does at a time, see kick()
  bool work();
  bool consume();
  bool queue_runs() const;
  bool fetch(std::uint32_t cons, arch::Command& command);
  bool execute(const arch::Command& command);
  void resume(const arch::Command& command);
  bool complete_sync();
  void command_error(arch::Cerror code);
  void advance();

  // atc_commands.cpp
  bool invalidate_atc(const arch::Command& command); // false: not yet
  void respond(const arch::Command& command);
  bool await_atcs();

  // event_queue.cpp
  Recorded write_event(const arch::Event& event);
  void announce(Recorded& recorded);

  // handshake.cpp
  bool acknowledge();
  bool acknowledge_queues();
  bool acknowledge_streams();
  bool acknowledge_gbpa();
  bool acknowledge_irqs();
  void begin(Barrier& barrier);
  void end(Barrier& barrier);
  bool passed(const Barrier& barrier);
  void append(const arch::Command& command);
  std::uint64_t require_log(); // the position that ports have to pass
  void publish_waiting();

  // interrupts.cpp
  struct Message {
    std::uint64_t address{};
    std::uint32_t data{};
    arch::MemAttr attr{};
    arch::Shareability sh{};
  };
  template <class Cfg0, class Cfg1, class Cfg2>
  Message message_of() const;
  bool message(const Message& m);
  bool live(auto bit) const { return (live_cr0_.load(base::Order::acquire) & bit.mask) != 0; }
  bool raise(std::uint64_t gerror_bit);      // true if it was not active
  void report(std::uint64_t gerror_bit);     // and its interrupt
  bool raise_edge(std::uint64_t gerror_bit); // whether it is one for its interrupt
  void signal_event_queue();
  void signal_pri_queue();
  void signal_gerror();
  void signal_sync(const arch::Command& sync);
  void pulse(Wire wire);
  void send_event();

  bool drain(); // core.cpp

  const Facts facts_;
  Bus& bus_;
  platform::Sync& sync_;
  platform::Time& time_;

  frame::Registers regs_;
  OutputQueue<EventQueue> event_queue_{regs_, bus_, facts_};
  OutputQueue<PriQueue> pri_queue_{regs_, bus_, facts_};
  base::Atomic<std::uint32_t> live_cr0_{0}; // SMMUEN and ATSCHK
  base::Atomic<std::uint32_t> live_gbpa_{0};
  InvalidationLog log_;
  SoftwareFaults software_faults_{facts_.knobs.observer};
  StaleUseLog stale_uses_{sync_};

  platform::SpinLock write_lock_;  // register writes take turns
  platform::SpinLock events_lock_; // the event queue's producer
  platform::SpinLock pri_lock_;    // the PRI queue's
  platform::SpinLock ports_lock_;  // the list of ports
  platform::SpinLock log_lock_;    // the log's writer
  platform::SpinLock gerror_lock_; // GERROR's toggles
  PortLink* ports_{};
  Stalls stalls_;
  std::optional<arch::Event> latest_event_{}; // under events_lock_
  std::uint32_t last_port_{0};

  alignas(64) base::Atomic<std::uint64_t> waiting_{0};
  base::Atomic<std::uint32_t> busy_{0};         // kicks that are being worked on
  base::Atomic<std::uint32_t> edges_on_way_{0}; // deliver() calls to come
  base::Atomic<std::uint32_t> held_by_{0};      // id of a port that a barrier waits for

  // Of whoever is at work
  Barrier sync_barrier_, streams_barrier_, gbpa_barrier_;
  AtcInvalidations atcs_;
  arch::Command sync_command_{};
  std::uint64_t sync_since_ns_{};
  bool sync_reported_{};

  struct {
    base::Atomic<std::uint64_t> commands{0}, syncs{0}, command_errors{0}, events_recorded{0}, events_discarded{0},
        wire_edges{0}, syncs_held{0}, wfe_events{0}, messages{0}, events_merged{0}, broadcasts{0}, atc_invalidations{0},
        atc_timeouts{0}, pages_requested{0}, page_requests_lost{0};
    base::Atomic<std::uint32_t> holding_port{0};
  } count_;
};

template <class Matches>
bool Core::any_outstanding(std::uint64_t seen, Matches matches) {
  arch::Command command;
  // The queue first: what is consumed meanwhile is in the log by then.
  const auto prod = static_cast<std::uint32_t>(regs_.get<arch::CMDQ_PROD>().get(arch::CMDQ_PROD::WR));
  const auto cons = static_cast<std::uint32_t>(regs_.get<arch::CMDQ_CONS>().get(arch::CMDQ_CONS::RD));
  const unsigned log2 =
      arch::effective_log2(regs_.get<arch::CMDQ_BASE>().get(arch::CMDQ_BASE::LOG2SIZE), facts_.features.cmdq_log2);
  const std::uint32_t used = arch::queue_used(prod, cons, log2);
  for (std::uint32_t i = 0; i < used && i < std::uint32_t{1} << log2; ++i) {
    if (fetch(arch::queue_advance(cons, log2, i), command) && matches(command)) {
      return true;
    }
  }
  for (std::uint64_t at = seen; at != log_.head().load(base::Order::acquire); ++at) {
    if (!log_.read(at, command) || matches(command)) {
      return true; // one that cannot be read any more may be it
    }
  }
  return false;
}

} // namespace sluice::model
