#pragma once

#include <sluice/iommufd/context.hpp>

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

  explicit Explainer(Sink sink) : sink_{std::move(sink)} {}
  Explainer(const Explainer&) = delete;
  Explainer& operator=(const Explainer&) = delete;

  // The calls of one /dev/iommu, in their order and one at a time.
  void watch(const iommufd::CallRecord& call);

private:
  enum class Kind : std::uint8_t { viommu, nested };
  struct Known {
    Kind kind{};
    std::uint32_t viommu{}; // of a nested HWPT
  };

  void learn(const iommufd::CallRecord& call);
  void explain_invalidate(const iommufd::CallRecord& call);
  void say(bool& said, std::string_view text);

  Sink sink_;
  std::map<std::uint32_t, Known> objects_;
  bool said_no_operation_{};
  bool said_nested_{};
};

} // namespace sluice::advise
