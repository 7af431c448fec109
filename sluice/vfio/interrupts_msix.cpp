#include <sluice/vfio/interrupts.hpp>

#include <sluice/pcie/msix.hpp>

namespace sluice::vfio {

using base::Errc;
using base::Status;

namespace {
constexpr std::uint64_t entry_data = 8;
constexpr std::uint64_t entry_control = 12;
constexpr std::uint32_t masked = 1;

void write_entry(pcie::Function& function, const MsixPlace& place, std::uint32_t vector, const Message& message) {
  const std::uint64_t at = place.offset + std::uint64_t{vector} * MsixPlace::entry_bytes;
  function.region_write(place.bar, at + entry_control, 4, masked);
  function.region_write(place.bar, at, 4, static_cast<std::uint32_t>(message.address));
  function.region_write(place.bar, at + 4, 4, message.address >> 32);
  function.region_write(place.bar, at + entry_data, 4, message.data);
  function.region_write(place.bar, at + entry_control, 4, 0);
}

void mask_entry(pcie::Function& function, const MsixPlace& place, std::uint32_t vector) {
  function.region_write(place.bar, place.offset + std::uint64_t{vector} * MsixPlace::entry_bytes + entry_control, 4,
                        masked);
}

} // namespace

Status Interrupts::trigger_msix(const IrqRequest& request) {
  if (kind_ == Kind::msix && request.count == 0 && request.none()) {
    disable_msix();
    return {};
  }
  if (kind_ == Kind::intx) {
    return Errc::invalid_argument;
  }
  if (request.has_eventfds()) {
    if (kind_ == Kind::msix) {
      return set_block(request);
    }
    if (auto status = enable_msix(request.start + request.count); !status) {
      return status;
    }
    auto status = set_block(request);
    if (!status) {
      disable_msix();
    }
    return status;
  }
  if (kind_ != Kind::msix) {
    return Errc::invalid_argument;
  }
  for (std::uint32_t i = 0; i < request.count; ++i) {
    if (request.says(i)) {
      table_[request.start + i].trigger.signal();
    }
  }
  return {};
}

// All or none of them.
Status Interrupts::set_block(const IrqRequest& request) {
  for (std::uint32_t i = 0; i < request.count; ++i) {
    const auto status = set_vector(request.start + i, request.eventfd(i));
    if (!status) {
      for (std::uint32_t back = 0; back <= i; ++back) {
        drop_vector(request.start + back);
      }
      return status;
    }
  }
  return {};
}

Status Interrupts::set_vector(std::uint32_t vector, std::int32_t fd) {
  drop_vector(vector);
  if (fd < 0) {
    return {};
  }
  if (vector >= allocated_ && !dynamic_msix_) {
    return Errc::invalid_argument;
  }
  auto own = Eventfd::duplicate(fd);
  if (!own) {
    return own.error();
  }
  Vector& entry = table_[vector];
  entry.trigger = std::move(*own);
  auto message = vectors_.connect(function_.address(), entry.trigger);
  if (!message) {
    entry.trigger = {};
    return message.error();
  }
  entry.message = *message;
  write_entry(function_, *place_, vector, *message);
  return {};
}

void Interrupts::drop_vector(std::uint32_t vector) {
  Vector& entry = table_[vector];
  if (entry.trigger) {
    mask_entry(function_, *place_, vector);
    vectors_.disconnect(function_.address(), entry.message);
    entry.trigger = {};
  }
}

Status Interrupts::enable_msix(std::uint32_t wanted) {
  if (wanted == 0) {
    return Errc::too_large;
  }
  kind_ = Kind::msix;
  allocated_ = wanted;
  write_control(true);
  return {};
}

void Interrupts::disable_msix() {
  if (kind_ != Kind::msix) {
    return;
  }
  for (std::uint32_t v = 0; v < table_.size(); ++v) {
    drop_vector(v);
  }
  write_control(false);
  kind_ = Kind::none;
  allocated_ = 0;
}

void Interrupts::write_control(bool enable) {
  function_.config_write(static_cast<std::uint16_t>(place_->capability + 2), 2, enable ? pcie::Msix::enable_bit : 0);
}

void Interrupts::restore() {
  const platform::MutexGuard guard{sync_, gate_};
  if (kind_ != Kind::msix) {
    return;
  }
  for (std::uint32_t v = 0; v < table_.size(); ++v) {
    if (table_[v].trigger) {
      write_entry(function_, *place_, v, table_[v].message);
    }
  }
  write_control(true);
}

} // namespace sluice::vfio
