#include <sluice/iommufd/context.hpp>

#include <sluice/iommu/unit.hpp>
#include <sluice/iommufd/call.hpp>
#include <sluice/iommufd/hwpt.hpp>
#include <sluice/iommufd/undo.hpp>
#include <sluice/iommufd/viommu.hpp>
#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <algorithm>
#include <new>
#include <vector>

namespace sluice::iommufd {

using base::Errc;
using base::Status;

Context::Context(Host host, platform::Sync& sync, Observer* observer) : host_{host}, sync_{sync}, observer_{observer} {}

Context::~Context() { objects_.destroy_all(); }

int Context::ioctl(std::uint32_t number, std::uint64_t argument) {
  const platform::MutexGuard guard{sync_, mutex_};
  const Status status = dispatch(number, argument);
  return status ? 0 : -static_cast<int>(uapi::to_errno(status.error()));
}

// The order of these answers is the interface's: a bad pointer before an unknown number, within the range of numbers
// that exist.
Status Context::dispatch(std::uint32_t number, std::uint64_t argument) {
  constexpr std::uint32_t last_number = uapi::iommufd::IoasNoiommuGetPa::nr;
  if ((number & 0xff) < uapi::iommufd::call_base || (number & 0xff) > last_number) {
    return Errc::unknown_call;
  }
  Call call{*this, argument};
  const CallEntry* const entry = find_call(number);
  // A look at a caller's memory costs more than all else of a small call, and nearly always one is enough.
  const auto known = std::span{call.data}.first(entry != nullptr ? entry->size : 0);
  const bool whole = entry != nullptr && host_.caller.read(argument, known).ok();
  const auto size = whole ? base::Result{call.as<std::uint32_t>()} : call.read<std::uint32_t>(argument);
  if (!size) {
    return size.error();
  }
  if (entry == nullptr) {
    return Errc::unknown_call;
  }
  if (*size < entry->min_size) {
    return Errc::bad_size;
  }
  call.caller_size = *size;
  call.known_size = entry->size;
  const auto theirs = known.first(std::min(*size, entry->size));
  std::fill(known.begin() + static_cast<std::ptrdiff_t>(theirs.size()), known.end(), std::byte{});
  if (auto status = whole ? Status{} : host_.caller.read(argument, theirs); !status) {
    return status;
  }
  for (std::uint64_t at = entry->size; at < *size;) {
    std::array<std::byte, 256> tail;
    const auto piece = std::span{tail}.first(std::min<std::uint64_t>(tail.size(), *size - at));
    if (auto status = host_.caller.read(argument + at, piece); !status) {
      return status;
    }
    if (std::any_of(piece.begin(), piece.end(), [](std::byte b) { return b != std::byte{}; })) {
      return Errc::trailing_data;
    }
    at += piece.size();
  }
  const auto request = call.data;
  const Status status = handle(call, entry->handler);
  if (observer_ != nullptr) {
    observer_->on_call({number, std::span{request}.first(entry->size), std::span{call.data}.first(entry->size),
                        argument, status, this});
  }
  return status;
}

// What ran out of memory has undone itself.
Status Context::handle(Call& call, Handler handler) try { return handler(call); } catch (const std::bad_alloc&) {
  return Errc::no_memory;
}

Status Call::respond() {
  return host().caller.write(argument, std::span{data}.first(std::min(caller_size, known_size)));
}

base::Result<Device*> Context::bind(iommu::Device& device, DeviceFacts facts) try {
  const platform::MutexGuard guard{sync_, mutex_};
  Group& group = group_of(device);
  auto bound = objects_.add(std::make_unique<Device>(device, group, std::move(facts)));
  return bound;
} catch (const std::bad_alloc&) {
  return Errc::no_memory;
}

// One without a device is taken for the next.
Group& Context::group_of(iommu::Device& device) {
  std::erase_if(groups_, [&](const auto& group) {
    bool used = false;
    objects_.for_each<Device>([&](const Device& d) { used = used || &d.group() == group.get(); });
    return !used;
  });
  const auto at = std::find_if(groups_.begin(), groups_.end(), [&](const auto& group) { return group->has(device); });
  return at != groups_.end() ? **at : *groups_.emplace_back(std::make_unique<Group>(device));
}

void Context::unbind(Device& device) {
  const platform::MutexGuard guard{sync_, mutex_};
  while (Hwpt* const hwpt = device.group().detach_any(device)) {
    drop_automatic(hwpt);
  }
  if (device.vdevice != nullptr) {
    objects_.remove(*device.vdevice, true);
  }
  objects_.remove(device);
}

base::Result<std::uint32_t> Context::attach(Device& device, std::uint32_t id, std::uint32_t pasid) try {
  const platform::MutexGuard guard{sync_, mutex_};
  return attach_locked(device, id, pasid);
} catch (const std::bad_alloc&) {
  return Errc::no_memory;
}

base::Result<std::uint32_t> Context::attach_locked(Device& device, std::uint32_t id, std::uint32_t pasid) {
  if (objects_.find(id) == nullptr) {
    return Errc::not_found;
  }
  if (auto ioas = objects_.get<Ioas>(id); ioas) {
    return attach_ioas(device, **ioas, pasid);
  }
  auto hwpt = find_hwpt(objects_, id);
  if (!hwpt) {
    return Errc::invalid_argument;
  }
  Hwpt* const before = device.hwpt(pasid);
  if (auto status = device.group().attach(device, pasid, **hwpt); !status) {
    return status.error();
  }
  if (before != *hwpt) {
    drop_automatic(before);
  }
  return id;
}

// An HWPT that was made for another device serves if the device can be attached to it: invalid_argument says "not that
// one".
base::Result<std::uint32_t> Context::attach_ioas(Device& device, Ioas& ioas, std::uint32_t pasid) {
  Hwpt* const before = device.hwpt(pasid);
  std::vector<HwptPaging*> candidates;
  objects_.for_each<HwptPaging>([&](HwptPaging& h) {
    if (h.automatic && &h.ioas() == &ioas) {
      candidates.push_back(&h);
    }
  });
  for (HwptPaging* candidate : candidates) {
    const auto status = device.group().attach(device, pasid, *candidate);
    if (status) {
      if (before != candidate) {
        drop_automatic(before);
      }
      return candidate->id();
    }
    if (status.error() != Errc::invalid_argument) {
      return status.error();
    }
  }
  auto made = HwptPaging::make(ioas, device.device().unit(), {});
  if (!made) {
    return made.error();
  }
  auto hwpt = objects_.add(std::move(*made));
  if (!hwpt) {
    return hwpt.error();
  }
  (*hwpt)->automatic = true;
  Undo undo{[&] { objects_.remove(**hwpt); }};
  if (auto status = device.group().attach(device, pasid, **hwpt); !status) {
    return status.error();
  }
  undo.keep();
  drop_automatic(before);
  return (*hwpt)->id();
}

void Context::detach(Device& device, std::uint32_t pasid) {
  const platform::MutexGuard guard{sync_, mutex_};
  drop_automatic(device.group().detach(device, pasid));
}

void Context::drop_automatic(Hwpt* hwpt) {
  if (hwpt != nullptr && hwpt->type() == ObjectType::hwpt_paging && static_cast<HwptPaging*>(hwpt)->automatic &&
      hwpt->idle()) {
    objects_.remove(*hwpt);
  }
}

base::Result<bool> Context::ioas_maps(std::uint32_t id, std::uint64_t iova) {
  const platform::MutexGuard guard{sync_, mutex_};
  auto ioas = objects_.get<Ioas>(id);
  if (!ioas) {
    return ioas.error();
  }
  return (*ioas)->maps(iova);
}

base::Result<bool> Context::ioas_maps(const iommu::Device& device, std::uint64_t iova) {
  const platform::MutexGuard guard{sync_, mutex_};
  base::Result<bool> found = Errc::not_found;
  objects_.for_each<Device>([&](Device& d) {
    if (&d.device() == &device && d.hwpt() != nullptr) {
      found = d.hwpt()->ioas().maps(iova);
    }
  });
  return found;
}

base::Result<Placement> Context::placement(const iommu::Device& device) {
  const platform::MutexGuard guard{sync_, mutex_};
  base::Result<Placement> found = Errc::not_found;
  objects_.for_each<Device>([&](Device& d) {
    if (&d.device() != &device) {
      return;
    }
    found = Placement{.device = d.id()};
    if (Hwpt* const hwpt = d.hwpt()) {
      found->hwpt = hwpt->id();
      found->viommu = hwpt->viommu() != nullptr ? hwpt->viommu()->id() : 0;
    }
    if (d.vdevice != nullptr) {
      found->vdevice = d.vdevice->id();
      found->virtual_id = d.vdevice->virtual_id();
    }
  });
  return found;
}

// The mutex is held by the call that is being observed.
Status Context::read(std::uint32_t hwpt, std::uint64_t address, std::span<std::byte> into) {
  const auto found = find_hwpt(objects_, hwpt);
  return found ? (*found)->ioas().read(address, into) : found.error();
}

} // namespace sluice::iommufd
