#include <sluice/driver/page_request_queue.hpp>

#include <sluice/driver/device.hpp>

namespace sluice::driver {

using base::Order;
using namespace arch;

base::Status PageRequestQueue::make(const Config& config) {
  if (!capabilities_.pri || !config.ats || config.page_requests_per_function == 0) {
    return {};
  }
  const unsigned most = capabilities_.page_request_queue_log2;
  const auto made = queue_.make(config.page_request_queue_log2 < most ? config.page_request_queue_log2 : most);
  if (!made) {
    return made;
  }
  const std::uint32_t entries = 1U << queue_.log2();
  credits_ = entries < config.page_requests ? entries : config.page_requests;
  per_function_ = config.page_requests_per_function;
  works_ = true;
  return {};
}

std::uint32_t PageRequestQueue::lend(std::uint32_t wanted) {
  std::uint32_t lent = wanted < per_function_ ? wanted : per_function_;
  lent = lent < credits_ ? lent : credits_;
  credits_ -= lent;
  return lent;
}

void PageRequestQueue::read() {
  if (works_) {
    queue_.drain(*this, true);
  }
}

bool PageRequestQueue::abort() {
  requests_.drop_collected();
  aborts_ = records() == records_before_ ? aborts_ + 1 : 1;
  records_before_ = records();
  if (aborts_ > most_aborts) {
    health_.error(Code::page_requests_given_up, aborts_);
  }
  return aborts_ <= most_aborts;
}

bool PageRequestQueue::on_record(const PriRecord& record, bool) {
  if (is_stop_marker(record)) { // 8: it has no answer
    return true;
  }
  const platform::ReadSection section{sync_};
  const auto sid = static_cast<StreamID>(record.get(PriRecord::StreamID));
  SmmuDevice* device = streams_.owner(sid);
  if (device == nullptr) {
    unknown_.fetch_add(1, Order::relaxed);
    health_.warn(Code::page_request_unknown_stream, record.w[0], record.w[1]);
  }
  const auto target = record.get(PriRecord::SSV) == 1
                          ? iommu::Target::pasid(static_cast<std::uint32_t>(record.get(PriRecord::SubstreamID)))
                          : iommu::Target::rid();
  const auto group = static_cast<std::uint16_t>(record.get(PriRecord::PRGIndex));
  const bool named = device != nullptr && device->answers_name_pasids();
  const iommu::PageRequest page{record.get(PriRecord::PageAddr), record.get(PriRecord::R) == 1,
                                record.get(PriRecord::W) == 1, record.get(PriRecord::X) == 1,
                                record.get(PriRecord::Priv) == 1};
  using Arrival = iommu::PageRequests::Arrival;
  const auto arrival =
      requests_.add({device, sid, target, group, false, named}, page, record.get(PriRecord::Last) == 1);
  if (arrival == Arrival::no_room || arrival == Arrival::too_long) {
    health_.error(Code::page_request_no_room, sid, group);
  }
  return true;
}

} // namespace sluice::driver
