#include <sluice/driver/page_responder.hpp>

#include <sluice/driver/device.hpp>

namespace sluice::driver {

using namespace arch;
using iommu::PageAsker;
using iommu::PageResponse;

iommu::Domain* PageResponder::domain_of(const PageAsker& asker) {
  const auto* device = static_cast<const SmmuDevice*>(asker.device);
  return device != nullptr ? device->domain_at(!asker.target.is_rid(), asker.target.value()) : nullptr;
}

namespace {
Command of_stall(const PageAsker& asker, PageResponse response) {
  return response == PageResponse::served ? cmd::resume_retry(asker.requester, asker.tag)
                                          : cmd::resume_terminate(asker.requester, asker.tag, /*abort=*/true);
}
Command of_group(const PageAsker& asker, PageResponse response) {
  const PriResponse code = response == PageResponse::served    ? PriResponse::success
                           : response == PageResponse::invalid ? PriResponse::invalid_request
                                                               : PriResponse::failure;
  return asker.answer_has_pasid && !asker.target.is_rid()
             ? cmd::pri_resp_pasid(asker.requester, asker.target.value(), asker.tag, code)
             : cmd::pri_resp(asker.requester, asker.tag, code);
}
} // namespace

void PageResponder::send(const PageAsker& asker, PageResponse response) {
  if (!asker.stalled && response == PageResponse::failed && asker.device != nullptr) {
    static_cast<SmmuDevice*>(asker.device)->told_failure();
  }
  const Command command = asker.stalled ? of_stall(asker, response) : of_group(asker, response);
  static_cast<void>(commands_.submit(command, Wait::no));
}

} // namespace sluice::driver
