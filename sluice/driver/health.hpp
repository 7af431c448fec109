#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/driver/code.hpp>
#include <sluice/platform/log.hpp>

#include <cstdint>

namespace sluice::driver {

// What went wrong: notes for the log, and the first Code that made the SMMU fail, after which nothing is sent to it.
class Health {
public:
  explicit Health(platform::Log& log) : log_{log} {}

  void note(platform::Severity severity, Code code, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
            std::uint64_t d = 0) {
    log_.write({severity, platform::Source::driver, static_cast<std::uint16_t>(code), {a, b, c, d}});
  }
  void warn(Code code, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0) {
    note(platform::Severity::warning, code, a, b, c, d);
  }
  void error(Code code, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0) {
    note(platform::Severity::error, code, a, b, c, d);
  }
  void timed_out(Code code, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0) {
    timeouts_.fetch_add(1, base::Order::relaxed);
    error(code, a, b, c);
  }

  bool failed() const { return failed_.load(base::Order::relaxed) != 0; }
  void fail(Code code) {
    std::uint32_t healthy = 0;
    if (failed_.compare_exchange(healthy, static_cast<std::uint32_t>(code))) {
      error(Code::failed, static_cast<std::uint64_t>(code));
    }
  }
  std::uint64_t timeouts() const { return timeouts_.load(base::Order::relaxed); }

private:
  platform::Log& log_;
  base::Atomic<std::uint32_t> failed_{0};
  base::Atomic<std::uint64_t> timeouts_{0};
};

} // namespace sluice::driver
