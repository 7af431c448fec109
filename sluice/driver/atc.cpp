#include <sluice/driver/atc.hpp>

#include <sluice/arch/commands.hpp>
#include <sluice/driver/device.hpp>

#include <bit>

namespace sluice::driver {

using base::Errc;
using base::Status;
using namespace arch;

AtcSpan atc_span(std::uint64_t address, std::uint64_t size) {
  const std::uint64_t first = address >> 12;
  const std::uint64_t last = (address + size - 1) >> 12;
  if (size == 0 || last < first) {
    return atc_everything;
  }
  const auto log2 = static_cast<unsigned>(std::bit_width(first ^ last));
  return log2 >= 52 ? atc_everything : AtcSpan{first >> log2 << log2 << 12, log2};
}

namespace {
Command atc_inv_at(StreamID sid, iommu::Target target, const AtcSpan& span) {
  return target.is_rid() ? cmd::atc_inv(sid, span.address, span.size)
                         : cmd::atc_inv_pasid(sid, target.value(), span.address, span.size);
}
} // namespace

void AtcBatch::add(const Listener& listener, const AtcSpan& span) {
  for (const StreamID sid : listener.streams()) {
    add(atc_inv_at(sid, listener.heard_at(), span), listener.device());
  }
}

void AtcBatch::add_all(SmmuDevice& device) {
  for (const StreamID sid : device.sids()) { // without PASID: of all of them, too
    add(cmd::atc_inv(sid, 0, atc_everything.size), &device);
  }
}

void AtcBatch::add(const Command& command, SmmuDevice* device) {
  if (count_ == capacity) {
    flush();
  }
  commands_[count_] = command;
  devices_[count_++] = device;
}

void AtcBatch::flush() {
  if (count_ == 0) {
    return;
  }
  const Status told = queue_.submit(std::span{commands_}.first(count_));
  queue_.count_atc_invalidations(count_);
  sent_ += static_cast<std::uint32_t>(count_) + 1;
  syncs_ += 1;
  note(told);
  if (told == Errc::atc_timed_out) {
    find_deaf();
  }
  count_ = 0;
}

void AtcBatch::find_deaf() {
  for (std::size_t i = 0; i < count_; ++i) {
    if (devices_[i]->failed()) {
      continue;
    }
    const Status alone = queue_.submit(commands_[i]);
    queue_.count_atc_invalidations(1);
    sent_ += 2;
    syncs_ += 1;
    if (alone == Errc::atc_timed_out) {
      devices_[i]->fail_atc();
    }
  }
}

Status AtcBatch::finish(iommu::Change& change) {
  flush();
  change.commands += sent_;
  change.syncs += syncs_;
  change.confirmed = change.confirmed && status_.ok();
  return status_;
}

Status tell_atcs(CommandQueue& queue, const Audience& audience, std::span<const pagetable::Gather::Range> ranges) {
  AtcBatch batch{queue};
  for (const Listener* l = audience.first(); l != nullptr; l = l->next()) {
    if (!l->has_atc() || l->device()->failed()) { // what has failed uses nothing any more
      continue;
    }
    if (l->hears_everything()) {
      batch.add(*l, atc_everything);
      continue;
    }
    for (const auto& range : ranges) {
      batch.add(*l, atc_span(range.iova, range.size));
    }
  }
  iommu::Change none;
  return batch.finish(none);
}

} // namespace sluice::driver
