#include <sluice/uapi/vfio.hpp>
#include <sluice/vfio/cdev.hpp>

#include <bit>

// DEVICE_IOEVENTFD: an eventfd of the client's that writes a register, as a VMM wants it for what its guest writes
// often.
namespace sluice::vfio {

namespace u = uapi::vfio;
using base::Errc;
using base::Order;
using base::Status;

Status File::ioeventfd(std::uint64_t argument) {
  u::IoEventfd cmd{};
  if (auto status = read(argument, cmd, u::IoEventfd::min_size); !status) {
    return status;
  }
  const std::uint32_t size = cmd.flags & u::ioeventfd_sizes;
  if (cmd.argsz < u::IoEventfd::min_size || cmd.flags != size || !std::has_single_bit(size) || cmd.fd < -1) {
    return Errc::invalid_argument;
  }
  constexpr std::uint64_t in_region = (1ULL << u::region_shift) - 1;
  const std::uint64_t region = cmd.offset >> u::region_shift;
  const std::uint64_t at = cmd.offset & in_region;
  const std::uint64_t bytes = region < u::region_rom ? cdev_.function_.bar_size(static_cast<unsigned>(region)) : 0;
  if (size > bytes || at > bytes - size) {
    return Errc::invalid_argument;
  }
  const auto& msix = cdev_.interrupts_.msix();
  if (msix && msix->bar == region && at < msix->end() && at + size > msix->offset) {
    return Errc::invalid_argument;
  }
  return cdev_.ioeventfds_.set({static_cast<unsigned>(region), at, size, cmd.data}, cmd.fd);
}

void Cdev::write_register(const Ioeventfds::Place& place) {
  if (memory_enabled_.load(Order::acquire) && !low_power_.load(Order::acquire)) {
    function_.region_write(place.bar, place.at, place.size, place.data);
  }
}

} // namespace sluice::vfio
