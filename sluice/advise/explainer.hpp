#pragma once

#include <sluice/advise/stale.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/base/atomic.hpp>
#include <sluice/iommufd/context.hpp>
#include <sluice/iommufd/host.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace sluice::advise {

// Says, once each, what an answer means that VMM developers have been stopped by.
class Explainer {
public:
  // Takes a text of one line or several, without a newline at the end; from the thread that made the call, or of a
  // stale use from the thread that has seen it.
  using Sink = std::function<void(std::string_view text)>;

  // `caller`: whose calls they are.
  Explainer(iommufd::Caller& caller, Sink sink) : caller_{caller}, sink_{std::move(sink)} {}
  Explainer(const Explainer&) = delete;
  Explainer& operator=(const Explainer&) = delete;

  // The calls of one /dev/iommu, in their order and one at a time.
  void watch(const iommufd::CallRecord& call);
  // Any thread, beside calls too.
  void on_stale_use(const iommufd::Placement& of, const model::StaleUse& use);

private:
  enum class Kind : std::uint8_t { viommu, nested, vdevice };
  struct Known {
    Kind kind{};
    std::uint32_t on{};         // the vIOMMU that it was made from; of a vIOMMU, its HWPT
    std::uint32_t device{};     // but of a vIOMMU
    std::uint64_t virtual_id{}; // of a vDEVICE
    arch::Ste ste{};            // of a nested HWPT, as far as the client has said it
  };
  // What GET_HW_INFO has said of a device.
  struct Hardware {
    uapi::arm_smmuv3::HwInfo info{};
    std::uint64_t capabilities{};
  };

  template <class T>
  static T as(std::span<const std::byte> structure) {
    T result{};
    std::memcpy(&result, structure.data(), std::min(sizeof result, structure.size()));
    return result;
  }

  void learn(const iommufd::CallRecord& call);
  void explain_invalidate(const iommufd::CallRecord& call);
  void explain_probe(std::uint32_t viommu);
  void explain_stream(const iommufd::CallRecord& call);
  void explain_destroy(std::uint32_t id);
  bool names(std::uint32_t viommu, std::uint64_t stream, std::uint32_t device) const;

  // explainer_unlisted.cpp
  void learn_hw_info(const iommufd::CallRecord& call);
  void look_at_nested(std::uint32_t hwpt, iommufd::TableMemory& memory, std::uint64_t ssid);
  void look_at_cds(const iommufd::CallRecord& call);
  void explain_unlisted(std::string_view field, std::string_view seen);
  void say(bool& said, std::string_view text);

  iommufd::Caller& caller_;
  Sink sink_;
  std::map<std::uint32_t, Known> objects_;
  std::map<std::uint32_t, Hardware> hardware_; // by device
  bool said_no_operation_{};
  bool said_nested_{};
  bool said_probe_{};
  bool said_stream_{};
  bool said_order_{};
  bool said_unlisted_{};
  base::Atomic<std::uint32_t> said_missing_{0};
};

} // namespace sluice::advise
