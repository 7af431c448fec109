#pragma once

#include <sluice/hosted/random.hpp>
#include <sluice/scenario/event_book.hpp>
#include <sluice/scenario/history.hpp>
#include <sluice/scenario/lease.hpp>
#include <sluice/scenario/site.hpp>

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <vector>

namespace sluice::scenario {

// What changer and traffic share of one stream.
struct Stream {
  std::size_t index{}; // among all streams of the run
  Engine endpoint{};
  Window window{};
  History history{};
  Lease lease{};
};

struct TrafficCounts {
  base::Atomic<std::uint64_t> jobs{0};
  base::Atomic<std::uint64_t> moved{0};       // bytes, read or written each count once
  base::Atomic<std::uint64_t> verified{0};    // of those
  base::Atomic<std::uint64_t> during{0};      // jobs that had more than one right answer: a change went on meanwhile
  base::Atomic<std::uint64_t> refused{0};     // reads of unmapped memory that were aborted, with an event
  base::Atomic<std::uint64_t> refused_ats{0}; // and those for which there was no translation
  base::Atomic<std::uint64_t> aborts{0};      // all others
};

// Makes and checks the traffic of some streams of one SMMU, in one thread with one port: reads, writes and copies in
// the streams' windows, and what the leases ask for.
class Traffic {
public:
  Traffic(const Site& site, std::vector<Stream*> streams, EventBook& events, hosted::Random random, Findings& findings);

  void run(const std::stop_token& stop);
  const TrafficCounts& counts() const { return counts_; }

private:
  void turn(Stream& stream);
  void read(Stream& stream);
  void write(Stream& stream);
  void copy(Stream& stream);
  void read_lease(Stream& stream);
  void probe_lease(Stream& stream);

  bool refused_in_time(const Stream& stream, const pcie::Abort& abort);
  // The abort of a job that had no reason to be refused.
  bool went_through(const Stream& stream, const pcie::CopyReport& report);
  bool answered_by_one_of(const Stream& stream, const History::Range& range, std::uint64_t iova, const std::byte* bytes,
                          std::uint64_t size);
  // Bytes that a job put at `offset` of the destination are those of `owner`, or of any space in the range if 0, at
  // `iova`, in a space of the range.
  bool arrived(const Stream& stream, const History::Range& range, std::uint64_t offset, std::uint32_t owner,
               std::uint64_t iova, std::uint64_t size);
  void count(const History::Range& range, std::uint64_t moved);
  std::uint64_t pick(std::uint64_t unit, std::uint64_t& size);

  model::Port port_;
  std::vector<Stream*> streams_;
  EventBook& events_;
  platform::Time& time_;
  const bool takes_turns_;
  hosted::Random random_;
  Findings& findings_;
  TrafficCounts counts_;
  std::uint32_t serial_{0};
  std::vector<std::byte> buffer_;
};

} // namespace sluice::scenario
