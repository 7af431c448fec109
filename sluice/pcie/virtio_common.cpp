#include <sluice/pcie/virtio_common.hpp>

#include <array>
#include <bit>

namespace sluice::pcie {

namespace c = virtio::common;

namespace {

constexpr std::uint16_t queues = 1;

class Image {
public:
  void put(std::uint64_t offset, unsigned size, std::uint64_t value) {
    for (unsigned i = 0; i < size; ++i) {
      bytes_[offset + i] = static_cast<std::uint8_t>(value >> 8 * i);
    }
  }
  std::uint64_t get(std::uint64_t offset, unsigned size) const {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size && offset + i < bytes_.size(); ++i) {
      value |= std::uint64_t{bytes_[offset + i]} << 8 * i;
    }
    return value;
  }

private:
  std::array<std::uint8_t, c::bytes> bytes_{};
};

std::uint32_t half(std::uint64_t value, std::uint32_t select) {
  return select < 2 ? static_cast<std::uint32_t>(value >> 32 * select) : 0;
}

void put_half(std::uint64_t& value, std::uint32_t select, std::uint64_t in) {
  if (select < 2) {
    value = (value & ~(0xffff'ffffULL << 32 * select)) | (in & 0xffff'ffff) << 32 * select;
  }
}

void put_address(std::uint64_t& address, std::uint64_t within, unsigned size, std::uint64_t value) {
  if (within == 0 && size == 8) {
    address = value;
  } else if (size == 4) {
    put_half(address, within == 0 ? 0 : 1, value);
  }
}

} // namespace

std::uint64_t VirtioCommon::read(std::uint64_t offset, unsigned size) const {
  Image image;
  image.put(c::device_feature_select, 4, device_select_);
  image.put(c::device_feature, 4, half(features_, device_select_));
  image.put(c::driver_feature_select, 4, driver_select_);
  image.put(c::driver_feature, 4, half(accepted_, driver_select_));
  image.put(c::config_msix_vector, 2, config_vector_);
  image.put(c::num_queues, 2, queues);
  image.put(c::device_status, 1, status_);
  image.put(c::queue_select, 2, queue_select_);
  if (queue_select_ < queues) { // 4.1.4.3.1: a size of zero where there is no queue
    image.put(c::queue_size, 2, layout_.size);
    image.put(c::queue_msix_vector, 2, queue_vector_);
    image.put(c::queue_enable, 2, enabled_ ? 1 : 0);
    image.put(c::queue_desc, 8, layout_.descriptors);
    image.put(c::queue_driver, 8, layout_.driver);
    image.put(c::queue_device, 8, layout_.device);
  }
  return image.get(offset, size);
}

void VirtioCommon::write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (offset == c::device_feature_select && size == 4) {
    device_select_ = static_cast<std::uint32_t>(value);
  } else if (offset == c::driver_feature_select && size == 4) {
    driver_select_ = static_cast<std::uint32_t>(value);
  } else if (offset == c::driver_feature && size == 4) {
    if ((status_ & virtio::features_ok) == 0) {
      put_half(accepted_, driver_select_, value);
    }
  } else if (offset == c::config_msix_vector && size == 2) {
    config_vector_ = checked(value);
  } else if (offset == c::device_status && size == 1) {
    write_status(static_cast<std::uint8_t>(value));
  } else if (offset == c::queue_select && size == 2) {
    queue_select_ = static_cast<std::uint16_t>(value);
  } else if (offset >= c::queue_size && queue_select_ < queues) {
    write_queue(offset, size, value);
  }
}

// 2.2.1, 6.1: without version 1 there is no device for us to be, and without the platform's access rules our requests
// would not go where the driver thinks.
void VirtioCommon::write_status(std::uint8_t value) {
  constexpr std::uint64_t required = virtio::version_1 | virtio::access_platform;
  const bool acceptable = (accepted_ & ~features_) == 0 && (accepted_ & required) == required;
  std::uint8_t next = value & virtio::driver_status;
  if (!acceptable) {
    next = next & ~virtio::features_ok;
  }
  if ((next & virtio::features_ok) == 0) {
    next = next & ~virtio::driver_ok;
  }
  status_ |= next; // 2.1.1: a driver clears no bit but by a reset
}

void VirtioCommon::write_queue(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (offset == c::queue_msix_vector && size == 2) {
    queue_vector_ = checked(value);
    return;
  }
  if (enabled_) {
    return;
  }
  if (offset == c::queue_size && size == 2) {
    if (std::has_single_bit(value) && value <= Virtqueue::largest) {
      layout_.size = static_cast<std::uint16_t>(value);
    }
  } else if (offset == c::queue_enable && size == 2 && value == 1) {
    enable();
  } else if (offset % 4 == 0 && offset >= c::queue_desc && offset < c::bytes) {
    auto& address = offset < c::queue_driver   ? layout_.descriptors
                    : offset < c::queue_device ? layout_.driver
                                               : layout_.device;
    put_address(address, offset % 8, size, value);
  }
}

// 2.7: alignment 16, 2 and 4, and no ring wraps.
void VirtioCommon::enable() {
  const std::uint64_t size = layout_.size;
  const auto fits = [](std::uint64_t at, std::uint64_t bytes, std::uint64_t align) {
    return at % align == 0 && at + bytes > at;
  };
  enabled_ = fits(layout_.descriptors, 16 * size, 16) && fits(layout_.driver, 6 + 2 * size, 2) &&
             fits(layout_.device, 6 + 8 * size, 4);
  bad_layout_ = !enabled_;
}

// 4.1.5.1.2: a vector that is not there is read back as none.
std::uint16_t VirtioCommon::checked(std::uint64_t vector) const {
  return vector < vectors_ ? static_cast<std::uint16_t>(vector) : virtio::no_vector;
}

void VirtioCommon::reset() { *this = VirtioCommon{features_, vectors_}; }

} // namespace sluice::pcie
