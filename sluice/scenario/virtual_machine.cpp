#include <sluice/scenario/virtual_machine.hpp>

#include <sluice/hosted/errc.hpp>
#include <sluice/hosted/scratch.hpp>
#include <sluice/pcie/config_space.hpp>
#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <fmt/format.h>

#include <array>

#include <poll.h>
#include <unistd.h>

namespace sluice::scenario {

namespace i = uapi::iommufd;
namespace v = uapi::vfio;

namespace {

constexpr std::uint32_t map_flags = i::map_fixed_iova | i::map_readable | i::map_writeable;

std::uint64_t pointer(const void* to) { return reinterpret_cast<std::uintptr_t>(to); }

hosted::ArenaConfig ram_of(std::size_t size) {
  hosted::ArenaConfig config;
  config.size = size;
  return config;
}

} // namespace

VirtualMachine::VirtualMachine(machine::Host& host, Descriptors& descriptors, const Config& config)
    : arena{ram_of(config.ram)}, sync{*host.port().schedule}, irq{*host.port().schedule, 4}, host_{host},
      descriptors_{descriptors}, name_{config.name}, spare_{ram_of(4096)} {
  iommufd_ = descriptors_.open_iommufd();
  open_devices(config);
  make_memory();
  make_smmu(config);
  if (events_ >= 0) {
    reader_ =
        host_.port().schedule->start(name_ + " events", [this](const std::stop_token& stop) { read_events(stop); });
  }
}

// 0 or the end of the run.
template <class T>
void VirtualMachine::call(const char* what, T& structure) {
  structure.size = sizeof structure;
  if (const int result = descriptors_.ioctl(iommufd_, i::call(T::nr), &structure); result < 0) {
    throw hosted::SetupError{fmt::format("{}: {} failed with errno {}", name_, what, -result)};
  }
}

void VirtualMachine::open_devices(const Config& config) {
  for (const PassedThrough& passed : config.devices) {
    Device& device = devices_.emplace_back();
    device.passed = passed;
    device.fd = descriptors_.open_engine(passed.engine);
    v::BindIommufd bind;
    bind.argsz = sizeof bind;
    bind.iommufd = iommufd_;
    if (const int result = descriptors_.ioctl(device.fd, v::device_bind_iommufd, &bind); result < 0) {
      throw hosted::SetupError{fmt::format("{}: no device {}: errno {}", name_, passed.engine, -result)};
    }
    device.id = bind.out_devid;
    device.function = std::make_unique<GuestFunction>(*descriptors_.file(device.fd));
    device.function->config_write(pcie::config::command, 2,
                                  pcie::config::command_bus_master | pcie::config::command_memory_space);
  }
}

std::uint32_t VirtualMachine::make_parent() {
  i::HwptAlloc parent;
  parent.flags = i::hwpt_nest_parent;
  parent.dev_id = devices_.front().id;
  parent.pt_id = ioas_;
  call("HWPT_ALLOC", parent);
  return parent.out_hwpt_id;
}

void VirtualMachine::make_memory() {
  i::IoasAlloc ioas;
  call("IOAS_ALLOC", ioas);
  ioas_ = ioas.out_ioas_id;
  i::IoasMap map;
  map.flags = map_flags;
  map.ioas_id = ioas_;
  map.iova = arena.bus_base();
  map.length = arena.size();
  map.user_va = pointer(*arena.at(arena.bus_base(), 0));
  call("IOAS_MAP", map);
  parent_ = make_parent();
}

void VirtualMachine::make_smmu(const Config& config) {
  const auto ioctl = [this](int fd, unsigned long request, void* argument) {
    return descriptors_.ioctl(fd, request, argument);
  };
  const auto refused = [&](const char* what, base::Errc error) {
    return hosted::SetupError{fmt::format("{}: {}: {}", name_, what, hosted::name(error))};
  };
  std::optional<vsmmu::HostFacts> facts;
  for (const Device& device : devices_) {
    const auto of_device = vsmmu::Calls{ioctl, iommufd_}.hw_info(device.id);
    if (!of_device) {
      throw refused("no SMMU", of_device.error());
    }
    facts = facts ? vsmmu::together(*facts, *of_device) : *of_device;
  }
  auto features = vsmmu::offer(*facts, config.own);
  if (const auto there = config.elsewhere ? vsmmu::offer(*config.elsewhere, config.own) : features; !there) {
    features = there.error();
  } else if (features) {
    features = vsmmu::intersect(*features, *there);
  }
  if (!features) {
    throw refused("nothing to offer", features.error());
  }
  vsmmu::Config smmu;
  smmu.iommufd = iommufd_;
  smmu.parent = parent_;
  smmu.features = *features;
  auto made = vsmmu::Vsmmu::make(smmu, ioctl, ram_, lines_,
                                 [this](int fd, const void* from, std::size_t size) { return answer(fd, from, size); });
  if (!made) {
    throw refused("no virtual SMMU", made.error());
  }
  smmu_ = std::move(*made);
  for (const Device& device : devices_) {
    if (const auto added = smmu_->add_device({device.fd, device.id, device.passed.stream}); !added) {
      throw refused("a device is not taken", added.error());
    }
  }
  events_ = smmu_->event_descriptor();
  faults_ = smmu_->fault_descriptor();
  frame_ = std::make_unique<GuestFrame>(*smmu_, host_.port().sync, mutex_);
}

VirtualMachine::~VirtualMachine() {
  if (events_ >= 0) {
    static_cast<void>(host_.port().schedule->finish(reader_));
    ::close(events_); // before the queue that it is of
  }
  if (faults_ >= 0) {
    ::close(faults_);
  }
  smmu_.reset();
  for (const Device& device : devices_) {
    descriptors_.close(device.fd);
  }
  descriptors_.close(iommufd_);
}

// As a monitor's event loop would: whatever a descriptor has to say.
void VirtualMachine::read_events(const std::stop_token& stop) {
  const bool seeded = host_.port().schedule->seeded();
  while (!stop.stop_requested()) {
    {
      const platform::MutexGuard reading{host_.port().sync, reading_};
      std::array ready{pollfd{.fd = events_, .events = POLLIN, .revents = 0},
                       pollfd{.fd = faults_, .events = POLLIN, .revents = 0}}; // -1 is passed over
      if (poll(ready.data(), ready.size(), seeded ? 0 : 1) > 0) {
        if (ready[0].revents != 0) {
          take_events();
        }
        if (ready[1].revents != 0) {
          take_faults();
        }
      }
    }
    host_.port().time.relax();
  }
}

// What one read of the descriptor gives; false if there is nothing.
bool VirtualMachine::take_events() {
  const auto link = host_.queues().find(events_);
  std::array<std::byte, 4096> buffer;
  const auto size = link != nullptr ? link->read(events_, pointer(buffer.data()), buffer.size()) : 0;
  if (size <= 0) {
    return false;
  }
  const platform::MutexGuard guard{host_.port().sync, mutex_};
  static_cast<void>(smmu_->take_events(std::span{buffer}.first(static_cast<std::size_t>(size))));
  return true;
}

bool VirtualMachine::take_faults() {
  const auto link = host_.queues().find(faults_);
  std::array<std::byte, 40 * 64> buffer;
  const auto size = link != nullptr ? link->read(faults_, pointer(buffer.data()), buffer.size()) : 0;
  if (size <= 0) {
    return false;
  }
  const platform::MutexGuard guard{host_.port().sync, mutex_};
  static_cast<void>(smmu_->take_faults(std::span{buffer}.first(static_cast<std::size_t>(size))));
  return true;
}

long VirtualMachine::answer(int fd, const void* from, std::size_t size) {
  const auto link = host_.queues().find(fd);
  return link != nullptr ? link->write(pointer(from), size) : -static_cast<long>(uapi::Errno::bad_descriptor);
}

// Nobody reads the old descriptor any more when the last of it has been taken.
void VirtualMachine::replace_parent() {
  const std::uint32_t old = parent_;
  const std::uint32_t next = make_parent();
  const platform::MutexGuard reading{host_.port().sync, reading_};
  disturbances_.fetch_add(1);
  {
    const platform::MutexGuard guard{host_.port().sync, mutex_};
    if (const auto moved = smmu_->move_to(next); !moved) {
      throw hosted::SetupError{fmt::format("{}: not moved: {}", name_, hosted::name(moved.error()))};
    }
  }
  pollfd ready{.fd = events_, .events = POLLIN, .revents = 0};
  while (poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN) != 0 && take_events()) {
  }
  ::close(events_);
  if (faults_ >= 0) {
    ::close(faults_); // what is in it has been answered
  }
  const platform::MutexGuard guard{host_.port().sync, mutex_};
  if (const auto forgotten = smmu_->forget_left(); !forgotten) {
    throw hosted::SetupError{fmt::format("{}: not moved: {}", name_, hosted::name(forgotten.error()))};
  }
  events_ = smmu_->event_descriptor();
  faults_ = smmu_->fault_descriptor();
  disturbances_.fetch_add(1);
  parent_ = next;
  ++parents_replaced_;
  i::Destroy destroy;
  destroy.id = old;
  call("DESTROY", destroy);
}

void VirtualMachine::save_and_restore() {
  const platform::MutexGuard guard{host_.port().sync, mutex_};
  disturbances_.fetch_add(1);
  const auto state = smmu_->save();
  if (const auto restored = smmu_->restore(state); !restored) {
    throw hosted::SetupError{fmt::format("{}: not restored: {}", name_, hosted::name(restored.error()))};
  }
  disturbances_.fetch_add(1);
  ++restored_;
}

vsmmu::Counters VirtualMachine::counters() {
  const platform::MutexGuard guard{host_.port().sync, mutex_};
  return smmu_->counters();
}

void VirtualMachine::plug_memory() {
  const std::uint64_t beyond = arena.bus_base() + arena.size();
  if (spare_mapped_) {
    i::IoasUnmap unmap;
    unmap.ioas_id = ioas_;
    unmap.iova = beyond;
    unmap.length = spare_.size();
    call("IOAS_UNMAP", unmap);
  } else {
    i::IoasMap map;
    map.flags = map_flags;
    map.ioas_id = ioas_;
    map.iova = beyond;
    map.length = spare_.size();
    map.user_va = pointer(*spare_.at(spare_.bus_base(), 0));
    call("IOAS_MAP", map);
    ++plugged_;
  }
  spare_mapped_ = !spare_mapped_;
}

} // namespace sluice::scenario
