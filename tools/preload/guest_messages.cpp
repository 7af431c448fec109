#include "guest_messages.hpp"

#include "report.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sluice::preload {

QtestMessages::~QtestMessages() {
  if (socket_ >= 0) {
    close(socket_);
  }
}

bool QtestMessages::on_message(unsigned, std::uint64_t address, std::uint32_t data) {
  const std::lock_guard guard{mutex_};
  if (socket_ < 0 && !connect()) {
    return false;
  }
  drain();
  std::array<char, 64> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "writel 0x%llx 0x%x\n", static_cast<unsigned long long>(address), data);
  const ssize_t sent = send(socket_, text.data(), static_cast<std::size_t>(length), MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent == length || failed("sent");
}

bool QtestMessages::connect() {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path_.size() >= sizeof to.sun_path) {
    errno = ENAMETOOLONG;
    return failed("connected");
  }
  std::memcpy(to.sun_path, path_.c_str(), path_.size());
  socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0 || ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    failed("connected");
    if (socket_ >= 0) {
      close(socket_);
      socket_ = -1;
    }
    return false;
  }
  return true;
}

// Answers to what was written before.
void QtestMessages::drain() {
  std::array<char, 256> answers;
  while (recv(socket_, answers.data(), answers.size(), MSG_DONTWAIT) > 0) {
  }
}

bool QtestMessages::failed(const char* what) {
  if (!reported_) {
    reported_ = true;
    report("--messages: a device's message to the guest cannot be %s through %s: %s", what, path_.c_str(),
           std::strerror(errno));
  }
  return false;
}

} // namespace sluice::preload
