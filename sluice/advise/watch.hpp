#pragma once

#include <sluice/advise/explainer.hpp>
#include <sluice/advise/recorder.hpp>

#include <utility>

namespace sluice::advise {

// What looks on at one /dev/iommu.
class Watch final : public iommufd::Observer, public StaleObserver {
public:
  // `recorder` may be null.
  Watch(std::uint64_t context, iommufd::Caller& caller, Recorder* recorder, Explainer::Sink explain)
      : context_{context}, recorder_{recorder}, explainer_{caller, std::move(explain)} {}

  void on_call(const iommufd::CallRecord& call) override {
    if (recorder_ != nullptr) {
      recorder_->record(context_, call);
    }
    explainer_.watch(call);
  }
  void on_stale_use(const iommufd::Placement& of, const model::StaleUse& use) override {
    explainer_.on_stale_use(of, use);
  }

private:
  std::uint64_t context_;
  Recorder* recorder_;
  Explainer explainer_;
};

} // namespace sluice::advise
