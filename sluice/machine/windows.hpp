#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/iommufd/host.hpp>
#include <sluice/machine/device_ranges.hpp>
#include <sluice/model/bus.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <span>

namespace sluice::machine {

class ClientWindow;

// Clients' memory in the machine's physical addresses. A range of addresses is kept for it, in slots of 2 MB: a slot's
// word leads to the window, and from there the access goes through the kernel, so that memory that is gone is an abort.
class Windows final : public iommufd::Pages {
public:
  static constexpr std::uint64_t slot_size = 2ULL << 20;

  struct Space {
    std::uint64_t start{1ULL << 42}; // both multiples of 1 GB
    std::uint64_t size{1ULL << 42};
  };

  explicit Windows(platform::Sync& sync) : Windows{sync, Space{}} {}
  Windows(platform::Sync& sync, Space space);
  Windows(const Windows&) = delete;
  Windows& operator=(const Windows&) = delete;
  // No hardware is left by then, and windows that were abandoned end. All others have ended.
  ~Windows();

  // Where devices have their BARs in the process's memory, which is not mapped.
  DeviceRanges& device_ranges() { return device_ranges_; }

  bool contains(std::uint64_t address) const { return address - space_.start < space_.size; }
  // False: nothing is there, or not for that. Any thread.
  bool read(std::uint64_t address, std::span<std::byte> into) const;
  bool write(std::uint64_t address, std::span<const std::byte> from) const;
  bool read64(std::uint64_t address, std::uint64_t& value) const;

  base::Result<iommufd::Window*> map_memory(std::uint64_t user_va, std::uint64_t length, bool write,
                                            iommufd::WindowPlace place) override;
  base::Result<iommufd::Window*> map_file(int fd, std::uint64_t start, std::uint64_t length, bool write,
                                          iommufd::WindowPlace place) override;
  void abandon(iommufd::Window* window) override;
  base::Result<int> duplicate(int fd) override;
  void close(int fd) override;

  // Windows that exist; 0 when everything is closed.
  std::uint64_t live() const { return live_.load(base::Order::relaxed); }

private:
  friend class ClientWindow;
  using Slot = base::Atomic<const ClientWindow*>;

  struct Source;
  base::Result<iommufd::Window*> add(const Source& source, iommufd::WindowPlace place);
  base::Result<std::uint64_t> take_slots(std::uint64_t count, std::uint64_t align);
  void give_back(const ClientWindow& window);

  template <class F>
  bool with(std::uint64_t address, std::size_t size, F f) const;

  platform::Sync& sync_;
  Space space_;
  std::span<Slot> slots_; // zero pages of the system until they are used
  mutable platform::Mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> free_; // first slot, slots
  ClientWindow* abandoned_{};                   // a list
  DeviceRanges device_ranges_{sync_};
  base::Atomic<std::uint64_t> live_{0};
};

} // namespace sluice::machine
