#pragma once

#include <sluice/base/result.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

namespace sluice::iommufd {

enum class ObjectType : std::uint8_t {
  device,
  ioas,
  hwpt_paging,
  hwpt_nested,
  viommu,
  vdevice,
  veventq,
  fault_queue,
  access
};

// Something with an id. It lives as long as `users` says: one for the id itself, one for each object that stands on it.
class Object {
public:
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;

  ObjectType type() const { return type_; }
  std::uint32_t id() const { return id_; }
  void hold() { ++users_; }
  void drop() { --users_; }
  bool idle() const { return users_ == 1 && !has_outside_user(); }

protected:
  explicit Object(ObjectType type) : type_{type} {}

  // Somebody who holds no reference that we count, such as a descriptor of the client.
  virtual bool has_outside_user() const { return false; }

private:
  friend class Objects;

  ObjectType type_;
  std::uint32_t id_{};
  std::uint32_t users_{1};
};

// Keeps another object while its own object lives.
template <class T>
class Ref {
public:
  Ref() = default;
  explicit Ref(T& object) : object_{&object} { object.hold(); }
  Ref(Ref&& other) noexcept : object_{std::exchange(other.object_, nullptr)} {}
  Ref& operator=(Ref&& other) noexcept {
    if (this != &other) {
      reset();
      object_ = std::exchange(other.object_, nullptr);
    }
    return *this;
  }
  ~Ref() { reset(); }

  void reset() {
    if (object_ != nullptr) {
      std::exchange(object_, nullptr)->drop();
    }
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

private:
  T* object_{};
};

// One id space: 31 bits, the lowest free from 1. A tombstone is an id that stays taken and is never found.
class Objects {
public:
  // Errors: ids_exhausted.
  template <class T>
  base::Result<T*> add(std::unique_ptr<T> object) {
    auto id = free_id();
    if (!id) {
      return id.error();
    }
    object->id_ = *id;
    T* const raw = object.get();
    all_.emplace(*id, std::move(object));
    return raw;
  }
  Object* find(std::uint32_t id);
  // Errors: not_found (no such id, or an object of another type).
  template <class T>
  base::Result<T*> get(std::uint32_t id) {
    Object* const object = find(id);
    if (object == nullptr || object->type() != T::object_type) {
      return base::Errc::not_found;
    }
    return static_cast<T*>(object);
  }
  // Errors: not_found, in_use.
  base::Status destroy(std::uint32_t id);
  // Ends an object that only its owner may end.
  void remove(Object& object, bool tombstone = false);
  // Destroys what no object stands on until nothing is left, or only what bound devices keep.
  void destroy_all();
  std::size_t count() const { return all_.size() - tombstones_; }

  template <class T, class F>
  void for_each(F f) {
    for (auto& [id, object] : all_) {
      if (object && object->type() == T::object_type) {
        f(static_cast<T&>(*object));
      }
    }
  }

private:
  base::Result<std::uint32_t> free_id() const;

  std::map<std::uint32_t, std::unique_ptr<Object>> all_; // null: a tombstone
  std::size_t tombstones_{};
};

} // namespace sluice::iommufd
