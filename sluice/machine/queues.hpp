#pragma once

#include <sluice/iommufd/host.hpp>
#include <sluice/platform/sync.hpp>

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include <sys/types.h>

namespace sluice::machine {

// Straight to the kernel: a program may be shown its descriptors as something else.
void close_straight(int fd);

// A client's view of a queue: it may go on calling when the queue has ended, but not when its host has.
class QueueLink {
public:
  QueueLink(platform::Sync& sync, iommufd::QueueFile& file) : sync_{sync}, file_{&file} {}

  // As read() and write() on `fd`, which is one of the descriptors of this queue.
  std::int64_t read(int fd, std::uint64_t buffer, std::uint64_t count, std::uint64_t offset = 0);
  std::int64_t write(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset = 0);

private:
  friend class QueueDescriptor;

  platform::Sync& sync_;
  platform::Mutex mutex_;
  iommufd::QueueFile* file_; // null: the queue has ended
};

// Which open descriptors are queues. A program that calls the kernel's read() on one of them has to be led here.
class Queues {
public:
  explicit Queues(platform::Sync& sync) : sync_{sync} {}

  // Null: none of ours.
  std::shared_ptr<QueueLink> find(int fd);
  // Told of each that a client is given, for whoever leads programs here; before there is any.
  std::function<void(int fd, std::shared_ptr<QueueLink> link)> on_give;

private:
  friend class QueueDescriptor;
  using Inode = std::pair<dev_t, ino_t>;

  platform::Sync& sync_;
  platform::Mutex mutex_;
  std::map<Inode, std::shared_ptr<QueueLink>> links_;
};

// A pair of sockets. The client polls its end, in which there is a byte while there is something to be read; that it
// has closed it shows at ours.
class QueueDescriptor final : public iommufd::QueueDescriptor {
public:
  // Errors: no_memory (no descriptor is left).
  static base::Result<std::unique_ptr<QueueDescriptor>> open(Queues& queues, iommufd::QueueFile& file, bool writable);
  ~QueueDescriptor() override;

  int number() const override { return client_; }
  void give() override;
  // A byte that is there already stays until the client's next read(): poll() may say too much in between, where
  // something went in another way than by being read.
  void set_readable(bool readable) override;
  bool connected() const override;

private:
  QueueDescriptor(Queues& queues, iommufd::QueueFile& file, int client, int ours);

  Queues& queues_;
  std::shared_ptr<QueueLink> link_;
  Queues::Inode inode_{};
  int client_;
  int ours_;
  bool given_{};
};

} // namespace sluice::machine
