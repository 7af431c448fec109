#pragma once

#include <sluice/remote/server.hpp>
#include <sluice/remote/vhost_user.hpp>

namespace sluice::remote {

// vhost-user on a stream.
class VhostSession final : public Session {
public:
  explicit VhostSession(VhostDevice& device) : protocol_{device} {}

  base::Status on_message(Stream& stream) override;
  int doorbell() const override { return protocol_.running() ? protocol_.kick_fd() : -1; }
  bool work(bool rung) override;

private:
  VhostUser protocol_;
};

} // namespace sluice::remote
