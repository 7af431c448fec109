#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/base/result.hpp>
#include <sluice/iommu/page_request.hpp>
#include <sluice/platform/platform.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace sluice::iommu {

// Who waits, as hardware names it. `tag` is a stall's or a group's number.
struct PageAsker {
  Device* device{};
  std::uint32_t requester{};
  Target target{};
  std::uint16_t tag{};
  bool stalled{};
  bool answer_has_pasid{}; // of a group: its answer names the PASID, if it has one
};

// The unit behind a PageRequests.
class PageResponder {
public:
  // What the target of the device is attached to now. Called with a lock held.
  virtual Domain* domain_of(const PageAsker& asker) = 0;
  virtual void send(const PageAsker& asker, PageResponse response) = 0;

protected:
  ~PageResponder() = default;
};

struct PageRequestCounters {
  std::uint64_t groups{};     // handed to a handler
  std::uint64_t answered{};   // by the handler
  std::uint64_t refused{};    // nobody was there to serve them
  std::uint64_t settled{};    // by the end of their attachment or handler
  std::uint64_t late{};       // by the time-out
  std::uint64_t overflowed{}; // there was no room
  std::uint64_t unfinished{}; // forgotten, because their last page did not come in time
};

// The groups of one unit that wait for an answer. Nothing is allocated after make(): of what finds no room a stalled
// transaction is answered with `failed`, and a group with `served`, so that its function asks again. `failed` ends all
// page requests of a PCIe function (10.4.2.1): of a group only a handler says it, and where others would it is
// `invalid`.
class PageRequests {
public:
  // Pages of one group; a longer one is answered with `invalid`.
  static constexpr std::size_t max_pages = 32;

  PageRequests(const platform::Platform& platform, PageResponder& responder)
      : platform_{platform}, responder_{responder} {}
  PageRequests(const PageRequests&) = delete;
  PageRequests& operator=(const PageRequests&) = delete;
  ~PageRequests();

  // Errors: no_memory.
  base::Status make(std::size_t groups, std::uint64_t timeout_us);

  enum class Arrival : std::uint8_t {
    collected, // the group goes on
    delivered, // to the domain's handler
    refused,   // there is none; answered
    no_room,   // answered, if the group has ended
    too_long,  // likewise
  };
  // One more request; `last` ends its group. By one thread at a time, in a read section.
  Arrival add(const PageAsker& asker, const PageRequest& request, bool last);

  // Errors: not_found (it has been answered: by the time-out, or when the attachment ended).
  base::Status answer(PageTicket ticket, PageResponse response);

  // Answers all that came through an attachment which is no more: the device's for `target`, a device's, or a domain's.
  // After the change is visible to domain_of().
  void settle(const Device& device, Target target, PageResponse response);
  void settle(const Device& device, PageResponse response);
  void settle(const Domain& domain, PageResponse response);
  // A device that is no more: its groups that have not ended never will.
  void forget(const Device& device);
  // Answers what has waited for too long with `failed`, and says how many that were. Groups whose last page has not
  // come in that time are forgotten.
  unsigned expire();
  // The hardware has terminated all that is stalled: nobody waits for an answer. Says how many did.
  unsigned drop_stalls();
  // The hardware has lost records: groups that have not ended may never do so.
  void drop_collected();

  PageRequestCounters counters() const;

private:
  enum class State : std::uint8_t { free, collecting, waiting };
  static constexpr std::uint32_t none = ~0U;

  struct Slot {
    PageAsker asker{};
    Domain* domain{};
    std::uint64_t deadline{};
    std::uint32_t generation{};
    State state{};
    bool too_long{}, no_room{};
    std::uint32_t next_free{};
    std::uint32_t first{none}; // pages
    std::uint32_t last{none};
    std::uint32_t count{};
  };
  struct Page {
    PageRequest request{};
    std::uint32_t next{};
  };
  using Pages = std::array<PageRequest, max_pages>;

  struct Collected {
    Arrival arrival{};
    PageRequestGroup group{};
  };
  Collected collect(const PageAsker& asker, const PageRequest& request, bool last, Pages& pages);
  std::uint32_t find(const PageAsker& asker) const;
  std::uint32_t open(const PageAsker& asker);
  void append(Slot& slot, const PageRequest& request);
  void copy(const Slot& slot, Pages& pages) const;
  void close(std::uint32_t index);
  template <class Matches>
  std::uint32_t take(std::uint32_t from, Matches matches, PageAsker& asker);
  template <class Matches>
  unsigned drop(State state, Matches matches);
  template <class Matches>
  unsigned answer_all(Matches matches, PageResponse response, base::Atomic<std::uint64_t>& counter);

  static void count(base::Atomic<std::uint64_t>& counter) { counter.fetch_add(1, base::Order::relaxed); }

  platform::Platform platform_;
  PageResponder& responder_;
  platform::SpinLock lock_;
  Slot* slots_{};
  Page* pages_{};
  std::size_t size_{};
  std::uint64_t timeout_ns_{};
  std::uint32_t free_slot_{none};
  std::uint32_t free_page_{none};
  base::Atomic<std::uint32_t> open_{0}; // slots that are not free
  base::Atomic<std::uint64_t> groups_{0}, answered_{0}, refused_{0}, settled_{0}, late_{0}, overflowed_{0},
      unfinished_{0};
};

} // namespace sluice::iommu
