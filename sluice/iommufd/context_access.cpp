#include <sluice/iommufd/access.hpp>
#include <sluice/iommufd/context.hpp>
#include <sluice/iommufd/undo.hpp>

#include <algorithm>
#include <limits>
#include <new>

// Accesses: software that works with a client's memory as a device would.
namespace sluice::iommufd {

using base::Errc;
using base::Result;
using base::Status;
using platform::MutexGuard;

namespace {

constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();

// While somebody else's code runs.
class Unlocked {
public:
  Unlocked(platform::Sync& sync, platform::Mutex& mutex) : sync_{sync}, mutex_{mutex} { sync_.unlock(mutex_); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() { sync_.lock(mutex_); }

private:
  platform::Sync& sync_;
  platform::Mutex& mutex_;
};

// Errors: invalid_argument (empty), overflow.
Result<Range> range_of(std::uint64_t iova, std::uint64_t length) {
  std::uint64_t last{};
  if (length == 0) {
    return Errc::invalid_argument;
  }
  if (__builtin_add_overflow(iova, length - 1, &last)) {
    return Errc::overflow;
  }
  return Range{iova, last};
}

} // namespace

Result<Access*> Context::open_access(AccessUser* user, bool pins) try {
  const MutexGuard guard{sync_, mutex_};
  return objects_.add(std::make_unique<Access>(user, pins));
} catch (const std::bad_alloc&) {
  return Errc::no_memory;
}

Status Context::close_access(Access& access) {
  const MutexGuard guard{sync_, mutex_};
  if (auto status = leave(access); !status) {
    return status;
  }
  while (access.calls_ != 0) { // its user's own code
    const Unlocked unlocked{sync_, mutex_};
  }
  objects_.remove(access);
  return {};
}

Status Context::attach_access(Access& access, std::uint32_t ioas_id) {
  const MutexGuard guard{sync_, mutex_};
  return access.ioas_ ? Status{Errc::invalid_argument} : enter(access, ioas_id);
}

Status Context::replace_access(Access& access, std::uint32_t ioas_id) {
  const MutexGuard guard{sync_, mutex_};
  if (!access.ioas_) {
    return Errc::not_found;
  }
  auto ioas = objects_.get<Ioas>(ioas_id);
  if (!ioas) {
    return ioas.error();
  }
  if (*ioas == access.ioas()) {
    return {};
  }
  const Ref<Ioas> next{**ioas}; // stays while the user is told
  if (auto status = let_go(access); !status) {
    return status;
  }
  Ref<Ioas> before = std::move(access.ioas_);
  auto status = enter(access, ioas_id);
  if (status) {
    before->remove_access(access);
  } else {
    access.ioas_ = std::move(before);
  }
  return status;
}

Status Context::detach_access(Access& access) {
  const MutexGuard guard{sync_, mutex_};
  return leave(access);
}

Status Context::enter(Access& access, std::uint32_t ioas_id) try {
  auto ioas = objects_.get<Ioas>(ioas_id);
  if (!ioas) {
    return ioas.error();
  }
  auto status = (*ioas)->add_access(access);
  if (status) {
    access.ioas_ = Ref<Ioas>{**ioas};
  }
  return status;
} catch (const std::bad_alloc&) {
  return Errc::no_memory;
}

Status Context::leave(Access& access) {
  if (!access.ioas_) {
    return {};
  }
  auto status = let_go(access);
  if (status) {
    access.ioas_->remove_access(access);
    access.ioas_.reset();
  }
  return status;
}

// It is asked for all of its pins, once.
Status Context::let_go(Access& access) {
  if (!access.pinned_.empty() && access.user() != nullptr) {
    access.moving_ = true;
    ++access.calls_;
    {
      const Unlocked unlocked{sync_, mutex_};
      access.user()->on_unmap(0, top);
    }
    --access.calls_;
    access.moving_ = false;
  }
  return access.pinned_.empty() ? Status{} : Status{Errc::busy};
}

Status Context::pin(Access& access, std::uint64_t iova, std::uint64_t length, bool write,
                    std::span<std::uint64_t> pages) try {
  const MutexGuard guard{sync_, mutex_};
  const auto range = range_of(iova, length);
  if (!access.pins() || !range) {
    return access.pins() ? range.error() : Errc::invalid_argument;
  }
  if (!access.ioas_ || access.moving_) {
    return Errc::not_found;
  }
  if (pages.size() < (range->last - range->start) / page_size + 1) {
    return Errc::answer_too_long;
  }
  access.pinned_.reserve(access.pinned_.size() + 1);
  auto status = access.ioas_->pin(*range, access, write, pages);
  if (status) {
    access.pinned_.push_back(*range);
  }
  return status;
} catch (const std::bad_alloc&) {
  return Errc::no_memory;
}

Status Context::unpin(Access& access, std::uint64_t iova, std::uint64_t length) {
  const MutexGuard guard{sync_, mutex_};
  const auto at = std::find_if(access.pinned_.begin(), access.pinned_.end(),
                               [&](const Range& r) { return r.start == iova && r.last - r.start == length - 1; });
  if (at == access.pinned_.end()) {
    return Errc::not_found;
  }
  access.ioas_->unpin(*at, access);
  access.pinned_.erase(at);
  return {};
}

Status Context::read(Access& access, std::uint64_t iova, std::span<std::byte> into) try {
  const MutexGuard guard{sync_, mutex_};
  const auto range = range_of(iova, into.size());
  if (!range) {
    return range.error();
  }
  return access.ioas_ && !access.moving_ ? access.ioas_->read(iova, into) : Status{Errc::not_found};
} catch (const std::bad_alloc&) {
  return Errc::no_memory;
}

Status Context::write(Access& access, std::uint64_t iova, std::span<const std::byte> from) try {
  const MutexGuard guard{sync_, mutex_};
  const auto range = range_of(iova, from.size());
  if (!range) {
    return range.error();
  }
  return access.ioas_ && !access.moving_ ? access.ioas_->write(iova, from) : Status{Errc::not_found};
} catch (const std::bad_alloc&) {
  return Errc::no_memory;
}

// Areas that somebody has pinned go when everybody who was told has let them go.
Result<std::uint64_t> Context::unmap(Ioas& ioas, Range range) {
  constexpr unsigned most_tries = 100;
  const Ref<Ioas> stays{ioas};
  std::uint64_t removed = 0;
  std::uint64_t asked_for = top;
  for (unsigned tries = 0; tries <= most_tries; ++tries) {
    auto done = ioas.unmap_unpinned(range);
    if (!done) {
      return done.error();
    }
    removed += done->bytes;
    if (!done->pinned) {
      return removed;
    }
    tries = done->pinned->start != std::exchange(asked_for, done->pinned->start) ? 0 : tries;
    notify(ioas, *done->pinned);
  }
  return Errc::unresponsive;
}

void Context::notify(Ioas& ioas, Range range) {
  const std::vector<Access*> all = ioas.accesses();
  for (Access* access : all) {
    ++access->calls_;
  }
  {
    const Unlocked unlocked{sync_, mutex_};
    for (Access* access : all) {
      if (access->user() != nullptr) {
        access->user()->on_unmap(range.start, range.last);
      }
    }
  }
  for (Access* access : all) {
    --access->calls_;
  }
}

} // namespace sluice::iommufd
