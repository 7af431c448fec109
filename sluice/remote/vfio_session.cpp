#include <sluice/remote/vfio_session.hpp>

namespace sluice::remote {

base::Status VfioSession::on_message(Stream& stream) {
  vfio_user::Header header;
  std::vector<hosted::Fd> fds;
  if (auto status = stream.receive(std::as_writable_bytes(std::span{&header, 1}), fds); !status) {
    return status;
  }
  if (header.size < sizeof header || header.size - sizeof header > vfio_user::most_payload) {
    return base::Errc::protocol;
  }
  buffer_.resize(header.size - sizeof header);
  if (auto status = stream.receive(buffer_, fds); !status) {
    return status;
  }
  const auto answer = protocol_.handle(header, buffer_, fds);
  refused_ += answer.status ? 0 : 1;
  if (!answer.reply.empty()) {
    if (auto status = stream.send(answer.reply); !status) {
      return status;
    }
  }
  return protocol_.fatal() ? base::Status{base::Errc::protocol} : base::Status{};
}

} // namespace sluice::remote
