#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/base/errc.hpp>

#include <array>
#include <cstdint>

namespace sluice::driver {

// The latest failed commands by their positions in the queue, so that who waits for a CMD_SYNC learns of his own. One
// writer at a time. Who finds that more have failed since he began than are remembered is told that his may be among
// them.
class CommandFailures {
public:
  static constexpr std::size_t remembered = 256;

  // To be taken before the commands are published.
  std::uint64_t count() const { return count_.load(base::Order::acquire); }

  void record(std::uint64_t position, base::Errc error) {
    const std::uint64_t n = count_.load(base::Order::relaxed);
    Entry& e = entries_[n % remembered];
    e.position.store(position, base::Order::relaxed);
    e.error.store(static_cast<std::uint32_t>(error), base::Order::relaxed);
    count_.store(n + 1, base::Order::release);
  }

  struct Verdict {
    bool failed{};
    base::Errc error{};
    std::uint64_t position{}; // of the command; `start` if it is not known
  };
  // Of the commands from `start` to before `end`.
  Verdict of(std::uint64_t start, std::uint64_t end, std::uint64_t count_before) const {
    Verdict verdict;
    const std::uint64_t now = count();
    for (std::uint64_t n = count_before; n != now && n - count_before < remembered; ++n) {
      const Entry& e = entries_[n % remembered];
      const std::uint64_t position = e.position.load(base::Order::relaxed);
      if (position >= start && position < end) {
        verdict = {true, static_cast<base::Errc>(e.error.load(base::Order::relaxed)), position};
        break;
      }
    }
    if (count() - count_before >= remembered) { // what was read may have been overwritten meanwhile
      return {true, base::Errc::illegal_command, start};
    }
    return verdict;
  }

private:
  struct Entry {
    base::Atomic<std::uint64_t> position{0};
    base::Atomic<std::uint32_t> error{0};
  };

  base::Atomic<std::uint64_t> count_{0};
  std::array<Entry, remembered> entries_{};
};

} // namespace sluice::driver
