#include <sluice/iommufd/device.hpp>

#include <sluice/iommufd/hwpt.hpp>

namespace sluice::iommufd {

using base::Errc;

Device::Device(iommu::Device& device, DeviceFacts facts)
    : Object{object_type}, device_{device}, facts_{std::move(facts)} {
  hold(); // DESTROY of its id is refused
}

Device::~Device() { detach(); }

// The reservations belong to the device, on the IOAS of whatever it is attached to.
base::Status Device::reserve(Hwpt& hwpt) {
  for (const Range& range : facts_.reserved) {
    if (auto status = hwpt.ioas().reserve(range, this); !status) {
      hwpt.ioas().unreserve(this);
      return status;
    }
  }
  return {};
}

void Device::drop_messages(Hwpt& hwpt) {
  if (facts_.messages) {
    hwpt.paging().drop_messages();
  }
}

void Device::unreserve(Hwpt& hwpt) { hwpt.ioas().unreserve(this); }

base::Status Device::attach(Hwpt& hwpt) {
  if (hwpt_.get() == &hwpt) {
    return {};
  }
  if (&hwpt.domain().unit() != &device_.unit()) {
    return Errc::invalid_argument;
  }
  const bool same_ioas = hwpt_ && &hwpt_->ioas() == &hwpt.ioas();
  if (!same_ioas) {
    if (auto status = reserve(hwpt); !status) {
      return status;
    }
  }
  if (facts_.messages) {
    if (auto status = hwpt.paging().hold_messages(*facts_.messages); !status) {
      if (!same_ioas) {
        unreserve(hwpt);
      }
      return status;
    }
  }
  const auto changed = hwpt_ ? device_.replace(hwpt.domain()) : device_.attach(hwpt.domain());
  if (!changed) {
    drop_messages(hwpt);
    if (!same_ioas) {
      unreserve(hwpt);
    }
    return changed.error();
  }
  if (hwpt_) {
    drop_messages(*hwpt_);
  }
  if (hwpt_ && !same_ioas) {
    unreserve(*hwpt_);
  }
  hwpt_ = Ref<Hwpt>{hwpt};
  return {};
}

void Device::detach() {
  if (!hwpt_) {
    return;
  }
  static_cast<void>(device_.detach());
  drop_messages(*hwpt_);
  unreserve(*hwpt_);
  hwpt_.reset();
}

} // namespace sluice::iommufd
