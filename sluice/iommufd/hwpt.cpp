#include <sluice/iommufd/hwpt.hpp>

#include <sluice/base/check.hpp>
#include <sluice/iommufd/device.hpp>
#include <sluice/iommufd/viommu.hpp>

namespace sluice::iommufd {

using base::Errc;

Hwpt::~Hwpt() { base::check(domain_.destroy().ok()); }

base::Result<std::unique_ptr<HwptPaging>> HwptPaging::make(Ioas& ioas, iommu::Domain& domain, bool nest_parent) {
  if (auto status = ioas.add_domain(domain); !status) {
    base::check(domain.destroy().ok());
    return status.error();
  }
  return std::unique_ptr<HwptPaging>{new HwptPaging{ioas, domain, nest_parent}};
}

HwptPaging::HwptPaging(Ioas& ioas, iommu::Domain& domain, bool nest_parent)
    : Hwpt{object_type, domain}, ioas_{ioas}, nest_parent_{nest_parent} {}

base::Status HwptPaging::hold_messages(const MessageWindow& window) {
  if (message_users_ != 0 && *messages_ != window) {
    return Errc::invalid_argument;
  }
  if (message_users_ == 0) {
    const iommu::Prot prot{.write = true, .type = iommu::MemoryType::device};
    if (auto mapped = domain().map(window.iova, window.address, window.size, prot); !mapped.ok()) {
      static_cast<void>(domain().unmap(window.iova, mapped.done));
      return mapped.error();
    }
    messages_ = std::make_unique<MessageWindow>(window);
  }
  ++message_users_;
  return {};
}

void HwptPaging::drop_messages() {
  if (--message_users_ == 0) {
    static_cast<void>(domain().unmap(messages_->iova, messages_->size));
  }
}

HwptPaging::~HwptPaging() { ioas_->remove_domain(domain()); }

HwptNested::HwptNested(Viommu& viommu, iommu::Domain& domain) : Hwpt{object_type, domain}, viommu_{viommu} {}

HwptNested::~HwptNested() = default;

Ioas& HwptNested::ioas() { return viommu_->parent().ioas(); }
HwptPaging& HwptNested::paging() { return viommu_->parent(); }

base::Result<Hwpt*> find_hwpt(Objects& objects, std::uint32_t id) {
  Object* const object = objects.find(id);
  if (object == nullptr || (object->type() != ObjectType::hwpt_paging && object->type() != ObjectType::hwpt_nested)) {
    return Errc::not_found;
  }
  return static_cast<Hwpt*>(object);
}

} // namespace sluice::iommufd
