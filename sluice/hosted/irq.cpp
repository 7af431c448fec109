#include <sluice/hosted/fatal.hpp>
#include <sluice/hosted/irq.hpp>

namespace sluice::hosted {

Irq::Irq(Schedule& schedule, platform::IrqLine lines) : schedule_{schedule} {
  for (platform::IrqLine i = 0; i < lines; ++i) {
    lines_.push_back(std::make_unique<Line>(schedule));
  }
}

Irq::~Irq() {
  for (platform::IrqLine i = 0; i < lines_.size(); ++i) {
    disconnect(i);
  }
}

base::Status Irq::connect(platform::IrqLine line, platform::IrqHandler& handler) {
  if (line >= lines_.size()) {
    return base::Errc::not_found;
  }
  auto& l = *lines_[line];
  const std::lock_guard guard{mutex_};
  if (l.connected) {
    return base::Errc::already_exists;
  }
  l.connected = true;
  l.actor = schedule_.start("irq " + std::to_string(line), [&l, &handler](const std::stop_token& stop) {
    while (!stop.stop_requested() && l.edge.wait(stop)) {
      l.runs_in = thread_number();
      handler.on_irq();
      l.runs_in = 0;
    }
  });
  return {};
}

void Irq::disconnect(platform::IrqLine line) {
  if (line >= lines_.size()) {
    return;
  }
  auto& l = *lines_[line];
  if (l.runs_in == thread_number()) {
    fatal("a handler of line " + std::to_string(line) + " disconnects it and would wait for itself");
  }
  ActorId actor{};
  {
    const std::lock_guard guard{mutex_};
    if (!l.connected) {
      return;
    }
    actor = l.actor;
  }
  schedule_.finish(actor);
  const std::lock_guard guard{mutex_};
  l.connected = false;
}

void Irq::raise(platform::IrqLine line) {
  if (line < lines_.size()) {
    lines_[line]->edge.set();
  }
}

} // namespace sluice::hosted
