#include <sluice/advise/explainer.hpp>

#include <sluice/uapi/iommufd.hpp>

#include <algorithm>
#include <cstring>
#include <string>

namespace sluice::advise {

namespace {

namespace u = uapi::iommufd;

template <class T>
T as(std::span<const std::byte> structure) {
  T result{};
  std::memcpy(&result, structure.data(), std::min(sizeof result, structure.size()));
  return result;
}

} // namespace

void Explainer::watch(const iommufd::CallRecord& call) {
  if (call.status) {
    learn(call);
  } else if (call.number == u::call(u::HwptInvalidate::nr) && call.status.error() == base::Errc::unsupported) {
    explain_invalidate(call);
  }
}

void Explainer::learn(const iommufd::CallRecord& call) {
  if (call.number == u::call(u::ViommuAlloc::nr)) {
    objects_[as<u::ViommuAlloc>(call.answer).out_viommu_id] = {Kind::viommu};
  } else if (call.number == u::call(u::HwptAlloc::nr)) {
    const auto hwpt = as<u::HwptAlloc>(call.answer);
    const auto parent = objects_.find(hwpt.pt_id);
    if (parent != objects_.end() && parent->second.kind == Kind::viommu) {
      objects_[hwpt.out_hwpt_id] = {Kind::nested, hwpt.pt_id};
    }
  } else if (call.number == u::call(u::Destroy::nr)) {
    objects_.erase(as<u::Destroy>(call.request).id);
  }
}

void Explainer::explain_invalidate(const iommufd::CallRecord& call) {
  const auto request = as<u::HwptInvalidate>(call.request);
  const auto object = objects_.find(request.hwpt_id);
  if (request.reserved != 0 || object == objects_.end()) {
    return; // wrong for a plainer reason
  }
  const std::string id = std::to_string(request.hwpt_id);
  if (object->second.kind == Kind::nested) {
    const std::string viommu = std::to_string(object->second.viommu);
    say(said_nested_, "IOMMU_HWPT_INVALIDATE names the nested HWPT " + id +
                          " and is answered EOPNOTSUPP, entry_num 0: nothing was invalidated.\n"
                          "An SMMUv3 caches what a guest's tables say by the vIOMMU (its VMID), so its invalidation "
                          "commands go to the vIOMMU: hwpt_id = " +
                          viommu + " here, the one that this HWPT was made from.");
    return;
  }
  say(said_no_operation_,
      "IOMMU_HWPT_INVALIDATE on vIOMMU " + id +
          " is answered EOPNOTSUPP, entry_num 0: the driver below has no cache_invalidate, so nothing was "
          "invalidated.\n"
          "The VMM must not complete the guest's CMD_SYNC now; a guest of Linux reports that it timed out. The first "
          "nested test of the Linux driver met the same gap: the kernel called the operation that was not there, "
          "through "
          "a null pointer, and the host panicked. Here the call is refused, and nothing else is harmed.");
}

void Explainer::say(bool& said, std::string_view text) {
  if (!said) {
    said = true;
    sink_(text);
  }
}

} // namespace sluice::advise
