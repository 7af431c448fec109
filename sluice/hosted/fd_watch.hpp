#pragma once

#include <sluice/hosted/fd.hpp>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace sluice::hosted {

// Tells of descriptors that become readable, each time that they do and not as long as they are: in a thread of its
// own, which the first one starts and in which all signals are blocked.
class FdWatch {
public:
  FdWatch() = default;
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  // Nothing is watched any more.
  ~FdWatch();

  // At once if it is readable. False: it cannot be watched, or nothing can.
  bool add(int fd, std::function<void()> on_readable);
  // When it returns the function is not running, and is not called again. Not from within it.
  void remove(int fd);

private:
  bool start();
  void run();
  void tell(int fd);

  std::mutex mutex_;
  std::condition_variable told_;
  std::map<int, std::shared_ptr<std::function<void()>>> watched_;
  int telling_{-1};
  Fd epoll_{};
  Fd stop_{};
  std::thread thread_;
};

} // namespace sluice::hosted
