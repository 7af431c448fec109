#include <sluice/hosted/fd_watch.hpp>

#include <sluice/hosted/signals.hpp>

#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace sluice::hosted {

FdWatch::~FdWatch() {
  if (thread_.joinable()) {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }
}

bool FdWatch::start() {
  if (thread_.joinable()) {
    return true;
  }
  epoll_ = Fd{epoll_create1(EPOLL_CLOEXEC)};
  stop_ = Fd{eventfd(0, EFD_CLOEXEC)};
  epoll_event event{.events = EPOLLIN, .data = {.fd = stop_.get()}};
  if (!epoll_ || !stop_ || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event) != 0) {
    return false;
  }
  const SignalsBlocked blocked;
  thread_ = std::thread{[this] { run(); }};
  return true;
}

bool FdWatch::add(int fd, std::function<void()> on_readable) {
  const std::lock_guard guard{mutex_};
  if (!start()) {
    return false;
  }
  watched_[fd] = std::make_shared<std::function<void()>>(std::move(on_readable));
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) {
    return true;
  }
  watched_.erase(fd);
  return false;
}

void FdWatch::remove(int fd) {
  std::unique_lock lock{mutex_};
  if (watched_.erase(fd) != 0) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }
  told_.wait(lock, [&] { return telling_ != fd; });
}

void FdWatch::run() {
  std::array<epoll_event, 16> events;
  for (;;) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) {
      return; // the program has closed what is not its own
    }
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == stop_.get()) {
        return;
      }
      tell(fd);
    }
  }
}

// One that was removed since it was seen is not told of.
void FdWatch::tell(int fd) {
  std::shared_ptr<std::function<void()>> function;
  {
    const std::lock_guard guard{mutex_};
    const auto at = watched_.find(fd);
    if (at == watched_.end()) {
      return;
    }
    function = at->second;
    telling_ = fd;
  }
  (*function)();
  {
    const std::lock_guard guard{mutex_};
    telling_ = -1;
  }
  told_.notify_all();
}

} // namespace sluice::hosted
