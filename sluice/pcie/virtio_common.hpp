#pragma once

#include <sluice/pcie/virtio.hpp>
#include <sluice/pcie/virtqueue.hpp>

#include <cstdint>

namespace sluice::pcie {

// 4.1.4.3: the common configuration structure of a device with one queue. Registers only: who reads and writes them
// holds the device's lock.
class VirtioCommon {
public:
  // `vectors`: of the MSI-X table, 0 without.
  VirtioCommon(std::uint64_t features, std::uint16_t vectors) : features_{features}, vectors_{vectors} {}

  // Little endian, 1 to 8 bytes; what is not there reads as zero.
  std::uint64_t read(std::uint64_t offset, unsigned size) const;
  // By field, of its own width; the 64-bit addresses also by halves (4.1.3.1). Anything else has no effect. A status of
  // zero is reset()'s to do.
  void write(std::uint64_t offset, unsigned size, std::uint64_t value);
  void reset();

  std::uint8_t status() const { return status_; }
  // 2.1.2: until the reset, and the caller tells the driver if it has said DRIVER_OK.
  void set_needs_reset() { status_ |= virtio::needs_reset; }
  bool driver_ok() const { return (status_ & virtio::driver_ok) != 0; }
  // 3.1.1 step 8: the queue may be used.
  bool live() const { return driver_ok() && (status_ & virtio::needs_reset) == 0 && enabled_; }
  const QueueLayout& layout() const { return layout_; }
  QueueRules rules() const { return QueueRules::of(accepted_); }
  // The driver has enabled a queue where none can be.
  bool bad_layout() const { return bad_layout_; }
  std::uint16_t queue_vector() const { return queue_vector_; }
  std::uint16_t config_vector() const { return config_vector_; }

private:
  void write_status(std::uint8_t value);
  void write_queue(std::uint64_t offset, unsigned size, std::uint64_t value);
  void enable();
  std::uint16_t checked(std::uint64_t vector) const;

  std::uint64_t features_;
  std::uint16_t vectors_;
  std::uint32_t device_select_{};
  std::uint32_t driver_select_{};
  std::uint64_t accepted_{};
  std::uint16_t config_vector_{virtio::no_vector};
  std::uint16_t queue_vector_{virtio::no_vector};
  std::uint8_t status_{};
  std::uint16_t queue_select_{};
  QueueLayout layout_{.size = Virtqueue::largest};
  bool enabled_{};
  bool bad_layout_{};
};

} // namespace sluice::pcie
