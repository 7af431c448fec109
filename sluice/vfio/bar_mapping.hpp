#pragma once

#include <sluice/pcie/function.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace sluice::vfio {

// A part of a BAR as memory of whoever serves the client, where it stays as long as the device; the device knows that
// it is in use as long as this lives. Resets, and an end of the file that it came from, clear it and do not move it.
class BarMapping {
public:
  BarMapping() = default;
  BarMapping(pcie::Function& function, unsigned bar, std::span<std::byte> bytes)
      : function_{&function}, bar_{bar}, bytes_{bytes} {
    function_->map_bar(bar_);
  }
  BarMapping(BarMapping&& other) noexcept
      : function_{std::exchange(other.function_, nullptr)}, bar_{other.bar_}, bytes_{other.bytes_} {}
  BarMapping& operator=(BarMapping&& other) noexcept {
    std::swap(function_, other.function_);
    std::swap(bar_, other.bar_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~BarMapping() {
    if (function_ != nullptr) {
      function_->unmap_bar(bar_);
    }
  }

  std::span<std::byte> bytes() const { return bytes_; }

private:
  pcie::Function* function_{};
  unsigned bar_{};
  std::span<std::byte> bytes_{};
};

} // namespace sluice::vfio
