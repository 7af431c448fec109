#pragma once

#include <sluice/driver/command_queue.hpp>
#include <sluice/iommu/change.hpp>

#include <array>

namespace sluice::driver {

// Commands that one CMD_SYNC will complete.
class CommandBatch {
public:
  static constexpr std::size_t capacity = 32;

  explicit CommandBatch(CommandQueue& queue) : queue_{queue} {}

  void add(const arch::Command& command) {
    if (count_ == capacity) {
      flush(Wait::no);
    }
    commands_[count_++] = command;
  }
  // Sends what is left and waits. Whether all is done is added to `change`, with the counts. Errors as submit's.
  base::Status finish(iommu::Change& change) {
    flush(Wait::yes);
    change.commands += sent_ + 1;
    change.syncs += 1;
    change.confirmed = change.confirmed && status_.ok();
    return status_;
  }

private:
  void flush(Wait wait) {
    const auto status = queue_.submit(std::span{commands_}.first(count_), wait);
    status_ = status_.ok() ? status : status_;
    sent_ += static_cast<std::uint32_t>(count_);
    count_ = 0;
  }

  CommandQueue& queue_;
  std::array<arch::Command, capacity> commands_{};
  std::size_t count_{};
  std::uint32_t sent_{};
  base::Status status_{};
};

} // namespace sluice::driver
