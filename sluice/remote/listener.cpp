#include <sluice/remote/listener.hpp>

#include <sluice/hosted/scratch.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sluice::remote {

Listener::Listener(const std::string& name) : name_{name} {
  std::string folder = "/tmp/sluice-XXXXXX"; // such a path may not be long
  if (::mkdtemp(folder.data()) == nullptr) {
    throw hosted::SetupError{std::string{"no folder for a socket in /tmp: "} + std::strerror(errno)};
  }
  folder_ = folder;
  socket_ = hosted::Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path();
  if (text.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
  } else {
    std::memcpy(address.sun_path, text.c_str(), text.size());
    if (socket_ && ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::listen(socket_.get(), 1) == 0) {
      return;
    }
  }
  const std::string why = std::strerror(errno);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  throw hosted::SetupError{"no socket " + text + ": " + why};
}

Listener::~Listener() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

hosted::Fd Listener::accept(int limit_ms) {
  pollfd waiting{socket_.get(), POLLIN, 0};
  if (::poll(&waiting, 1, limit_ms) != 1) {
    return {};
  }
  return hosted::Fd{::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
}

} // namespace sluice::remote
