#include <sluice/pcie/copy_device.hpp>

namespace sluice::pcie {

using platform::MutexGuard;
using platform::SpinGuard;

namespace {
constexpr std::uint64_t how_bits =
    CopyDevice::untranslated | std::uint64_t{CopyDevice::with_pasid | CopyDevice::pasid_bits} << 32;
}

CopyDevice::CopyDevice(Address address, const AtsConfig& ats, platform::Sync& sync, platform::Time& time)
    : CopyEngine{address, {.ats = ats, .contexts = 1}, sync, time}, sync_{sync} {
  add_bar(0, bar_bytes);
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

std::uint64_t CopyDevice::bar_read(unsigned, std::uint64_t offset, unsigned size) {
  if ((size != 4 && size != 8) || offset % size != 0) {
    return 0;
  }
  const SpinGuard guard{sync_, lock_};
  const std::uint64_t value = word(offset & ~7ULL);
  return size == 8 ? value : (value >> offset % 8 * 8) & 0xffff'ffff;
}

void CopyDevice::bar_write(unsigned, std::uint64_t offset, unsigned size, std::uint64_t value) {
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
  if (begun && worker_ != nullptr) {
    worker_->on_work();
  }
}

// Whether there is something to do.
bool CopyDevice::begin() {
  moved_ = fault_ = 0;
  if (size_ == 0 || size_ > longest) {
    state_ = State::bad_size;
    ++ended_;
    return false;
  }
  state_ = State::busy;
  return true;
}

void CopyDevice::run(model::Port& port) {
  const MutexGuard turn{sync_, turn_};
  CopyJob job;
  {
    const SpinGuard guard{sync_, lock_};
    if (state_ != State::busy) {
      return;
    }
    job = this->job();
  }
  const CopyReport report = copy(port, job);
  const SpinGuard guard{sync_, lock_};
  finish(report);
}

CopyJob CopyDevice::job() {
  CopyJob job{
      .source = source_, .destination = destination_, .size = size_, .untranslated = (how_ & untranslated) != 0};
  const auto pasid = static_cast<std::uint32_t>(how_ >> 32);
  if ((pasid & with_pasid) != 0) {
    set_context(0, pasid & pasid_bits);
    job.context = 0;
  }
  return job;
}

void CopyDevice::finish(const CopyReport& report) {
  state_ = report.not_master ? State::no_master
           : report.no_pasid ? State::no_pasid
           : !report.abort   ? State::done
                             : (report.abort->write ? State::write_aborted : State::read_aborted);
  moved_ = report.moved;
  fault_ = report.abort ? report.abort->iova : 0;
  ++ended_;
  ++counters_.jobs;
  counters_.bytes += report.moved;
  counters_.aborted += report.abort ? 1 : 0;
}

void CopyDevice::reset() {
  const MutexGuard turn{sync_, turn_};
  CopyEngine::reset();
  const SpinGuard guard{sync_, lock_};
  source_ = destination_ = size_ = how_ = moved_ = fault_ = 0;
  state_ = State::idle;
}

CopyCounters CopyDevice::counters() const {
  const SpinGuard guard{sync_, lock_};
  return counters_;
}

} // namespace sluice::pcie
