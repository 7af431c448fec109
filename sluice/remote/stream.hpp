#pragma once

#include <sluice/base/result.hpp>
#include <sluice/hosted/fd.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace sluice::remote {

// One end of a UNIX stream socket on which messages with descriptors come and go. Who has begun a message gets so long
// to finish it.
class Stream {
public:
  static constexpr int usual_limit_ms = 5000;
  // What one message can bring, as both protocols have it.
  static constexpr std::size_t most_fds = 8;

  explicit Stream(hosted::Fd socket, int limit_ms = usual_limit_ms) : socket_{std::move(socket)}, limit_ms_{limit_ms} {}

  int fd() const { return socket_.get(); }
  // Exactly so many bytes, and the descriptors that came with them. Errors: no_device (the other side has gone),
  // timed_out, io_error, protocol (more descriptors than there may be).
  base::Status receive(std::span<std::byte> into, std::vector<hosted::Fd>& fds);
  // Errors: no_device, timed_out, io_error.
  base::Status send(std::span<const std::byte> bytes);

private:
  base::Status wait(short events) const;

  hosted::Fd socket_;
  int limit_ms_;
};

} // namespace sluice::remote
