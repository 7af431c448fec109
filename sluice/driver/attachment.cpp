#include <sluice/driver/attachment.hpp>

#include <sluice/driver/device.hpp>

namespace sluice::driver {

SmmuAttachment::SmmuAttachment(SmmuDevice& device, SmmuDomain& domain, iommu::Target target, Parts& parts)
    : Attachment{device, domain, target}, Held{nullptr,
                                               [](Held& self) { static_cast<SmmuAttachment&>(self).destroy(); }},
      Listener{device.sids(), target, &device}, entry{domain.entry(device)}, memory_{parts.platform.memory},
      sync_{parts.platform.sync}, domain_{domain} {
  if (domain.type() == iommu::DomainType::nested) {
    hear_everything();
  }
  free = [](platform::Retired& self) { static_cast<SmmuAttachment&>(self).destroy(); };
}

void SmmuAttachment::destroy() { platform::Owned<SmmuAttachment>{memory_, this}.reset(); }

void SmmuAttachment::retire() {
  cd.reset();
  sync_.retire(*this);
}

} // namespace sluice::driver
