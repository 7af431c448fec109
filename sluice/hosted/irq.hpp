#pragma once

#include <sluice/hosted/actor.hpp>
#include <sluice/platform/irq.hpp>

#include <memory>
#include <vector>

namespace sluice::hosted {

// Edge-triggered lines. Each connected line has an actor of its own that runs the handler; an edge while it runs makes
// it run once more, an edge before there is a handler waits for one.
class Irq final : public platform::Irq {
public:
  Irq(Schedule& schedule, platform::IrqLine lines);
  Irq(const Irq&) = delete;
  Irq& operator=(const Irq&) = delete;
  ~Irq();

  base::Status connect(platform::IrqLine line, platform::IrqHandler& handler) override;
  void disconnect(platform::IrqLine line) override;
  // A register that stands for an interrupt controller: the number of a line, written there, raises it.
  static constexpr std::uint64_t doorbell = 0x0820'0040;
  base::Result<platform::IrqMessage> message(platform::IrqLine line) override {
    if (line >= lines_.size()) {
      return base::Errc::not_found;
    }
    return platform::IrqMessage{doorbell, line};
  }
  // A message arrives. False: it is none for a line.
  bool write(std::uint64_t address, std::uint32_t data) {
    const bool ours = address == doorbell && data < lines_.size();
    if (ours) {
      raise(data);
    }
    return ours;
  }

  // From any thread; never waits. A line that does not exist is ignored, as a write to an absent interrupt is.
  void raise(platform::IrqLine line);

private:
  struct Line {
    explicit Line(Schedule& schedule) : edge{schedule} {}
    Signal edge;
    ActorId actor{0};
    bool connected{false};
    std::atomic<std::uint32_t> runs_in{0}; // the thread_number() of the running handler
  };

  Schedule& schedule_;
  std::mutex mutex_; // of connected and actor
  std::vector<std::unique_ptr<Line>> lines_;
};

} // namespace sluice::hosted
