#pragma once

#include <sluice/iommufd/host.hpp>
#include <sluice/iommufd/viommu.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <array>
#include <deque>

namespace sluice::iommufd {

// Events of a guest's devices on their way to the client's descriptor: at most `depth` unread, then one header that
// says that some were lost. Sequence numbers count lost ones too.
class Veventq final : public Object, public iommu::EventSink, public ChannelUser {
public:
  static constexpr ObjectType object_type = ObjectType::veventq;

  // Errors: already_exists (the vIOMMU has one of that type), no_memory. A type that the vIOMMU has no events of never
  // delivers one.
  static base::Result<std::unique_ptr<Veventq>> make(Viommu& viommu, std::uint32_t type, std::uint32_t depth,
                                                     Channels& channels, platform::Sync& sync);
  ~Veventq() override;

  int descriptor() const { return channel_->descriptor(); }
  void give_descriptor() { channel_->give(); }
  void on_event(std::span<const std::byte> record) override;
  void on_loss() override;
  void on_room() override;

protected:
  bool has_outside_user() const override { return channel_->connected(); }

private:
  static constexpr std::size_t largest = 64;
  struct Packet {
    uapi::iommufd::VeventHeader header{};
    std::array<std::byte, largest> data{};
    std::size_t size{};
  };

  Veventq(Viommu& viommu, std::uint32_t type, std::uint32_t depth, platform::Sync& sync)
      : Object{object_type}, viommu_{viommu}, type_{type}, depth_{depth}, sync_{sync} {}
  std::uint32_t next_sequence();
  bool ends_in_loss() const;
  void append(const Packet& packet);
  void feed();

  Ref<Viommu> viommu_;
  std::uint32_t type_;
  std::uint32_t depth_;
  platform::Sync& sync_;
  std::unique_ptr<Channel> channel_;
  platform::SpinLock lock_;
  std::deque<Packet> waiting_;
  std::uint32_t sequence_{};
};

} // namespace sluice::iommufd
