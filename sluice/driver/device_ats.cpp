#include <sluice/driver/atc.hpp>
#include <sluice/driver/device.hpp>
#include <sluice/platform/pci_translation.hpp>

// 3.9.2: when an endpoint may ask for translations, and what is done about those that it has.
namespace sluice::driver {

using base::Order;
using iommu::Change;
using namespace arch;

// 5.2 EATS: ILLEGAL with a stage 2 that stalls; no translations are asked for in bypass.
bool SmmuDevice::wants_ats(const Ste& ste, bool forbidden) const {
  if (!can_ats_ || forbidden) {
    return false;
  }
  const SteConfig config = ste.get(Ste::Config);
  return translates_stage1(config) || translates_stage2(config) ? !translates_stage2(config) || ste.get(Ste::S2S) == 0
                                                                : false;
}

Ste SmmuDevice::with_ats(Ste ste, bool forbidden) const {
  if (answers_name_pasids_ && ste.get(Ste::Config) == SteConfig::stage1) {
    ste.set(Ste::PPAR, 1); // 8.2: and so do those that the SMMU gives for itself
  }
  return wants_ats(ste, forbidden) ? ste.with(Ste::EATS, Eats::full) : ste;
}

// 10.5.1.3: STU is not above the smallest granule that the SMMU has. 3.9.1
namespace {
unsigned smallest_granule_bits(const Capabilities& capabilities) {
  for (const Granule g : {Granule::k4, Granule::k16}) {
    if (has_granule(capabilities.id, g)) {
      return granule_bits(g);
    }
  }
  return granule_bits(Granule::k64);
}
} // namespace

void SmmuDevice::take_over() {
  if (function_ == nullptr) {
    return;
  }
  platform::PciTranslation pci{*function_};
  pci.disable_pri();
  pci.disable_ats();
  if (max_pasids() != 0 && !pci.pasid_enabled()) {
    static_cast<void>(pci.enable_pasid(pci.can_execute(), pci.can_be_privileged()));
  }
}

// EATS is 1 and known. What the endpoint may have kept from before goes first.
void SmmuDevice::start_ats(Change& change) {
  AtcBatch batch{parts_.commands};
  batch.add_all(*this);
  if (!batch.finish(change)) {
    return;
  }
  ats_ = platform::PciTranslation{*function_}.enable_ats(smallest_granule_bits(parts_.capabilities)).ok();
}

// It asks for no more, and then has none; only then may EATS be 0.
void SmmuDevice::stop_ats(Change& change) {
  if (!std::exchange(ats_, false)) {
    return;
  }
  platform::PciTranslation{*function_}.disable_ats();
  AtcBatch batch{parts_.commands};
  batch.add_all(*this);
  static_cast<void>(batch.finish(change));
}

// What it has of one target, after the SMMU has let go of what it came from.
void SmmuDevice::invalidate_atc(const Listener& listener, Change& change) {
  if (ats_) {
    AtcBatch batch{parts_.commands};
    batch.add(listener, atc_everything);
    static_cast<void>(batch.finish(change));
  }
}

void SmmuDevice::fail_atc() {
  if (failed_.exchange(1) != 0) {
    return;
  }
  platform::PciTranslation pci{*function_};
  pci.disable_pri();
  pci.disable_ats();
  parts_.health.error(Code::device_failed, sids_[0]);
  SmmuDevice* first = parts_.due.load(Order::relaxed);
  do {
    next_due = first;
  } while (!parts_.due.compare_exchange(first, this, Order::release));
}

} // namespace sluice::driver
