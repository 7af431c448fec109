#pragma once

#include <sluice/arch/event.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::vsmmu {

// Transactions of the guest's devices that wait for its answer, by the STAG that it knows each by. 3.12.2: each is
// answered once, and its record waits for room in the guest's queue.
class Stalls {
public:
  struct Waiting {
    std::uint32_t cookie{}; // the host's
    arch::Event record{};
    bool recorded{};
  };

  // IDR5.STALL_MAX
  explicit Stalls(std::size_t most) : slots_(most) {}

  // Errors: nothing (as many wait as may). The STAG is put into the record.
  bool add(std::uint32_t cookie, const arch::Event& record);
  // The one that has waited longest of those that the guest has not been told of; null: none.
  Waiting* next();
  // From now on it does not wait any more. Nothing: there is no such one, or the guest does not know of it.
  std::optional<std::uint32_t> take(std::uint32_t stream, std::uint16_t tag);
  // Any of a stream's; or any at all.
  std::optional<std::uint32_t> take_any(std::uint32_t stream);
  std::optional<std::uint32_t> take_any();
  // They end without the guest; a stream's, or all. One that it was told of it is going to answer all the same, so that
  // its STAG stands for nothing else before. The cookies.
  std::vector<std::uint32_t> end(std::uint32_t stream);
  std::vector<std::uint32_t> end();
  std::size_t waiting() const { return waiting_; }

  // An answer that the guest is still to give, whether or not somebody waits for it.
  struct Owed {
    std::uint32_t tag{};
    std::uint32_t stream{};
  };
  std::vector<Owed> owed() const;
  // For a guest that nothing waits for, and that owes just these. `owed` is ascending by tag, and all of them are below
  // the number that may wait.
  void restore(std::span<const Owed> owed);

private:
  struct Slot {
    std::optional<Waiting> waiting{};
    std::uint64_t order{};
    std::optional<std::uint32_t> owed{}; // the StreamID for which the guest's answer is still to come
  };
  template <class Matches>
  std::vector<std::uint32_t> end_if(Matches matches);
  template <class Matches>
  std::optional<std::uint32_t> take_if(Matches matches);

  std::vector<Slot> slots_; // by STAG
  std::size_t waiting_{};
  std::uint64_t last_order_{};
};

} // namespace sluice::vsmmu
