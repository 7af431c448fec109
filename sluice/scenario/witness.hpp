#pragma once

#include <sluice/arch/event.hpp>
#include <sluice/iommu/fault.hpp>
#include <sluice/iommu/page_request.hpp>
#include <sluice/platform/log.hpp>
#include <sluice/scenario/findings.hpp>
#include <sluice/scenario/timeline.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sluice::scenario {

struct LongTarget;

// What a requester asks for, as an event would name it.
struct Access {
  const LongTarget* target{};
  std::uint32_t stream{};
  std::uint32_t cell{};
  std::uint64_t iova{};
  bool write{};
  std::uint32_t choice{}; // what becomes of its page request, if there is one
};

// Takes every event of a long run, whoever the driver hands it to, and looks whether an access was announced beforehand
// of which it can have come. Any thread.
class Witness final : public iommu::FaultHandler {
public:
  // An access, and the moment before it began.
  struct Announced {
    Access access{};
    std::uint64_t since{};
    std::uint64_t until{always}; // the moment after it, once that has come
    std::uint64_t seen{};        // events
  };
  // Whether an event of this type can come of an access between these two.
  using Explains = std::function<bool(const Announced&, arch::EventType)>;

  Witness(std::size_t actors, Findings& findings) : books_(actors), findings_{findings} {}
  void explain_by(Explains explains) { explains_ = std::move(explains); } // before the run

  // An actor has one access at a time, and one that waits.
  void announce(std::size_t actor, const Access& access, std::uint64_t since);
  void postpone(std::size_t actor); // the latest access is now the one that waits
  void close(std::size_t actor, std::uint64_t until);
  void close_waiting(std::size_t actor, std::uint64_t until);

  void on_fault(const iommu::Fault& fault) override;
  // A record as a guest was told of it, whose names for devices are theirs with `name` in them.
  void on_guest_event(std::span<const std::byte> record, std::uint32_t name);
  // A note of the driver's, which may be of a record that nobody else takes.
  void on_note(const platform::Note& note);
  // A stalled access, or a page that was asked for. What was announced of it.
  std::optional<Access> on_request(const iommu::PageRequestGroup& group, const iommu::PageRequest& page);

  // Those that have been looked at: what was announced before may be forgotten.
  std::uint64_t events() const { return events_.load(base::Order::acquire); }
  std::uint64_t guests() const { return guests_.load(base::Order::relaxed); } // of those, told to guests
  std::uint64_t explained() const { return explained_.load(base::Order::relaxed); }

private:
  // What came before the latest is kept a while: its event may be on the way. The first place is for what waits.
  static constexpr std::size_t kept = 5;
  struct Book {
    std::array<Announced, kept> all{};
    std::size_t latest{0};
  };

  void on_record(const arch::Event& event);
  template <class Matches>
  std::optional<Announced> find(Matches matches, arch::EventType type);
  void settle(bool explained, const std::string& what);
  void count() { events_.fetch_add(1, base::Order::release); }

  mutable std::mutex mutex_; // of books_; nothing is waited for while it is held
  std::vector<Book> books_;
  Findings& findings_;
  Explains explains_;
  base::Atomic<std::uint64_t> events_{0};
  base::Atomic<std::uint64_t> explained_{0};
  base::Atomic<std::uint64_t> guests_{0};
};

} // namespace sluice::scenario
