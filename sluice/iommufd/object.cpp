#include <sluice/iommufd/object.hpp>

namespace sluice::iommufd {

using base::Errc;

namespace {
constexpr std::uint32_t last_id = 0x7fff'ffff;
}

base::Result<std::uint32_t> Objects::free_id() const {
  std::uint32_t id = 1;
  for (auto it = all_.begin(); id <= last_id; ++id) {
    if (it == all_.end() || it->first != id) {
      return id;
    }
    ++it;
  }
  return Errc::ids_exhausted;
}

Object* Objects::find(std::uint32_t id) {
  const auto it = all_.find(id);
  return it != all_.end() ? it->second.get() : nullptr;
}

base::Status Objects::destroy(std::uint32_t id) {
  Object* const object = find(id);
  if (object == nullptr) {
    return Errc::not_found;
  }
  if (!object->idle()) {
    return Errc::in_use;
  }
  remove(*object);
  return {};
}

void Objects::remove(Object& object, bool tombstone) {
  const auto at = all_.find(object.id());
  const auto ended = std::move(at->second); // whose end may look other objects up
  if (tombstone) {
    ++tombstones_;
  } else {
    all_.erase(at);
  }
}

void Objects::destroy_all() {
  for (bool progress = true; progress;) {
    progress = false;
    for (auto it = all_.rbegin(); it != all_.rend(); ++it) {
      if (it->second && it->second->users_ == 1) {
        remove(*it->second);
        progress = true;
        break;
      }
    }
  }
}

} // namespace sluice::iommufd
