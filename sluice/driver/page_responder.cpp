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

void PageResponder::send(const PageAsker& asker, PageResponse response) {
  const Command command = response == PageResponse::served
                              ? cmd::resume_retry(asker.requester, asker.tag)
                              : cmd::resume_terminate(asker.requester, asker.tag, /*abort=*/true);
  static_cast<void>(commands_.submit(command, Wait::no));
}

} // namespace sluice::driver
