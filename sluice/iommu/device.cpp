#include <sluice/iommu/device.hpp>

#include <sluice/iommu/unit.hpp>

namespace sluice::iommu {

using base::Errc;
using base::Result;

base::Status Device::check(Target target) const {
  if (target.is_rid()) {
    return {};
  }
  if (max_pasids() == 0) {
    return Errc::unsupported;
  }
  if (target.value() == 0) {
    return Errc::invalid_argument;
  }
  return target.value() < max_pasids() ? base::Status{} : Errc::too_large;
}

Domain* Device::attached(Target target) {
  const platform::MutexGuard guard{unit_.platform_.sync, unit_.mutex_};
  const Attachment* attachment = find(target);
  return attachment != nullptr ? &attachment->domain() : nullptr;
}

Result<Attachment*> Device::prepare_locked(Domain& domain, Target target, bool replaces, const Options& options) {
  if (&domain.unit() != &unit_) {
    return Errc::other_smmu;
  }
  const auto checked = check(target);
  if (!checked) {
    return checked.error();
  }
  Attachment* old = find(target);
  if (replaces != (old != nullptr)) {
    return replaces ? Errc::not_attached : Errc::already_attached;
  }
  return prepare(domain, target, old, options);
}

Change Device::commit_locked(Attachment& next) {
  const Target target = next.target();
  Attachment* old = find(target);
  Domain* before = old != nullptr ? &old->domain() : nullptr;
  next.domain().hold();
  const Change made = commit(next, old);
  if (target.is_rid()) {
    rid_ = &next;
  }
  if (before != nullptr) {
    before->drop();
  }
  return made;
}

void Device::abandon_locked(Attachment& next) { abandon(next); }

Change Device::detach_locked(Target target) {
  Attachment* old = find(target);
  if (old == nullptr) {
    return {};
  }
  Domain& before = old->domain();
  const Change made = detach_and_free(*old);
  if (target.is_rid()) {
    rid_ = nullptr;
  }
  before.drop();
  return made;
}

Result<Change> Device::change(Domain& domain, Target target, bool replaces, const Options& options) {
  const platform::MutexGuard guard{unit_.platform_.sync, unit_.mutex_};
  if (group_ != nullptr) {
    return Errc::busy;
  }
  auto next = prepare_locked(domain, target, replaces, options);
  if (!next) {
    return next.error();
  }
  return commit_locked(**next);
}

Result<Change> Device::attach(Domain& domain, Target target, const Options& options) {
  return change(domain, target, false, options);
}

Result<Change> Device::replace(Domain& domain, Target target, const Options& options) {
  return change(domain, target, true, options);
}

Result<Change> Device::detach(Target target) {
  const platform::MutexGuard guard{unit_.platform_.sync, unit_.mutex_};
  if (group_ != nullptr) {
    return Errc::busy;
  }
  if (find(target) == nullptr) {
    return Errc::not_attached;
  }
  return detach_locked(target);
}

} // namespace sluice::iommu
