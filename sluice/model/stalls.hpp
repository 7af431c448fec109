#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/platform/sync.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice::model {

// 4.7.1: what software has decided about a stalled transaction.
enum class Verdict : std::uint8_t { none, retry, abort, zero };

// A stalled transaction as its port and the command side know it. Its port alone touches it once there is a verdict.
struct Stalled {
  std::uint32_t stream_id{};
  bool recorded{};
  base::Atomic<std::uint8_t> verdict{0};

  Verdict answer() const { return static_cast<Verdict>(verdict.load(base::Order::acquire)); }
};

// 3.12.2: the stalled transactions of an SMMU, and which STAGs software has not answered. A transaction for which there
// is no STAG, or no room in the event queue, waits here without a record.
class Stalls {
public:
  // `most` is IDR5.STALL_MAX.
  Stalls(platform::Sync& sync, unsigned most) : sync_{sync}, slots_(most) {}

  // `record` writes a record with the STAG that it gets and says whether it could.
  template <class Record>
  void add(Stalled& s, Record record) {
    const platform::SpinGuard guard{sync_, lock_};
    s.recorded = false;
    s.verdict.store(0, base::Order::relaxed);
    waiting_.push_back(&s);
    const auto stag = free_stag();
    if (stag && record(*stag)) {
      slots_[*stag] = {true, s.stream_id, &s};
      s.recorded = true;
      next_ = *stag + 1U;
    }
  }

  // Its port takes back one without a record; the verdict that came before.
  Verdict withdraw(Stalled& s) {
    const platform::SpinGuard guard{sync_, lock_};
    std::erase(waiting_, &s);
    return s.answer();
  }

  // Its port goes. What has been recorded is still software's to answer.
  void abandon(Stalled& s) {
    const platform::SpinGuard guard{sync_, lock_};
    std::erase(waiting_, &s);
    for (Slot& slot : slots_) {
      slot.transaction = slot.transaction == &s ? nullptr : slot.transaction;
    }
  }

  // 4.7.1: without effect unless StreamID and STAG are those of a record.
  void resume(std::uint32_t stream_id, std::uint16_t stag, Verdict verdict) {
    const platform::SpinGuard guard{sync_, lock_};
    if (stag >= slots_.size() || !slots_[stag].taken || slots_[stag].stream_id != stream_id) {
      return;
    }
    Stalled* s = slots_[stag].transaction;
    slots_[stag] = {};
    if (s != nullptr) {
      std::erase(waiting_, s);
      answer(*s, verdict);
    }
  }

  // 4.7.2, 6.3.9.6: with an abort. The STAGs are free again.
  template <class Matches>
  void terminate(Matches matches) {
    const platform::SpinGuard guard{sync_, lock_};
    for (Slot& slot : slots_) {
      if (slot.taken && matches(slot.stream_id)) {
        slot = {};
      }
    }
    std::erase_if(waiting_, [&](Stalled* s) {
      const bool ends = matches(s->stream_id);
      if (ends) {
        answer(*s, Verdict::abort);
      }
      return ends;
    });
  }

private:
  struct Slot {
    bool taken{};
    std::uint32_t stream_id{};
    Stalled* transaction{}; // null: its port has gone
  };

  static void answer(Stalled& s, Verdict verdict) {
    s.verdict.store(static_cast<std::uint8_t>(verdict), base::Order::release);
  }
  // In turn, so that a late answer finds no new transaction.
  std::optional<std::uint16_t> free_stag() const {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      const std::size_t stag = (next_ + i) % slots_.size();
      if (!slots_[stag].taken) {
        return static_cast<std::uint16_t>(stag);
      }
    }
    return std::nullopt;
  }

  platform::Sync& sync_;
  platform::SpinLock lock_;
  std::vector<Slot> slots_; // by STAG
  std::vector<Stalled*> waiting_;
  std::size_t next_{0};
};

} // namespace sluice::model
