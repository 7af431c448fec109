#pragma once

#include <sluice/iommufd/context.hpp>
#include <sluice/iommufd/host.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

namespace sluice::advise {

// Says, once each, what an answer means that VMM developers have been stopped by.
class Explainer {
public:
  // Takes a text of one line or several, without a newline at the end; from the thread that made the call.
  using Sink = std::function<void(std::string_view text)>;

  // `caller`: whose calls they are.
  Explainer(iommufd::Caller& caller, Sink sink) : caller_{caller}, sink_{std::move(sink)} {}
  Explainer(const Explainer&) = delete;
  Explainer& operator=(const Explainer&) = delete;

  // The calls of one /dev/iommu, in their order and one at a time.
  void watch(const iommufd::CallRecord& call);

private:
  enum class Kind : std::uint8_t { viommu, nested, vdevice };
  struct Known {
    Kind kind{};
    std::uint32_t on{};         // the vIOMMU that it was made from; of a vIOMMU, its HWPT
    std::uint64_t virtual_id{}; // of a vDEVICE
  };

  void learn(const iommufd::CallRecord& call);
  void explain_invalidate(const iommufd::CallRecord& call);
  void explain_probe(std::uint32_t viommu);
  void explain_stream(const iommufd::CallRecord& call);
  void explain_destroy(std::uint32_t id);
  void say(bool& said, std::string_view text);

  iommufd::Caller& caller_;
  Sink sink_;
  std::map<std::uint32_t, Known> objects_;
  bool said_no_operation_{};
  bool said_nested_{};
  bool said_probe_{};
  bool said_stream_{};
  bool said_order_{};
};

} // namespace sluice::advise
