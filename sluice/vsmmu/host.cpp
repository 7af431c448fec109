#include <sluice/vsmmu/host.hpp>

#include <sluice/arch/commands.hpp>

#include <utility>

namespace sluice::vsmmu {

using arch::Ste;
using arch::SteConfig;
using base::Errc;
using base::Status;

namespace {

SteWords words_of(SteConfig config) {
  const Ste ste = Ste{}.with(Ste::V, 1).with(Ste::Config, config);
  return {ste.w[0], ste.w[1]};
}

} // namespace

Status Host::open(std::uint32_t device, std::uint32_t event_depth, bool stalls) {
  if (const auto closed = close(); !closed) {
    return closed;
  }
  const auto viommu = calls_.make_viommu(device, parent_);
  if (!viommu) {
    return viommu.error();
  }
  viommu_ = *viommu;
  const auto made = [&]() -> Status {
    // A guest on a host without invalidation would run, and wait for its first CMD_SYNC for ever.
    std::uint32_t done = 0;
    const arch::Command probe = arch::cmd::tlbi_nsnh_all();
    if (const int error = calls_.invalidate(viommu_, {&probe, 1}, done); error != 0) {
      return Calls::errc(error);
    }
    for (const auto& [table, config] : {std::pair{&abort_, SteConfig::abort}, std::pair{&bypass_, SteConfig::bypass}}) {
      const auto nested = calls_.make_nested(device, viommu_, words_of(config));
      if (!nested) {
        return nested.error();
      }
      *table = *nested;
    }
    if (stalls) {
      const auto faults = calls_.make_fault_queue();
      if (!faults) {
        return faults.error();
      }
      faults_ = *faults;
    }
    return {};
  }();
  if (!made) {
    static_cast<void>(close()); // nobody has a descriptor yet
    return made;
  }
  open_ = true;
  if (const auto events = calls_.make_event_queue(viommu_, event_depth)) {
    events_ = *events; // kernels before 6.15 have none: the guest runs without events
  }
  return {};
}

// A queue's descriptor holds the queue, and that the vIOMMU. What is not there any more has ended all the same.
Status Host::close() {
  open_ = false;
  Status closed;
  for (std::uint32_t* id : {&events_.id, &faults_.id, &abort_, &bypass_, &viommu_}) {
    const Status gone = *id != 0 ? calls_.destroy(*id) : Status{};
    if (gone || gone == Errc::not_found) {
      *id = 0;
    } else if (closed) {
      closed = gone;
    }
  }
  for (EventChannel* channel : {&events_, &faults_}) {
    channel->descriptor = channel->id != 0 ? channel->descriptor : -1;
  }
  return closed;
}

Status Host::name(Assigned& device) {
  const auto vdevice = calls_.make_vdevice(viommu_, device.info.id, device.info.stream);
  if (!vdevice) {
    return vdevice.error();
  }
  device.vdevice = *vdevice;
  return {};
}

std::uint32_t Host::table_of(Place place) const {
  return place == Place::memory ? parent_ : place == Place::bypass ? bypass_ : abort_;
}

bool Host::attach(Assigned& device, Place place, std::uint32_t table) {
  if (!calls_.attach(device.info.descriptor, table)) {
    return false;
  }
  device.place = place;
  return true;
}

// Detaching cannot fail, and what is not attached is blocked.
void Host::block(Assigned& device) {
  if (device.place != Place::abort && !attach(device, Place::abort, abort_)) {
    static_cast<void>(calls_.detach(device.info.descriptor));
    device.place = Place::nowhere;
  }
}

Placed Host::place(Assigned& device, Place place, const SteWords& words) {
  if (device.place == place && place != Place::nowhere && (place != Place::stage1 || device.words == words)) {
    return Placed::done;
  }
  const std::uint32_t old = std::exchange(device.nested, 0);
  Placed placed = Placed::done;
  if (place == Place::stage1) {
    const auto nested = calls_.make_nested(device.info.id, viommu_, words, faults_.id);
    if (nested && attach(device, place, *nested)) {
      device.nested = *nested;
      device.words = words;
    } else {
      const bool refused = !nested && nested == Errc::io_error;
      placed = refused ? Placed::refused : Placed::failed;
      if (nested) {
        static_cast<void>(calls_.destroy(*nested));
      }
    }
  } else if (!attach(device, place, table_of(place))) {
    placed = Placed::failed;
  }
  if (placed != Placed::done) {
    block(device);
  }
  if (old != 0) {
    static_cast<void>(calls_.destroy(old));
  }
  return placed;
}

// A device has one vDEVICE at a time. Without one it goes on in the HWPT that it is attached to.
Status Host::take(Assigned& device, Host& from) {
  Assigned moved{device.info, 0, 0, device.words, device.place};
  if (const auto nameless = calls_.destroy(device.vdevice); !nameless) {
    return nameless;
  }
  Status taken = name(moved);
  if (taken && moved.place == Place::stage1) {
    const auto nested = calls_.make_nested(moved.info.id, viommu_, moved.words, faults_.id);
    taken = nested ? Status{} : nested.error();
    moved.nested = nested ? *nested : 0;
  }
  if (taken && moved.place != Place::nowhere) {
    taken = calls_.attach(moved.info.descriptor, moved.nested != 0 ? moved.nested : table_of(moved.place));
  }
  const Assigned& gone = taken ? device : moved;
  for (const std::uint32_t id : {gone.nested, taken ? 0 : gone.vdevice}) {
    if (id != 0) {
      static_cast<void>(calls_.destroy(id));
    }
  }
  if (taken) {
    device = moved;
  } else if (!from.name(device)) {
    device.vdevice = 0;
    static_cast<void>(from.place(device, Place::abort)); // nothing could be invalidated for it
  }
  return taken;
}

void Host::let_go(Assigned& device) {
  static_cast<void>(place(device, Place::memory));
  if (device.vdevice != 0) {
    static_cast<void>(calls_.destroy(std::exchange(device.vdevice, 0)));
  }
}

} // namespace sluice::vsmmu
