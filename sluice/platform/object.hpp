#pragma once

#include <sluice/platform/memory.hpp>

#include <new>
#include <utility>

namespace sluice::platform {

// One object in plain memory of the port, destroyed with its owner.
template <class T>
class Owned {
public:
  Owned() = default;
  Owned(Memory& memory, T* object) : memory_{&memory}, object_{object} {}
  Owned(Owned&& other) noexcept : memory_{other.memory_}, object_{std::exchange(other.object_, nullptr)} {}
  Owned& operator=(Owned&& other) noexcept {
    if (this != &other) {
      reset();
      memory_ = other.memory_;
      object_ = std::exchange(other.object_, nullptr);
    }
    return *this;
  }
  ~Owned() { reset(); }

  explicit operator bool() const { return object_ != nullptr; }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  T* release() { return std::exchange(object_, nullptr); }
  void reset() {
    if (object_ != nullptr) {
      object_->~T();
      memory_->free(object_, sizeof(T));
      object_ = nullptr;
    }
  }

private:
  Memory* memory_{};
  T* object_{};
};

// Errors: no_memory.
template <class T, class... Args>
base::Result<Owned<T>> make(Memory& memory, Args&&... args) {
  static_assert(alignof(T) <= 64);
  auto room = memory.alloc(sizeof(T));
  if (!room) {
    return room.error();
  }
  return Owned<T>{memory, ::new (*room) T{std::forward<Args>(args)...}};
}

} // namespace sluice::platform
