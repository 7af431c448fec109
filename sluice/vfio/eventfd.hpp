#pragma once

#include <sluice/base/result.hpp>

#include <utility>

namespace sluice::vfio {

// A client's eventfd, by a descriptor of our own: the client may close its own at any time.
class Eventfd {
public:
  Eventfd() = default;
  Eventfd(Eventfd&& other) noexcept : fd_{std::exchange(other.fd_, none)} {}
  Eventfd& operator=(Eventfd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Eventfd();

  // Errors: bad_descriptor (not open, or none is left for us), invalid_argument (not an eventfd).
  static base::Result<Eventfd> duplicate(int fd);

  explicit operator bool() const { return fd_ != none; }
  // Adds one to its count. Any thread; never waits, as a count that is full wakes its reader already. Nothing to do for
  // an empty one.
  void signal() const;
  // Whether it was signalled since the last time. Never waits.
  bool take() const;
  // For who waits for it.
  int number() const { return fd_; }

private:
  static constexpr int none = -1;
  explicit Eventfd(int fd) : fd_{fd} {}

  int fd_{none};
};

} // namespace sluice::vfio
