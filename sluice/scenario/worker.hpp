#pragma once

#include <sluice/model/port.hpp>
#include <sluice/pcie/copy_engine.hpp>
#include <sluice/scenario/world.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sluice::scenario {

// What was done, and what was found to be there to be done.
struct LongCounts {
  std::array<std::uint64_t, Operation::kinds> done{}; // by kind; the rest found nothing to do
  std::uint64_t replaced{};                           // of the attaches
  std::uint64_t guests{};                             // to guests' STEs
  std::uint64_t guests_stes{};                        // of those, from one of a guest's to its other
  std::uint64_t refused_attaches{};                   // as they had to be
  std::uint64_t hitless{};
  std::uint64_t served{};
  std::uint64_t refused{};
  std::uint64_t stalled{};
  std::uint64_t during{};  // accesses with more than one right answer: a change went on meanwhile
  std::uint64_t unknown{}; // accesses during which so much happened that nobody can judge them
  std::uint64_t recorded{};
  std::uint64_t pages_asked{}; // by endpoints
  std::uint64_t pages_served{};

  LongCounts& operator+=(const LongCounts& other);
};

// Does operations, in one thread with one port of the SMMU's, and judges each access.
class Worker {
public:
  Worker(World& world, std::uint32_t actor);

  void run(std::span<const Operation> all);
  // What still waits comes to its end: when everything is detached it must.
  void finish();
  const LongCounts& counts() const { return counts_; }

private:
  struct Result {
    bool done{}; // the requester made the access
    bool served{};
    std::optional<arch::EventType> event{};
    bool recorded{};
    std::uint16_t stall{}; // not 0: it waits
  };
  struct Waiting {
    Access access{};
    std::uint64_t since{};
    std::uint16_t stall{};                // of the SMMU's
    std::optional<std::uint16_t> group{}; // or of the endpoint's page requests
    std::uint64_t size{};
    std::uint64_t limit_ns{};
  };

  bool step(const Operation& o);
  bool may_attach(LongTarget& target, Realm& realm);
  static bool is_named(const LongTarget& target, const Realm& realm);
  bool attach(LongTarget& target, Realm& wanted, bool stay);
  void settle_attach(LongTarget& target, Realm& realm, bool done);
  bool detach(LongTarget& target);
  void attached(const LongTarget& target, const Realm& realm, const base::Result<iommu::Change>& change,
                World::Refusal refusal);

  // worker_access.cpp
  bool access(const Operation& o);
  Result make(const Access& access, std::uint64_t size);
  void judge(const Access& access, const Result& result, std::uint64_t size, std::uint64_t since);
  void judge_served(const Access& access, const Answers& possible, std::uint64_t size, std::uint64_t since);
  void judge_refused(const Access& access, const Answers& possible, const Result& result);
  void wait_for_events(const Access& access);
  bool ask_for_page(const Access& access, std::uint64_t size);
  void try_again(const Waiting& over, pcie::PageRequests::Answer answer);
  bool still_waits();
  bool follow_up();
  void wait_for_end();
  void wrong(Rule rule, const Access& access, const Answers& possible, const std::string& what);

  World& world_;
  const std::uint32_t actor_;
  const std::uint64_t limit_us_; // for an event, and for the end of an access that waits
  model::Port port_;
  std::array<std::byte, 512> buffer_{};
  std::array<std::byte, 512> waiting_buffer_{};
  std::optional<Waiting> waiting_;
  LongCounts counts_;
};

} // namespace sluice::scenario
