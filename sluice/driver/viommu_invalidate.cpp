#include <sluice/driver/guest_commands.hpp>
#include <sluice/driver/viommu.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

// Commands of a guest: checked, rewritten, executed.
namespace sluice::driver {

using arch::Command;
using base::Errc;
using base::Result;
using base::Status;
namespace u = uapi::arm_smmuv3;

namespace {

// Commands that may be executed in any order, ended by one CMD_SYNC. An ATC_INV is alone: if it runs out of time,
// nobody can tell which of several it was (7.1 CERROR_ATC_INV_SYNC).
class GuestBatch {
public:
  GuestBatch(CommandQueue& queue, std::uint32_t& done) : queue_{queue}, done_{done} {}

  bool takes(const Command& command) const {
    return count_ == 0 ||
           (count_ < capacity && target_of(command.get(Command::Opcode)) == target_ && target_ != GuestTarget::device);
  }
  void add(const Command& command) {
    target_ = target_of(command.get(Command::Opcode));
    commands_[count_++] = command;
  }
  // Errors: as CommandQueue::submit.
  Status execute() {
    std::size_t executed = 0;
    const Status status = queue_.submit_until_illegal(std::span{commands_}.first(count_), executed);
    done_ += static_cast<std::uint32_t>(executed);
    if (target_ == GuestTarget::device && count_ != 0 && status != Errc::smmu_failed) {
      queue_.count_atc_invalidations(count_);
    }
    count_ = 0;
    return status;
  }

private:
  static constexpr std::size_t capacity = 32;

  CommandQueue& queue_;
  std::uint32_t& done_;
  std::array<Command, capacity> commands_{};
  std::size_t count_{};
  GuestTarget target_{};
};

// The entries of a request, one command each. Longer ones come from a newer client.
class Entries {
public:
  explicit Entries(const iommu::InvalidateRequest& request) : request_{request} {}

  // Errors: invalid_argument, trailing_data.
  Status check() const {
    const std::size_t size = request_.entry_size;
    const bool whole = size >= sizeof(u::Invalidation) && request_.entries.size() % size == 0;
    if (request_.type != u::invalidate_data_type || !whole || request_.entries.empty()) {
      return Errc::invalid_argument;
    }
    if (size == sizeof(u::Invalidation)) {
      return {};
    }
    for (std::size_t i = 0; i < request_.entries.size(); ++i) {
      if (i % size >= sizeof(u::Invalidation) && request_.entries[i] != std::byte{}) {
        return Errc::trailing_data;
      }
    }
    return {};
  }
  std::size_t count() const { return request_.entries.size() / request_.entry_size; }
  Command operator[](std::size_t i) const {
    Command command;
    static_assert(sizeof command.w == sizeof(u::Invalidation));
    __builtin_memcpy(command.w.data(), request_.entries.data() + i * request_.entry_size, sizeof command.w);
    return command;
  }

private:
  const iommu::InvalidateRequest& request_;
};

} // namespace

Result<Command> Viommu::translate(const Command& command) {
  const Status good = check_guest_command(command, parts_.capabilities);
  if (!good) {
    return good.error();
  }
  if (target_of(command.get(Command::Opcode)) == GuestTarget::translations) {
    return with_vmid(command, parent_.tag().id);
  }
  const platform::ReadSection section{parts_.platform.sync};
  const Vdevice* vdevice = vdevices_.find(static_cast<StreamID>(command.get(Command::StreamID)));
  if (vdevice == nullptr) {
    return Errc::reserved_bits;
  }
  return with_stream(command, vdevice->sid);
}

// All entries before the first bad one are executed, and only those.
Status Viommu::invalidate(iommu::InvalidateRequest& request) {
  request.done = 0;
  const std::uint64_t now = parts_.platform.time.now_ns();
  if (parts_.shares.anything(now)) { // a guest that goes on is heard again
    const platform::MutexGuard guard{parts_.platform.sync, mutex_};
    parts_.shares.settle(now);
  }
  const Entries entries{request};
  const Status whole = entries.check();
  if (!whole) {
    return whole;
  }
  GuestBatch batch{parts_.commands, request.done};
  for (std::size_t i = 0; i < entries.count(); ++i) {
    const auto command = translate(entries[i]);
    if (!command || !batch.takes(*command)) {
      const Status executed = batch.execute();
      if (!executed) {
        return executed;
      }
    }
    if (!command) {
      return command.error();
    }
    batch.add(*command);
  }
  return batch.execute();
}

} // namespace sluice::driver
