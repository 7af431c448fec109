#include <sluice/iommufd/group.hpp>

#include <sluice/iommufd/device.hpp>
#include <sluice/iommufd/undo.hpp>

#include <algorithm>

namespace sluice::iommufd {

using base::Errc;
using base::Status;
using iommu::Target;

namespace {

constexpr Target target_of(std::uint32_t pasid) { return pasid == no_pasid ? Target::rid() : Target::pasid(pasid); }

} // namespace

bool Group::joined(const Attached& attached, const Device& device) {
  return std::any_of(attached.members.begin(), attached.members.end(),
                     [&](const auto& member) { return member.first == &device; });
}

Hwpt* Group::hwpt(const Device& device, std::uint32_t pasid) const {
  const auto at = all_.find(pasid);
  return at != all_.end() && joined(at->second, device) ? at->second.hwpt : nullptr;
}

// Beside PASIDs the RID's table has to be one for PASIDs, and theirs, too.
Status Group::check(const Device& device, std::uint32_t pasid, const Hwpt& hwpt) const {
  if (&hwpt.domain().unit() != &device.device().unit()) {
    return Errc::invalid_argument;
  }
  if (pasid == no_pasid) {
    const bool beside = std::any_of(all_.begin(), all_.end(), [](const auto& a) { return a.first != no_pasid; });
    return beside && !hwpt.for_pasids() ? Status{Errc::invalid_argument} : Status{};
  }
  const auto rid = all_.find(no_pasid);
  const bool rid_fits = rid == all_.end() || rid->second.hwpt->for_pasids();
  const bool has_it = pasid < device.device().max_pasids();
  return has_it && hwpt.for_pasids() && rid_fits ? Status{} : Status{Errc::invalid_argument};
}

Status Group::attach(Device& device, std::uint32_t pasid, Hwpt& hwpt) {
  const auto at = all_.find(pasid);
  if (at == all_.end()) {
    return first(device, pasid, hwpt);
  }
  Attached& attached = at->second;
  if (joined(attached, device)) {
    return attached.hwpt == &hwpt ? Status{} : replace(attached, pasid, hwpt);
  }
  if (attached.hwpt != &hwpt) {
    return Errc::invalid_argument;
  }
  const auto member = attached.members.try_emplace(&device).first;
  Undo undo{[&] { attached.members.erase(member); }};
  auto status = device.prepare(hwpt, pasid, nullptr);
  if (status) {
    member->second = Ref<Hwpt>{hwpt};
    undo.keep();
  }
  return status;
}

Status Group::first(Device& device, std::uint32_t pasid, Hwpt& hwpt) {
  if (auto status = check(device, pasid, hwpt); !status) {
    return status;
  }
  const auto at = all_.try_emplace(pasid).first;
  Undo undo{[&] { all_.erase(at); }};
  Attached& attached = at->second;
  Ref<Hwpt>& ref = attached.members[&device];
  if (auto status = device.prepare(hwpt, pasid, nullptr); !status) {
    return status;
  }
  if (auto status = move(pasid, hwpt.domain(), false); !status) {
    device.settle(hwpt, pasid, nullptr);
    return status;
  }
  attached.hwpt = &hwpt;
  ref = Ref<Hwpt>{hwpt};
  undo.keep();
  return {};
}

Status Group::replace(Attached& attached, std::uint32_t pasid, Hwpt& hwpt) {
  Hwpt& before = *attached.hwpt;
  auto prepared = attached.members.begin();
  Undo undo{[&] {
    for (auto m = attached.members.begin(); m != prepared; ++m) {
      m->first->settle(hwpt, pasid, &before);
    }
  }};
  for (; prepared != attached.members.end(); ++prepared) {
    Device& member = *prepared->first;
    auto status = check(member, pasid, hwpt);
    if (status) {
      status = member.prepare(hwpt, pasid, &before);
    }
    if (!status) {
      return status;
    }
  }
  if (auto status = move(pasid, hwpt.domain(), true); !status) {
    return status;
  }
  undo.keep();
  attached.hwpt = &hwpt;
  for (auto& [member, ref] : attached.members) {
    member->settle(before, pasid, &hwpt);
    ref = Ref<Hwpt>{hwpt};
  }
  before.forget_faults(lone_, target_of(pasid));
  return {};
}

Status Group::move(std::uint32_t pasid, iommu::Domain& domain, bool replaces) {
  const Target target = target_of(pasid);
  const auto moved = [&](auto& who) { return replaces ? who.replace(domain, target) : who.attach(domain, target); };
  const auto changed = group_ != nullptr ? moved(*group_) : moved(lone_);
  if (!changed) {
    return changed.error() == Errc::too_large ? Errc::invalid_argument : changed.error();
  }
  return {};
}

Hwpt* Group::detach(Device& device, std::uint32_t pasid) {
  const auto at = all_.find(pasid);
  return at != all_.end() && joined(at->second, device) ? leave(at, device) : nullptr;
}

Hwpt* Group::detach_any(Device& device) {
  const auto at = std::find_if(all_.begin(), all_.end(), [&](const auto& a) { return joined(a.second, device); });
  return at != all_.end() ? leave(at, device) : nullptr;
}

// The last one takes them all.
Hwpt* Group::leave(All::iterator at, Device& device) {
  auto& [pasid, attached] = *at;
  Hwpt& hwpt = *attached.hwpt;
  if (attached.members.size() == 1) {
    static_cast<void>(group_ != nullptr ? group_->detach(target_of(pasid)) : lone_.detach(target_of(pasid)));
    hwpt.forget_faults(lone_, target_of(pasid));
  }
  device.settle(hwpt, pasid, nullptr);
  attached.members.erase(&device);
  if (attached.members.empty()) {
    all_.erase(at);
  }
  return &hwpt;
}

} // namespace sluice::iommufd
