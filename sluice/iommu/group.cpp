#include <sluice/iommu/group.hpp>

#include <sluice/iommu/device.hpp>
#include <sluice/iommu/unit.hpp>

namespace sluice::iommu {

using base::Errc;
using base::Result;

Group::~Group() {
  while (first_ != nullptr) {
    Device* device = first_;
    first_ = device->next_in_group_;
    device->next_in_group_ = nullptr;
    device->group_ = nullptr;
  }
}

Device* Group::member(Device* device, Target target) {
  while (device != nullptr && !target.is_rid() && device->max_pasids() == 0) {
    device = device->next_in_group_;
  }
  return device;
}

Domain* Group::attached(Target target) {
  const platform::MutexGuard guard{unit_.platform_.sync, unit_.mutex_};
  Device* any = member(first_, target);
  const Attachment* attachment = any != nullptr ? any->find(target) : nullptr;
  return attachment != nullptr ? &attachment->domain() : nullptr;
}

base::Status Group::add(Device& device) {
  if (&device.unit() != &unit_) {
    return Errc::other_smmu;
  }
  const platform::MutexGuard guard{unit_.platform_.sync, unit_.mutex_};
  if (device.group_ != nullptr) {
    return Errc::busy;
  }
  if (device.has_attachments_locked() || (first_ != nullptr && first_->has_attachments_locked())) {
    return Errc::already_attached;
  }
  device.group_ = this;
  device.next_in_group_ = first_;
  first_ = &device;
  return {};
}

base::Status Group::remove(Device& device) {
  const platform::MutexGuard guard{unit_.platform_.sync, unit_.mutex_};
  if (device.group_ != this) {
    return Errc::not_found;
  }
  if (device.has_attachments_locked()) {
    return Errc::in_use;
  }
  Device** link = &first_;
  while (*link != &device) {
    link = &(*link)->next_in_group_;
  }
  *link = device.next_in_group_;
  device.next_in_group_ = nullptr;
  device.group_ = nullptr;
  return {};
}

Result<Change> Group::change(Domain& domain, Target target, bool replaces, const Options& options) {
  const platform::MutexGuard guard{unit_.platform_.sync, unit_.mutex_};
  if (first_ == nullptr) {
    return Errc::not_found;
  }
  Attachment* prepared = nullptr;
  Attachment** end = &prepared;
  Device* device = member(first_, target);
  if (device == nullptr) {
    return Errc::unsupported;
  }
  for (; device != nullptr; device = member(device->next_in_group_, target)) {
    auto next = device->prepare_locked(domain, target, replaces, options);
    if (!next) {
      while (prepared != nullptr) {
        Attachment* rest = prepared->next_prepared_;
        prepared->device().abandon_locked(*prepared);
        prepared = rest;
      }
      return next.error();
    }
    *end = *next;
    end = &(*next)->next_prepared_;
  }
  Change made;
  while (prepared != nullptr) {
    Attachment* rest = prepared->next_prepared_;
    made += prepared->device().commit_locked(*prepared);
    prepared = rest;
  }
  return made;
}

Result<Change> Group::attach(Domain& domain, Target target, const Options& options) {
  return change(domain, target, false, options);
}

Result<Change> Group::replace(Domain& domain, Target target, const Options& options) {
  return change(domain, target, true, options);
}

Result<Change> Group::detach(Target target) {
  const platform::MutexGuard guard{unit_.platform_.sync, unit_.mutex_};
  if (first_ == nullptr) {
    return Errc::not_found;
  }
  Device* device = member(first_, target);
  if (device == nullptr || device->find(target) == nullptr) {
    return Errc::not_attached;
  }
  Change made;
  for (; device != nullptr; device = member(device->next_in_group_, target)) {
    made += device->detach_locked(target);
  }
  return made;
}

} // namespace sluice::iommu
