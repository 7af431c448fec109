#pragma once

#include <sluice/iommufd/host.hpp>
#include <sluice/iommufd/viommu.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <array>
#include <deque>
#include <optional>

namespace sluice::iommufd {

// Events of a guest's devices on their way to the client: at most `depth` unread, then one header that says that some
// were lost. Sequence numbers count lost ones too.
class Veventq final : public Object, public iommu::EventSink, public QueueFile {
public:
  static constexpr ObjectType object_type = ObjectType::veventq;

  // Errors: already_exists (the vIOMMU has one of that type), no_memory. A type that the vIOMMU has no events of never
  // delivers one.
  static base::Result<std::unique_ptr<Veventq>> make(Viommu& viommu, std::uint32_t type, std::uint32_t depth,
                                                     Host& host, platform::Sync& sync);
  ~Veventq() override;

  int descriptor() const { return descriptor_->number(); }
  void give_descriptor() { descriptor_->give(); }
  void on_event(std::span<const std::byte> record) override;
  void on_loss() override;
  // Whole events, as many as fit. Nothing there is 0, and neither an error nor a reason to wait.
  std::int64_t read(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) override;
  std::int64_t write(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) override;
  void refresh() override;

protected:
  bool has_outside_user() const override { return descriptor_->connected(); }

private:
  static constexpr std::size_t largest = 64;
  struct Event {
    uapi::iommufd::VeventHeader header{};
    std::array<std::byte, largest> data{};
    std::size_t size{};
  };

  Veventq(Viommu& viommu, std::uint32_t type, std::uint32_t depth, Caller& caller, platform::Sync& sync)
      : Object{object_type}, viommu_{viommu}, type_{type}, depth_{depth}, caller_{caller}, sync_{sync} {}
  // With lock_ held.
  std::uint32_t next_sequence();
  bool append(const Event& event);
  void lose(std::uint32_t sequence);
  void signal();
  // With mutex_ held: what is next, which stays, and that it has been told.
  std::optional<Event> first();
  void drop(const Event& told);
  base::Status copy(std::uint64_t to, const Event& event);

  Ref<Viommu> viommu_;
  std::uint32_t type_;
  std::uint32_t depth_;
  Caller& caller_;
  platform::Sync& sync_;
  std::unique_ptr<QueueDescriptor> descriptor_;
  platform::Mutex mutex_;   // of reading
  platform::SpinLock lock_; // of what follows
  std::deque<Event> events_;
  std::optional<uapi::iommufd::VeventHeader> loss_; // behind them
  std::uint32_t sequence_{};
};

} // namespace sluice::iommufd
