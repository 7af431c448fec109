#pragma once

#include <sluice/iommufd/ioas.hpp>
#include <sluice/iommufd/object.hpp>

#include <vector>

namespace sluice::iommufd {

// Software in the place of a device. Called without any lock of the context's.
class AccessUser {
public:
  // The client unmaps [iova, last], and waits: what is pinned of it is to be unpinned, here or soon.
  virtual void on_unmap(std::uint64_t iova, std::uint64_t last) = 0;

protected:
  ~AccessUser() = default;
};

// Somebody who works with the memory of an IOAS without an IOMMU. Only the one that opened it ends it.
class Access final : public Object {
public:
  static constexpr ObjectType object_type = ObjectType::access;

  // Without a user what it has pinned cannot be unmapped.
  Access(AccessUser* user, bool pins) : Object{object_type}, pins_{pins}, user_{user} {
    hold(); // DESTROY of its id is refused
  }
  ~Access() override {
    if (ioas_) {
      ioas_->remove_access(*this);
    }
  }

  bool pins() const { return pins_; }
  AccessUser* user() const { return user_; }
  Ioas* ioas() const { return ioas_.get(); }

private:
  friend class Context;

  const bool pins_;
  AccessUser* const user_;
  Ref<Ioas> ioas_;
  std::vector<Range> pinned_;
  std::uint32_t calls_{}; // on_unmap is running
  bool moving_{};         // nothing more can be pinned
};

} // namespace sluice::iommufd
