#include <sluice/pcie/copy_device.hpp>

#include <sluice/base/check.hpp>

namespace sluice::pcie {

using platform::MutexGuard;
using platform::SpinGuard;

namespace {
constexpr std::uint64_t how_bits =
    CopyDevice::untranslated | std::uint64_t{CopyDevice::with_pasid | CopyDevice::pasid_bits} << 32;

CopyDevice::State state_of(const CopyReport& report) {
  using State = CopyDevice::State;
  return report.not_master ? State::no_master
         : report.no_pasid ? State::no_pasid
         : !report.abort   ? State::done
                           : (report.abort->write ? State::write_aborted : State::read_aborted);
}

bool is_size(std::uint64_t size) { return size != 0 && size <= CopyDevice::longest; }

} // namespace

CopyDevice::CopyDevice(Address address, const AtsConfig& ats, platform::Sync& sync, platform::Time& time)
    : CopyEngine{address, {.ats = ats, .contexts = 1}, sync, time}, sync_{sync} {
  add_bar(0, bar_bytes);
}

CopyDevice::CopyDevice(Address address, const AtsConfig& ats, platform::Sync& sync, platform::Time& time,
                       BarMemory& ring)
    : CopyDevice{address, ats, sync, time} {
  base::check(ring.size() == CopyRing::bytes);
  ring_.emplace(ring);
  add_memory_bar(ring_bar, ring);
}

void CopyDevice::tell_worker() {
  if (worker_ != nullptr) {
    worker_->on_work();
  }
}

// The 64 bits that a write at this offset lies in.
std::uint64_t* CopyDevice::writable(std::uint64_t offset) {
  switch (offset & ~7ULL) {
  case source_at:
    return &source_;
  case destination_at:
    return &destination_;
  case mode_at:
    return &how_;
  default:
    return nullptr;
  }
}

std::uint64_t CopyDevice::word(std::uint64_t offset) const {
  switch (offset) {
  case source_at:
    return source_;
  case destination_at:
    return destination_;
  case size_at:
    return size_;
  case status_at:
    return static_cast<std::uint64_t>(state_) | std::uint64_t{ended_} << 32;
  case moved_at:
    return moved_;
  case fault_at:
    return fault_;
  case mode_at:
    return how_ & how_bits;
  default:
    return 0;
  }
}

std::uint64_t CopyDevice::bar_read(unsigned index, std::uint64_t offset, unsigned size) {
  if (index == ring_bar) {
    return ring_->memory().read(offset, size);
  }
  if ((size != 4 && size != 8) || offset % size != 0) {
    return 0;
  }
  const SpinGuard guard{sync_, lock_};
  const std::uint64_t value = word(offset & ~7ULL);
  return size == 8 ? value : (value >> offset % 8 * 8) & 0xffff'ffff;
}

void CopyDevice::bar_write(unsigned index, std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (index == ring_bar) {
    ring_->memory().write(offset, size, value);
    tell_worker();
    return;
  }
  if ((size != 4 && size != 8) || offset % size != 0) {
    return;
  }
  bool begun = false;
  {
    const SpinGuard guard{sync_, lock_};
    if (state_ == State::busy) {
      return;
    }
    if (offset == size_at) {
      size_ = value & 0xffff'ffff;
      begun = size == 8 && begin(); // the doorbell lies in the upper half
    } else if (offset == doorbell_at) {
      begun = begin();
    } else if (std::uint64_t* const whole = writable(offset)) {
      const unsigned shift = static_cast<unsigned>(offset % 8 * 8);
      const std::uint64_t lanes = size == 8 ? ~0ULL : 0xffff'ffffULL << shift;
      *whole = (*whole & ~lanes) | (value << shift & lanes);
    }
  }
  if (begun) {
    tell_worker();
  }
}

// Whether there is something to do.
bool CopyDevice::begin() {
  moved_ = fault_ = 0;
  if (!is_size(size_)) {
    state_ = State::bad_size;
    ++ended_;
    return false;
  }
  state_ = State::busy;
  return true;
}

bool CopyDevice::run(model::Port& port) {
  const MutexGuard turn{sync_, turn_};
  run_registers(port);
  return ring_ && run_ring(port);
}

void CopyDevice::run_registers(model::Port& port) {
  CopyJob job;
  {
    const SpinGuard guard{sync_, lock_};
    if (state_ != State::busy) {
      return;
    }
    job = this->job(source_, destination_, size_, (how_ & untranslated) != 0, static_cast<std::uint32_t>(how_ >> 32));
  }
  const CopyReport report = copy(port, job);
  const SpinGuard guard{sync_, lock_};
  finish(report);
}

bool CopyDevice::run_ring(model::Port& port) {
  for (unsigned i = 0; i < jobs_at_once; ++i) {
    const auto entry = ring_->next();
    if (!entry) {
      return false;
    }
    if (!is_size(entry->size)) {
      ring_->complete(static_cast<std::uint32_t>(State::bad_size), 0);
      continue;
    }
    const CopyReport report = copy(port, job(entry->source, entry->destination, entry->size,
                                             (entry->how & CopyRing::untranslated) != 0, entry->how));
    {
      const SpinGuard guard{sync_, lock_};
      count(report);
    }
    ring_->complete(static_cast<std::uint32_t>(state_of(report)), static_cast<std::uint32_t>(report.moved));
  }
  return true;
}

// All jobs with a PASID have the one context, as one is done at a time.
CopyJob CopyDevice::job(std::uint64_t source, std::uint64_t destination, std::uint64_t size, bool is_untranslated,
                        std::uint32_t pasid) {
  static_assert(with_pasid == CopyRing::with_pasid && pasid_bits == CopyRing::pasid_bits);
  CopyJob job{.source = source, .destination = destination, .size = size, .untranslated = is_untranslated};
  if ((pasid & with_pasid) != 0) {
    set_context(0, pasid & pasid_bits);
    job.context = 0;
  }
  return job;
}

void CopyDevice::finish(const CopyReport& report) {
  state_ = state_of(report);
  moved_ = report.moved;
  fault_ = report.abort ? report.abort->iova : 0;
  ++ended_;
  count(report);
}

void CopyDevice::count(const CopyReport& report) {
  ++counters_.jobs;
  counters_.bytes += report.moved;
  counters_.aborted += report.abort ? 1 : 0;
}

void CopyDevice::reset() {
  const MutexGuard turn{sync_, turn_};
  CopyEngine::reset();
  if (ring_) {
    ring_->reset();
  }
  const SpinGuard guard{sync_, lock_};
  source_ = destination_ = size_ = how_ = moved_ = fault_ = 0;
  state_ = State::idle;
}

CopyCounters CopyDevice::counters() const {
  const SpinGuard guard{sync_, lock_};
  return counters_;
}

} // namespace sluice::pcie
