#pragma once

#include <sluice/hosted/actor.hpp>
#include <sluice/remote/listener.hpp>
#include <sluice/remote/stream.hpp>

#include <memory>
#include <string>

namespace sluice::remote {

// The protocol of one connection.
class Session {
public:
  // Receives one message, which has begun to arrive, and answers it. After an error the connection is over.
  virtual base::Status on_message(Stream& stream) = 0;
  // Something to look at besides messages, or -1.
  virtual int doorbell() const { return -1; }
  // `rung`: the doorbell is readable. True: there is more to do.
  virtual bool work(bool rung) {
    static_cast<void>(rung);
    return false;
  }

protected:
  ~Session() = default;
};

// Serves one connection, in a thread of its own, until the other side ends it or this is destroyed.
class Server {
public:
  Server(hosted::Schedule& schedule, Stream stream, Session& session, std::string name);
  // The same with the first connection that somebody makes.
  Server(hosted::Schedule& schedule, std::unique_ptr<Listener> listener, Session& session, std::string name);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() { stop(); }

  void stop();
  // After stop(): why it ended, unless the other side did.
  base::Status status() const { return status_; }
  std::uint64_t messages() const { return messages_; }

private:
  bool connect(const std::stop_token& stop);
  void serve(const std::stop_token& stop);

  hosted::Schedule& schedule_;
  std::unique_ptr<Listener> listener_;
  Stream stream_{hosted::Fd{}};
  Session& session_;
  base::Status status_{};
  std::uint64_t messages_{};
  hosted::ActorId actor_{};
};

} // namespace sluice::remote
