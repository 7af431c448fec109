#include <sluice/machine/queues.hpp>

#include <cerrno>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sluice::machine {

using base::Errc;

namespace {

// errno belongs to the program that we run in.
struct SavedErrno {
  int before{errno};
  ~SavedErrno() { errno = before; }
};

// poll() does not offer to write to a socket whose buffer is full, and nobody reads what is in this one.
void fill(int fd) {
  const int least = 1;
  static_cast<void>(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof least));
  const std::byte bytes[64]{};
  while (::send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
}

bool inode_of(int fd, std::pair<dev_t, ino_t>& inode) {
  struct stat about {};
  if (fstat(fd, &about) != 0) {
    return false;
  }
  inode = {about.st_dev, about.st_ino};
  return true;
}

} // namespace

void close_straight(int fd) {
  const SavedErrno keep;
  syscall(SYS_close, fd);
}

std::int64_t QueueLink::read(int fd, std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) {
  const SavedErrno keep;
  const platform::MutexGuard guard{sync_, mutex_};
  if (file_ == nullptr) {
    return 0;
  }
  const std::int64_t done = file_->read(buffer, count, offset);
  std::byte bytes[16];
  while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) { // what is left is said anew
  }
  file_->refresh();
  return done;
}

std::int64_t QueueLink::write(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) {
  const SavedErrno keep;
  const platform::MutexGuard guard{sync_, mutex_};
  return file_ != nullptr ? file_->write(buffer, count, offset) : -EINVAL;
}

std::shared_ptr<QueueLink> Queues::find(int fd) {
  const SavedErrno keep;
  Inode inode;
  if (!inode_of(fd, inode)) {
    return nullptr;
  }
  const platform::MutexGuard guard{sync_, mutex_};
  const auto at = links_.find(inode);
  return at != links_.end() ? at->second : nullptr;
}

base::Result<std::unique_ptr<QueueDescriptor>> QueueDescriptor::open(Queues& queues, iommufd::QueueFile& file,
                                                                     bool writable) {
  const SavedErrno keep;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Errc::no_memory;
  }
  if (!writable) {
    fill(ends[0]);
  }
  auto queue = std::unique_ptr<QueueDescriptor>{new QueueDescriptor{queues, file, ends[0], ends[1]}};
  inode_of(ends[0], queue->inode_);
  {
    const platform::MutexGuard guard{queues.sync_, queues.mutex_};
    queues.links_[queue->inode_] = queue->link_;
  }
  return queue;
}

QueueDescriptor::QueueDescriptor(Queues& queues, iommufd::QueueFile& file, int client, int ours)
    : queues_{queues}, link_{std::make_shared<QueueLink>(queues.sync_, file)}, client_{client}, ours_{ours} {}

QueueDescriptor::~QueueDescriptor() {
  const SavedErrno keep;
  {
    const platform::MutexGuard guard{queues_.sync_, queues_.mutex_};
    queues_.links_.erase(inode_);
  }
  {
    const platform::MutexGuard guard{queues_.sync_, link_->mutex_};
    link_->file_ = nullptr;
  }
  close_straight(ours_);
  if (!given_) {
    close_straight(client_);
  }
}

void QueueDescriptor::give() {
  given_ = true;
  if (queues_.on_give) {
    queues_.on_give(client_, link_);
  }
}

void QueueDescriptor::set_readable(bool readable) {
  const SavedErrno keep;
  int there = 0;
  const bool said = ioctl(ours_, SIOCOUTQ, &there) == 0 && there > 0;
  if (readable && !said) {
    const std::byte byte{};
    static_cast<void>(::send(ours_, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL));
  }
}

bool QueueDescriptor::connected() const {
  const SavedErrno keep;
  pollfd poll_for{ours_, 0, 0};
  return poll(&poll_for, 1, 0) >= 0 && (poll_for.revents & POLLHUP) == 0;
}

} // namespace sluice::machine
