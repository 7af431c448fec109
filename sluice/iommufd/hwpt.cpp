#include <sluice/iommufd/hwpt.hpp>

#include <sluice/base/check.hpp>
#include <sluice/iommufd/device.hpp>
#include <sluice/iommufd/fault_queue.hpp>
#include <sluice/iommufd/viommu.hpp>

#include <utility>

namespace sluice::iommufd {

using base::Errc;

namespace {

// Until an HWPT has it.
class OwnedDomain {
public:
  static base::Result<OwnedDomain> of(base::Result<iommu::Domain*> made) {
    if (!made) {
      return made.error();
    }
    return OwnedDomain{*made};
  }
  OwnedDomain(OwnedDomain&& other) noexcept : domain_{std::exchange(other.domain_, nullptr)} {}
  OwnedDomain& operator=(OwnedDomain&&) = delete;
  ~OwnedDomain() {
    if (domain_ != nullptr) {
      base::check(domain_->destroy().ok());
    }
  }
  iommu::Domain& operator*() const { return *domain_; }
  void release() { domain_ = nullptr; }

private:
  explicit OwnedDomain(iommu::Domain* domain) : domain_{domain} {}

  iommu::Domain* domain_;
};

} // namespace

Hwpt::Hwpt(ObjectType type, iommu::Domain& domain) : Object{type}, domain_{domain} {}

Hwpt::~Hwpt() {
  if (faults_) {
    static_cast<void>(domain_.set_page_request_handler(nullptr));
    faults_->forget(domain_);
  }
  base::check(domain_.destroy().ok());
}

// Where devices cannot wait the queue stays empty.
void Hwpt::set_faults(FaultQueue& queue) {
  faults_ = Ref<FaultQueue>{queue};
  static_cast<void>(domain_.set_page_request_handler(&queue));
}

void Hwpt::add_fault_source(iommu::Device& device, std::uint32_t id) {
  if (faults_) {
    faults_->add_source(device, id);
  }
}

void Hwpt::remove_fault_source(iommu::Device& device) {
  if (faults_) {
    faults_->remove_source(device);
  }
}

void Hwpt::forget_faults(iommu::Device& device, iommu::Target target) {
  if (faults_) {
    faults_->forget(domain_, device, target);
  }
}

base::Result<std::unique_ptr<HwptPaging>> HwptPaging::make(Ioas& ioas, iommu::Unit& unit,
                                                           const iommu::PagingOptions& options) {
  auto domain = OwnedDomain::of(unit.make_paging(options));
  if (!domain) {
    return domain.error();
  }
  auto hwpt = std::unique_ptr<HwptPaging>{new HwptPaging{ioas, **domain, options}};
  domain->release();
  if (auto status = ioas.add_domain(hwpt->domain()); !status) {
    hwpt->ioas_.reset();
    return status.error();
  }
  return hwpt;
}

base::Status HwptPaging::hold_messages(const MessageWindow& window) {
  if (message_users_ != 0 && *messages_ != window) {
    return Errc::invalid_argument;
  }
  if (message_users_ == 0) {
    messages_ = std::make_unique<MessageWindow>(window);
    const iommu::Prot prot{.write = true, .type = iommu::MemoryType::device};
    if (auto mapped = domain().map(window.iova, window.address, window.size, prot); !mapped.ok()) {
      static_cast<void>(domain().unmap(window.iova, mapped.done));
      return mapped.error();
    }
  }
  ++message_users_;
  return {};
}

void HwptPaging::drop_messages() {
  if (--message_users_ == 0) {
    static_cast<void>(domain().unmap(messages_->iova, messages_->size));
  }
}

HwptPaging::HwptPaging(Ioas& ioas, iommu::Domain& domain, const iommu::PagingOptions& options)
    : Hwpt{object_type, domain}, ioas_{ioas}, options_{options} {}

HwptPaging::~HwptPaging() {
  if (ioas_) {
    ioas_->remove_domain(domain());
  }
}

base::Result<std::unique_ptr<HwptNested>> HwptNested::make(Viommu& viommu, std::uint32_t type,
                                                           std::span<const std::byte> data) {
  auto domain = OwnedDomain::of(viommu.viommu().nested_alloc(type, data));
  if (!domain) {
    return domain.error();
  }
  auto hwpt = std::unique_ptr<HwptNested>{new HwptNested{viommu, **domain}};
  domain->release();
  return hwpt;
}

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
