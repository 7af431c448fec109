#include <sluice/remote/vhost_session.hpp>

#include <unistd.h>

#include <array>

namespace sluice::remote {

base::Status VhostSession::on_message(Stream& stream) {
  vhost::Header header;
  std::vector<hosted::Fd> fds;
  if (auto status = stream.receive(std::as_writable_bytes(std::span{&header, 1}), fds); !status) {
    return status;
  }
  std::array<std::byte, vhost::most_payload> buffer;
  if (header.size > buffer.size()) {
    return base::Errc::protocol;
  }
  const auto payload = std::span{buffer}.first(header.size);
  if (auto status = stream.receive(payload, fds); !status) {
    return status;
  }
  auto answer = protocol_.handle(header, payload, std::move(fds));
  if (!answer.reply.empty()) {
    return stream.send(answer.reply);
  }
  return answer.status ? base::Status{} : base::Status{answer.status.error()};
}

bool VhostSession::work(bool rung) {
  if (rung) {
    std::uint64_t count;
    [[maybe_unused]] const auto got = ::read(protocol_.kick_fd(), &count, sizeof count);
  }
  return protocol_.run();
}

} // namespace sluice::remote
