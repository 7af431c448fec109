#pragma once

#include <sluice/base/atomic.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

namespace sluice::scenario {

// Numbers moments: of two that do not overlap the later has the larger number.
class Moments {
public:
  std::uint64_t next() { return last_.fetch_add(1) + 1; }

private:
  base::Atomic<std::uint64_t> last_{0};
};

constexpr std::uint64_t always = ~0ULL;

// What one thing was in the course of a run. A change takes time: from begin() on the new value may be seen, until
// end() the old one. One changes it at a time; any thread reads.
template <class Value>
class Timeline {
public:
  // Of the values that are kept.
  static constexpr std::size_t most = 64;

  Timeline(Moments& moments, Value first) : moments_{moments} { spans_.push_back({first, 0, always}); }

  // Announces the next value, before anything is done that may bring it about.
  void begin(Value next) {
    const std::lock_guard guard{mutex_};
    spans_.push_back({next, moments_.next(), always});
    if (spans_.size() > most) {
      forgotten_ = spans_.front().until;
      spans_.pop_front();
    }
  }
  // Nothing but the announced value can be seen any more.
  void end() {
    const std::lock_guard guard{mutex_};
    spans_[spans_.size() - 2].until = moments_.next();
  }
  // The announced value has not come about, at no moment.
  void cancel() {
    const std::lock_guard guard{mutex_};
    spans_.pop_back();
  }
  Value latest() const {
    const std::lock_guard guard{mutex_};
    return spans_.back().value;
  }

  // Calls with each value that could be seen between these moments, and with when that was. False: not all are known
  // any more.
  template <class Call>
  bool between(std::uint64_t first, std::uint64_t last, Call call) const {
    std::deque<Span> spans;
    {
      const std::lock_guard guard{mutex_};
      if (first <= forgotten_) {
        return false;
      }
      for (const Span& s : spans_) {
        if (s.from <= last && s.until >= first) {
          spans.push_back(s);
        }
      }
    }
    for (const Span& s : spans) {
      call(s.value, s.from > first ? s.from : first, s.until < last ? s.until : last);
    }
    return true;
  }

private:
  struct Span {
    Value value{};
    std::uint64_t from{};
    std::uint64_t until{};
  };

  Moments& moments_;
  mutable std::mutex mutex_; // nothing is waited for while it is held
  std::deque<Span> spans_;   // never empty; between begin() and end() at least two
  std::uint64_t forgotten_{0};
};

// Many may have it at the same time, or one for himself. Nobody waits.
class TryLock {
public:
  bool share() {
    for (std::int32_t n = users_.load(); n >= 0;) {
      if (users_.compare_exchange(n, n + 1)) {
        return true;
      }
    }
    return false;
  }
  void unshare() { users_.fetch_sub(1); }
  bool take() {
    std::int32_t nobody = 0;
    return users_.compare_exchange(nobody, -1);
  }
  void give() { users_.store(0); }

private:
  base::Atomic<std::int32_t> users_{0};
};

} // namespace sluice::scenario
