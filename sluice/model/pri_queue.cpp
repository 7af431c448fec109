#include <sluice/model/core.hpp>

namespace sluice::model {

namespace {

// 8: without a PASID, X and Priv are 0.
arch::PriRecord record_of(const PageRequest& r) {
  using arch::PriRecord;
  PriRecord record;
  record.set(PriRecord::StreamID, r.stream_id).set(PriRecord::R, r.read).set(PriRecord::W, r.write);
  record.set(PriRecord::Last, r.last).set(PriRecord::PRGIndex, r.prg_index & PriRecord::PRGIndex.take(~0ULL));
  record.set(PriRecord::PageAddr, r.address & PriRecord::PageAddr.mask);
  if (r.substream_id) {
    record.set(PriRecord::SSV, 1).set(PriRecord::SubstreamID, *r.substream_id & PriRecord::SubstreamID.take(~0ULL));
    record.set(PriRecord::X, r.execute).set(PriRecord::Priv, r.privileged);
  }
  return record;
}

} // namespace

// 8, 8.1, 8.2
PageRequestFate Core::queue(const PageRequest& request, Recorded& recorded) {
  using Written = OutputQueue<PriQueue>::Written;
  const platform::SpinGuard guard{sync_, pri_lock_};
  if (!facts_.features.pri || !smmuen() || !pri_queue_.runs()) {
    facts_.met(at("page.refused"));
    return PageRequestFate::refused;
  }
  Recorded mine;
  auto fate = PageRequestFate::queued;
  bool to_empty = false;
  if (pri_queue_.overflowed() || pri_queue_.full()) {
    // Nothing is written while the overflow is active, even if there is room again.
    if (!pri_queue_.overflowed()) {
      pri_queue_.overflow();
      facts_.met(at("priq.overflow"));
    }
    facts_.met(at("page.lost"));
    fate = PageRequestFate::lost;
    count_.page_requests_lost.fetch_add(1, base::Order::relaxed);
  } else {
    const Written written = pri_queue_.write(record_of(request));
    if (written == Written::aborted) {
      mine.gerror_edge = raise_edge(PriQueue::error);
      fate = PageRequestFate::refused;
      facts_.met(at("page.aborted"));
    } else {
      facts_.met(at("page.queued"));
      to_empty = written == Written::to_empty;
      count_.pages_requested.fetch_add(1, base::Order::relaxed);
    }
  }
  // 6.3.34 LO
  const bool by_last = regs_.get<arch::PRIQ_IRQ_CFG2>().get(arch::PRIQ_IRQ_CFG2::LO) != 0;
  const bool tells = by_last ? request.last && fate != PageRequestFate::refused : to_empty;
  mine.pri_edge = tells && pri_queue_.interrupts();
  announce(mine);
  recorded.add(mine);
  return fate;
}

} // namespace sluice::model
