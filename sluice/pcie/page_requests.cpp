#include <sluice/pcie/page_requests.hpp>

#include <algorithm>

namespace sluice::pcie {

using platform::SpinGuard;

std::optional<std::uint16_t> PageRequests::reserve(unsigned& pages, bool with_pasid) {
  const SpinGuard guard{sync_, lock_};
  const unsigned allowed = capabilities_.allocation();
  if (!capabilities_.pri_enabled() || capabilities_.response_failed() || pages_under_way_ >= allowed || pages == 0) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < most; ++i) {
    const std::size_t index = (next_ + i) % most;
    Group& group = groups_[index];
    if (!group.under_way && !group.awaited) {
      pages = std::min(pages, allowed - pages_under_way_);
      group = {
          .under_way = true, .awaited = true, .with_pasid = with_pasid, .pages = pages, .since_ns = time_.now_ns()};
      pages_under_way_ += pages;
      next_ = index + 1;
      update_stopped();
      return static_cast<std::uint16_t>(index);
    }
  }
  return std::nullopt;
}

std::optional<std::uint16_t> PageRequests::request(model::Port& port, model::PageRequest page, unsigned pages) {
  const auto index = reserve(pages, page.substream_id.has_value());
  if (!index) {
    return std::nullopt;
  }
  page.prg_index = *index;
  for (unsigned i = 0; i < pages; ++i, page.address += 4096) {
    page.last = i + 1 == pages;
    port.request_page(page);
  }
  return index;
}

PageRequests::Answer PageRequests::answer(std::uint16_t index) {
  const SpinGuard guard{sync_, lock_};
  Group& group = groups_[index % most];
  if (group.under_way) {
    if (time_.now_ns() - group.since_ns < limit_ns_) {
      return Answer::none;
    }
    group.awaited = false; // the index is in use until the response comes
    return Answer::timed_out;
  }
  group.awaited = false;
  return group.answer;
}

void PageRequests::abandon(std::uint16_t index) {
  const SpinGuard guard{sync_, lock_};
  groups_[index % most].awaited = false;
}

void PageRequests::on_response(const model::PageResponse& response) {
  const SpinGuard guard{sync_, lock_};
  Group& group = groups_[response.prg_index % most];
  const bool needs_pasid = capabilities_.config().pasid_in_response && group.with_pasid;
  const bool failure = response.code == arch::PrgResponse::failure;
  if (!group.under_way || (needs_pasid && !response.substream_id && !failure)) {
    capabilities_.set_unexpected_index(); // 10.5.2.3
    return;
  }
  group.under_way = false;
  pages_under_way_ -= group.pages;
  if (failure) {
    capabilities_.set_response_failure();
    group.answer = Answer::failed;
  } else {
    group.answer = response.code == arch::PrgResponse::success ? Answer::success : Answer::refused;
  }
  update_stopped();
}

void PageRequests::on_config_write() {
  const bool was_reset = capabilities_.take_pri_reset();
  const SpinGuard guard{sync_, lock_};
  if (was_reset) { // 10.5.2.2: counters and credits are as new
    for (Group& group : groups_) {
      group.answer = group.under_way ? Answer::failed : group.answer;
      group.under_way = false;
    }
    pages_under_way_ = 0;
  }
  update_stopped();
}

void PageRequests::reset() {
  const SpinGuard guard{sync_, lock_};
  groups_ = {};
  pages_under_way_ = 0;
  update_stopped();
}

void PageRequests::update_stopped() {
  capabilities_.set_stopped(!capabilities_.pri_enabled() && pages_under_way_ == 0);
}

} // namespace sluice::pcie
