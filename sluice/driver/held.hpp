#pragma once

namespace sluice::driver {

// The start of an object whose memory the SMMU may still use, because an invalidation was not confirmed. It is freed
// when the SMMU is off.
struct Held {
  Held* next_held{};
  void (*free_held)(Held& self){};
};

// With the unit's mutex held.
class HeldObjects {
public:
  void add(Held& object) {
    object.next_held = first_;
    first_ = &object;
  }
  void free_all() {
    while (first_ != nullptr) {
      Held& object = *first_;
      first_ = object.next_held;
      object.free_held(object);
    }
  }
  bool empty() const { return first_ == nullptr; }

private:
  Held* first_{};
};

} // namespace sluice::driver
