#include <sluice/pcie/copy_engine.hpp>

#include <sluice/base/check.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace sluice::pcie {

namespace {

constexpr FunctionIds ids{.vendor = 0x1b36, .device = 0x00c0, .revision = 1, .class_code = 0x088000};

CopyReport report(const model::Transfer& transfer, std::uint64_t iova, bool write) {
  CopyReport result{.moved = transfer.done};
  if (!transfer.outcome.served()) {
    result.abort = Abort{iova + transfer.done, write, transfer.outcome};
  }
  return result;
}

} // namespace

CopyEngine::CopyEngine(Address address) : Function{ids, address} {}

CopyEngine::CopyEngine(Address address, const CopyEngineConfig& engine, platform::Sync& sync, platform::Time& time)
    : Function{ids, address}, pasids_(engine.contexts), pages_ahead_{engine.pages_ahead} {
  base::check(engine.contexts <= 4096 && engine.pages_ahead != 0);
  if (!engine.ats.capabilities.none()) {
    ats_.emplace(config(), engine.ats, sync, time);
  }
  for (auto& pasid : pasids_) {
    pasid.store(no_pasid);
  }
}

void CopyEngine::set_context(unsigned context, std::optional<std::uint32_t> pasid) {
  base::check(context < pasids_.size());
  pasids_[context].store(pasid.value_or(no_pasid));
}

bool CopyEngine::ready(const std::optional<unsigned>& context, CopyReport& report,
                       std::optional<std::uint32_t>& pasid) const {
  report.not_master = !bus_master();
  if (context) {
    const std::uint32_t value = *context < pasids_.size() ? pasids_[*context].load() : no_pasid;
    const bool enabled = ats_ && ats_->capabilities().pasid_enabled();
    report.no_pasid = !enabled || value == no_pasid || value >> ats_->capabilities().config().pasid_bits != 0;
    pasid = value;
  }
  return !report.not_master && !report.no_pasid;
}

model::Request CopyEngine::request(std::uint64_t iova, bool write, std::optional<std::uint32_t> pasid) const {
  return {.stream_id = stream(), .substream_id = pasid, .address = iova, .write = write};
}

model::Transfer CopyEngine::transfer(model::Port::Burst& online, const model::Request& r, void* data,
                                     std::uint64_t size, bool untranslated, bool& not_present) {
  return ats_ && !untranslated ? ats_->transfer(online, r, data, size, not_present) : online.transfer(r, data, size);
}

CopyReport CopyEngine::copy(model::Port& port, const CopyJob& job) {
  CopyTask task{job};
  advance(port, task);
  abandon(task);
  return task.report();
}

void CopyEngine::advance(model::Port& port, CopyTask& task) {
  if (still_waits(task)) {
    return;
  }
  const CopyJob& job = task.job_;
  CopyReport& total = task.report_;
  std::optional<std::uint32_t> pasid;
  if (!ready(job.context, total, pasid)) {
    return;
  }
  std::array<std::byte, burst> buffer;
  while (total.complete() && total.moved < job.size) {
    const std::uint64_t length = std::min(burst, job.size - total.moved);
    const model::Request from = request(job.source + total.moved, false, pasid);
    const model::Request to = request(job.destination + total.moved, true, pasid);
    bool no_source = false;
    bool no_destination = false;
    model::Transfer in;
    model::Transfer out;
    {
      model::Port::Burst online{port};
      in = transfer(online, from, buffer.data(), length, job.untranslated, no_source);
      out = transfer(online, to, buffer.data(), in.done, job.untranslated, no_destination);
    }
    total.moved += out.done;
    const bool write = !out.outcome.served();
    const bool absent = write ? no_destination : no_source;
    const model::Request& of = write ? to : from;
    const std::uint64_t done = write ? out.done : in.done;
    if (absent && ask_for_page(port, task, request(of.address + done, write, pasid), job.size - total.moved)) {
      return;
    }
    total.abort = report(out, to.address, true).abort;
    if (!total.abort) {
      total.abort = report(in, from.address, false).abort;
    }
  }
}

// Whether a page is still awaited. One that does not come aborts the job.
bool CopyEngine::still_waits(CopyTask& task) {
  if (!task.group_) {
    return false;
  }
  const auto answer = ats_->pages().answer(*task.group_);
  if (answer == PageRequests::Answer::none) {
    return true;
  }
  task.group_.reset();
  task.report_.waiting = false;
  if (answer == PageRequests::Answer::success) {
    return false;
  }
  task.report_.abort = Abort{task.asked_for_, false, {model::Outcome::Kind::aborted}};
  return true;
}

bool CopyEngine::ask_for_page(model::Port& port, CopyTask& task, const model::Request& of, std::uint64_t left) {
  const std::uint64_t page = of.address & ~0xfffULL;
  task.attempts_ = task.asked_for_ == page ? task.attempts_ + 1 : 1;
  task.asked_for_ = page;
  if (task.attempts_ > most_attempts) {
    return false;
  }
  const std::uint64_t pages = ((of.address & 0xfff) + left + 0xfff) / 0x1000;
  task.group_ = ats_->pages().request(port,
                                      {.stream_id = of.stream_id,
                                       .substream_id = of.substream_id,
                                       .address = page,
                                       .read = !of.write,
                                       .write = of.write},
                                      static_cast<unsigned>(std::min<std::uint64_t>(pages, pages_ahead_)));
  task.report_.waiting = task.group_.has_value();
  return task.report_.waiting;
}

void CopyEngine::abandon(CopyTask& task) {
  if (task.group_) {
    ats_->pages().abandon(*task.group_);
    task.group_.reset();
  }
}

CopyReport CopyEngine::single(model::Port& port, std::uint64_t iova, void* data, std::uint64_t size, bool write,
                              const std::optional<unsigned>& context) {
  CopyReport result;
  std::optional<std::uint32_t> pasid;
  if (!ready(context, result, pasid)) {
    return result;
  }
  if (!ats_) {
    return report(port.transfer(request(iova, write, pasid), data, size), iova, write);
  }
  bool not_present = false;
  model::Port::Burst online{port};
  return report(transfer(online, request(iova, write, pasid), data, size, false, not_present), iova, write);
}

CopyReport CopyEngine::read(model::Port& port, std::uint64_t iova, void* into, std::uint64_t size,
                            std::optional<unsigned> context) {
  return single(port, iova, into, size, false, context);
}

CopyReport CopyEngine::write(model::Port& port, std::uint64_t iova, const void* from, std::uint64_t size,
                             std::optional<unsigned> context) {
  // Of a write, the port only reads the data.
  return single(port, iova, const_cast<void*>(from), size, true, context);
}

model::AtcAnswer CopyEngine::invalidate_atc(const model::AtcInvalidation& invalidation) {
  return ats_ ? ats_->invalidate(invalidation) : model::AtcAnswer::unsupported;
}

bool CopyEngine::atc_completed(std::uint8_t tag) { return !ats_ || ats_->completed(tag); }

void CopyEngine::page_response(const model::PageResponse& response) {
  if (ats_) {
    ats_->pages().on_response(response);
  }
}

void CopyEngine::on_config_write(std::uint16_t, unsigned) {
  if (ats_) {
    ats_->on_config_write();
  }
}

void CopyEngine::reset() {
  if (ats_) {
    ats_->reset();
  }
}

} // namespace sluice::pcie
