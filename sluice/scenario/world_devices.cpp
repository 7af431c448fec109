#include <sluice/hosted/errc.hpp>
#include <sluice/scenario/world.hpp>

#include <fmt/format.h>

#include <utility>

// How devices of a long run come and go, alone or as a group, and what is done to them.
namespace sluice::scenario {

base::Result<iommu::Change> LongDevice::change(iommu::Domain& domain, iommu::Target at, bool replaces) {
  const iommu::Options hitless{.require_hitless = true};
  if (group) {
    return replaces ? group->replace(domain, at, hitless) : group->attach(domain, at, hitless);
  }
  iommu::Device& d = *device.load();
  return replaces ? d.replace(domain, at, hitless) : d.attach(domain, at, hitless);
}

base::Result<iommu::Change> LongDevice::detach(iommu::Target at) {
  return group ? group->detach(at) : device.load()->detach(at);
}

iommu::Device* World::add_one(const LongDevice& device, std::span<const std::uint32_t> streams) {
  const driver::DeviceFacts facts{.may_stall = device.endpoint == nullptr, .pasid_bits = World::pasid_bits};
  const auto added =
      common.driver.add(device.endpoint != nullptr ? &device.endpoint->function : nullptr, streams, facts);
  if (!added) {
    findings.add(Rule::queues,
                 fmt::format("StreamID {:#x} cannot be added: {}", streams.front(), hosted::name(added.error())));
    return nullptr;
  }
  const auto joined = device.group ? device.group->add(**added) : base::Status{};
  if (!joined) {
    findings.add(Rule::queues, fmt::format("StreamID {:#x} does not come into its group: {}", streams.front(),
                                           hosted::name(joined.error())));
  }
  return *added;
}

bool World::add(LongDevice& device) {
  if (!device.lock.take()) {
    return false;
  }
  const bool absent = device.device.load() == nullptr;
  if (absent) {
    const std::span all{device.streams};
    device.device.store(add_one(device, device.group ? all.first(1) : all));
    if (device.group) {
      device.second.store(add_one(device, all.last(1)));
    }
  }
  device.lock.give();
  return absent;
}

void World::remove_one(base::Atomic<iommu::Device*>& device, std::uint32_t stream) {
  iommu::Device* const d = device.load();
  const auto removed = d != nullptr ? common.driver.remove(*d) : base::Status{};
  device.store(nullptr); // until then records of it may come to the witness
  if (!removed) {
    findings.add(Rule::queues,
                 fmt::format("StreamID {:#x} cannot be removed: {}", stream, hosted::name(removed.error())));
  }
}

void World::leave_guest(LongTarget& target, Realm& realm) {
  if (const auto left = realm.forget_device(*target.device.device.load()); !left) {
    findings.add(Rule::queues, fmt::format("{} does not leave {}: {}", target.describe(), realm.describe(),
                                           hosted::name(left.error())));
  }
}

bool World::remove(LongDevice& device) {
  if (!device.lock.take()) {
    return false;
  }
  iommu::Device* const d = device.device.load();
  if (d != nullptr) {
    std::vector<LongTarget*> mine;
    for (const auto& target : targets) {
      if (&target->device == &device && target->realm != nullptr) {
        mine.push_back(target.get());
        target->is.begin(nullptr);
        if (device.group || target->realm->is_guest()) { // else removal detaches
          static_cast<void>(device.detach(target->at));
        }
        if (target->realm->is_guest()) {
          leave_guest(*target, *target->realm);
        }
      }
    }
    if (device.group) {
      static_cast<void>(device.group->remove(*d));
      static_cast<void>(device.group->remove(*device.second.load()));
      remove_one(device.second, device.streams.back());
    }
    remove_one(device.device, device.streams.front());
    for (LongTarget* target : mine) {
      target->is.end();
      std::exchange(target->realm, nullptr)->guests.unshare();
    }
  }
  device.lock.give();
  return d != nullptr;
}

} // namespace sluice::scenario
