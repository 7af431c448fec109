#pragma once

#include <sluice/platform/log.hpp>

#include <array>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace sluice::hosted {

// Keeps the newest notes and counts all.
class Log final : public platform::Log {
public:
  using Sink = std::function<void(const platform::Note&)>;

  explicit Log(std::size_t capacity = 1024) : capacity_{capacity} {}

  void write(const platform::Note& note) override;

  // Called with every note from now on, by whichever thread wrote it. Set before others write.
  void set_sink(Sink sink) { sink_ = std::move(sink); }
  std::vector<platform::Note> notes() const;
  std::size_t count(platform::Severity severity) const;
  std::size_t dropped() const;
  void clear();

private:
  const std::size_t capacity_;
  Sink sink_;
  mutable std::mutex mutex_; // never held while something else is waited for
  std::deque<platform::Note> notes_;
  std::array<std::size_t, 4> counts_{};
  std::size_t dropped_{0};
};

} // namespace sluice::hosted
