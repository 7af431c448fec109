#pragma once

#include <sluice/iommu/domain.hpp>
#include <sluice/iommufd/ioas.hpp>
#include <sluice/iommufd/object.hpp>

namespace sluice::iommufd {

class Viommu;
class HwptPaging;
struct MessageWindow;

// A hardware page table: a domain with an id.
class Hwpt : public Object {
public:
  ~Hwpt() override;

  iommu::Domain& domain() { return domain_; }
  // The IOAS behind the second or only stage.
  virtual Ioas& ioas() = 0;
  // The table of that stage: itself, or a nested one's parent.
  virtual HwptPaging& paging() = 0;

protected:
  Hwpt(ObjectType type, iommu::Domain& domain) : Object{type}, domain_{domain} {}

private:
  iommu::Domain& domain_;
};

class HwptPaging final : public Hwpt {
public:
  static constexpr ObjectType object_type = ObjectType::hwpt_paging;

  // Errors: as Ioas::add_domain. The domain is destroyed after one.
  static base::Result<std::unique_ptr<HwptPaging>> make(Ioas& ioas, iommu::Domain& domain, bool nest_parent);
  ~HwptPaging() override;

  Ioas& ioas() override { return *ioas_; }
  HwptPaging& paging() override { return *this; }
  // The window is mapped while somebody holds it. Errors: invalid_argument (another one is), and those of mapping.
  base::Status hold_messages(const MessageWindow& window);
  void drop_messages();
  bool nest_parent() const { return nest_parent_; }
  // Made for a device that was attached to an IOAS; vanishes with the last one.
  bool automatic{};

private:
  HwptPaging(Ioas& ioas, iommu::Domain& domain, bool nest_parent);

  Ref<Ioas> ioas_;
  bool nest_parent_;
  std::unique_ptr<MessageWindow> messages_;
  std::uint32_t message_users_{};
};

class HwptNested final : public Hwpt {
public:
  static constexpr ObjectType object_type = ObjectType::hwpt_nested;

  HwptNested(Viommu& viommu, iommu::Domain& domain);
  ~HwptNested() override;

  Ioas& ioas() override;
  HwptPaging& paging() override;

private:
  Ref<Viommu> viommu_;
};

// Any of the two. Errors: not_found.
base::Result<Hwpt*> find_hwpt(Objects& objects, std::uint32_t id);

} // namespace sluice::iommufd
