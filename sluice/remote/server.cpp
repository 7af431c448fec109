#include <sluice/remote/server.hpp>

#include <poll.h>

#include <array>

namespace sluice::remote {

namespace {
constexpr int look_up_ms = 50; // how soon a stop is heard
}

Server::Server(hosted::Schedule& schedule, Stream stream, Session& session, std::string name)
    : schedule_{schedule}, stream_{std::move(stream)}, session_{session} {
  actor_ = schedule_.start(std::move(name), [this](const std::stop_token& stop) { serve(stop); });
}

Server::Server(hosted::Schedule& schedule, std::unique_ptr<Listener> listener, Session& session, std::string name)
    : schedule_{schedule}, listener_{std::move(listener)}, session_{session} {
  actor_ = schedule_.start(std::move(name), [this](const std::stop_token& stop) {
    if (connect(stop)) {
      serve(stop);
    }
  });
}

bool Server::connect(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (hosted::Fd connection = listener_->accept(look_up_ms)) {
      stream_ = Stream{std::move(connection)};
      return true;
    }
  }
  return false;
}

void Server::stop() {
  if (actor_ != 0) {
    schedule_.finish(std::exchange(actor_, 0));
  }
}

void Server::serve(const std::stop_token& stop) {
  bool more = false;
  while (!stop.stop_requested()) {
    std::array<pollfd, 2> waiting{{{stream_.fd(), POLLIN, 0}, {session_.doorbell(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), more ? 0 : look_up_ms) < 0) {
      continue; // a signal
    }
    if (waiting[0].revents != 0) {
      status_ = session_.on_message(stream_);
      if (!status_) {
        status_ = status_ == base::Errc::no_device ? base::Status{} : base::Status{status_.error()};
        return;
      }
      ++messages_;
    }
    const bool rung = (waiting[1].revents & POLLIN) != 0;
    if (more || rung || waiting[0].revents != 0) { // a message may have brought work
      more = session_.work(rung);
    }
  }
}

} // namespace sluice::remote
