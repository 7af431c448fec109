#include <sluice/iommufd/fault_queue.hpp>

#include <sluice/iommu/device.hpp>
#include <sluice/iommufd/undo.hpp>
#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <algorithm>
#include <new>

namespace sluice::iommufd {

using base::Errc;
using base::Status;
using platform::MutexGuard;
using platform::SpinGuard;
namespace u = uapi::iommufd;

namespace {

u::HwptPgfault record_of(const iommu::PageRequest& page) {
  u::HwptPgfault record;
  record.perm = (page.read ? u::pgfault_read : 0U) | (page.write ? u::pgfault_write : 0U) |
                (page.execute ? u::pgfault_execute : 0U) | (page.privileged ? u::pgfault_privileged : 0U);
  record.addr = page.iova;
  return record;
}

std::int64_t failure(Errc e) { return -static_cast<int>(uapi::to_errno(e)); }

} // namespace

base::Result<std::unique_ptr<FaultQueue>> FaultQueue::make(Host& host, platform::Sync& sync) {
  auto queue = std::unique_ptr<FaultQueue>{new FaultQueue{host.caller, sync}};
  auto descriptor = host.channels.open_queue(*queue, true);
  if (!descriptor) {
    return descriptor.error();
  }
  queue->descriptor_.reset(*descriptor);
  return queue;
}

// No HWPT has it any more, and so nothing is left in it.
FaultQueue::~FaultQueue() { descriptor_.reset(); }

void FaultQueue::add_source(iommu::Device& device, std::uint32_t id) {
  const SpinGuard guard{sync_, lock_};
  Source& source = sources_[&device];
  source.id = id;
  ++source.users;
}

void FaultQueue::remove_source(iommu::Device& device) {
  const SpinGuard guard{sync_, lock_};
  const auto at = sources_.find(&device);
  if (--at->second.users == 0) {
    sources_.erase(at);
  }
}

// A device that the client has not attached came with its group.
const FaultQueue::Source* FaultQueue::source_of(const iommu::Device& device) const {
  const auto own = sources_.find(&device);
  if (own != sources_.end()) {
    return &own->second;
  }
  const auto others = std::find_if(sources_.begin(), sources_.end(), [&](const auto& s) {
    return device.group() != nullptr && s.first->group() == device.group();
  });
  return others != sources_.end() ? &others->second : nullptr;
}

void FaultQueue::on_page_requests(const iommu::PageRequestGroup& group) {
  if (!take(group)) {
    static_cast<void>(group.device->unit().respond(group.ticket, iommu::PageResponse::failed));
  }
}

bool FaultQueue::take(const iommu::PageRequestGroup& group) try {
  const SpinGuard guard{sync_, lock_};
  const Source* const source = source_of(*group.device);
  if (source == nullptr || groups_ == most_groups) {
    return false;
  }
  pending_.push_back({group.device,
                      group.domain,
                      group.target,
                      group.ticket,
                      source->id,
                      group.tag,
                      {group.pages.begin(), group.pages.end()}});
  ++groups_;
  signal();
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

bool FaultQueue::pop(Group& group) {
  const SpinGuard guard{sync_, lock_};
  if (pending_.empty()) {
    return false;
  }
  group = std::move(pending_.front());
  pending_.pop_front();
  return true;
}

void FaultQueue::put_back(Group& group) {
  const SpinGuard guard{sync_, lock_};
  pending_.push_front(std::move(group));
}

void FaultQueue::signal() { descriptor_->set_readable(!pending_.empty()); }

void FaultQueue::refresh() {
  const SpinGuard guard{sync_, lock_};
  signal();
}

// The lowest that is free, from 1.
FaultQueue::Delivered::iterator FaultQueue::give_cookie() {
  std::uint32_t cookie = 1;
  auto at = delivered_.begin();
  for (; at != delivered_.end() && at->first == cookie; ++at) {
    ++cookie;
  }
  return delivered_.emplace_hint(at, cookie, Group{});
}

Status FaultQueue::copy(std::uint64_t to, const Group& group, std::uint32_t cookie) {
  for (std::size_t i = 0; i < group.pages.size(); ++i) {
    u::HwptPgfault record = record_of(group.pages[i]);
    record.flags = (group.target.is_rid() ? 0U : u::pgfault_pasid_valid) |
                   (i + 1 == group.pages.size() ? u::pgfault_last_page : 0U);
    record.dev_id = group.source;
    record.pasid = group.target.value();
    record.grpid = group.tag;
    record.cookie = cookie;
    if (auto status = caller_.write(to + i * sizeof record, std::as_bytes(std::span{&record, 1})); !status) {
      return status;
    }
  }
  return {};
}

// Whole groups, as many as fit. Nothing there is 0, and neither an error nor a reason to wait.
std::int64_t FaultQueue::read(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) {
  if (offset != 0 || count % sizeof(u::HwptPgfault) != 0) {
    return -static_cast<int>(uapi::Errno::illegal_seek);
  }
  const MutexGuard guard{sync_, mutex_};
  std::uint64_t done = 0;
  Status status;
  while (status && done < count) {
    const auto place = give_cookie();
    Undo no_cookie{[&] { delivered_.erase(place); }};
    if (!pop(place->second)) {
      break;
    }
    Group& group = place->second;
    const std::uint64_t size = group.pages.size() * sizeof(u::HwptPgfault);
    status = size <= count - done ? copy(buffer + done, group, place->first) : Status{Errc::invalid_argument};
    if (!status) {
      put_back(group);
      break;
    }
    done += size;
    no_cookie.keep();
  }
  refresh();
  return done != 0 || status ? static_cast<std::int64_t>(done) : failure(status.error());
}

Status FaultQueue::answer(std::uint64_t from) {
  u::HwptPageResponse response;
  if (auto status = caller_.read(from, std::as_writable_bytes(std::span{&response, 1})); !status) {
    return status;
  }
  const bool known = response.code == u::page_response_success || response.code == u::page_response_invalid;
  const auto at = delivered_.find(response.cookie);
  if (!known || at == delivered_.end()) {
    return Errc::invalid_argument;
  }
  const Group& group = at->second;
  const bool served = response.code == u::page_response_success;
  static_cast<void>(group.device->unit().respond(
      group.ticket, served ? iommu::PageResponse::served : iommu::PageResponse::invalid)); // if it still waits
  delivered_.erase(at);
  const SpinGuard spin{sync_, lock_};
  --groups_;
  return {};
}

std::int64_t FaultQueue::write(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) {
  if (offset != 0 || count % sizeof(u::HwptPageResponse) != 0) {
    return -static_cast<int>(uapi::Errno::illegal_seek);
  }
  const MutexGuard guard{sync_, mutex_};
  std::uint64_t done = 0;
  while (done < count) {
    if (auto status = answer(buffer + done); !status) {
      return done != 0 ? static_cast<std::int64_t>(done) : failure(status.error());
    }
    done += sizeof(u::HwptPageResponse);
  }
  return static_cast<std::int64_t>(done);
}

template <class Matches>
void FaultQueue::forget_if(Matches matches) {
  const MutexGuard guard{sync_, mutex_};
  const auto gone = std::erase_if(delivered_, [&](const auto& d) { return matches(d.second); });
  const SpinGuard spin{sync_, lock_};
  groups_ -= gone + std::erase_if(pending_, matches);
  signal();
}

void FaultQueue::forget(const iommu::Domain& domain) {
  forget_if([&](const Group& group) { return group.domain == &domain; });
}

void FaultQueue::forget(const iommu::Domain& domain, const iommu::Device& device, iommu::Target target) {
  forget_if([&](const Group& group) {
    const bool together = device.group() != nullptr && device.group() == group.device->group();
    return group.domain == &domain && group.target == target && (group.device == &device || together);
  });
}

} // namespace sluice::iommufd
