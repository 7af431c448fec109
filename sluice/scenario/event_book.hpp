#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/iommu/change.hpp>
#include <sluice/iommu/fault.hpp>
#include <sluice/scenario/findings.hpp>

#include <cstdint>
#include <vector>

namespace sluice::scenario {

// Takes every event of a run. A stream's traffic says beforehand which read will be refused; any other event is wrong.
class EventBook final : public iommu::FaultHandler {
public:
  struct Requester {
    Requester(std::uint32_t id, iommu::Target t = {}) : stream{id}, target{t} {}
    std::uint32_t stream;
    iommu::Target target;
  };
  EventBook(const std::vector<Requester>& requesters, Findings& findings);

  // The stream with this index will read `iova` and be refused.
  void expect(std::size_t index, std::uint64_t iova);
  // Its event has come, once.
  bool seen(std::size_t index) const { return slots_[index].state.load() == State::seen; }
  // Until the next expect(), any event of the stream is wrong again.
  void settle(std::size_t index) { slots_[index].state.store(State::none); }

  void on_fault(const iommu::Fault& fault) override;

  std::uint64_t expected() const { return expected_.load(base::Order::relaxed); }
  std::uint64_t unexpected() const { return unexpected_.load(base::Order::relaxed); }

private:
  enum class State : std::uint8_t { none, awaited, seen };
  struct Slot {
    std::uint32_t stream{};
    iommu::Target target{};
    base::Atomic<State> state{State::none};
    base::Atomic<std::uint64_t> iova{0};
  };

  bool take(const iommu::Fault& fault);

  std::vector<Slot> slots_;
  Findings& findings_;
  base::Atomic<std::uint64_t> expected_{0};
  base::Atomic<std::uint64_t> unexpected_{0};
};

} // namespace sluice::scenario
