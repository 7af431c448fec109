#pragma once

#include <utility>

namespace sluice::iommufd {

// Takes back what was done, at the end of its scope, unless it is to stay.
template <class F>
class [[nodiscard]] Undo {
public:
  explicit Undo(F f) : f_{std::move(f)} {}
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    if (armed_) {
      f_();
    }
  }
  void keep() { armed_ = false; }

private:
  F f_;
  bool armed_{true};
};

} // namespace sluice::iommufd
