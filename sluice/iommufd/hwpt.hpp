#pragma once

#include <sluice/iommu/unit.hpp>
#include <sluice/iommufd/ioas.hpp>
#include <sluice/iommufd/object.hpp>

namespace sluice::iommufd {

class FaultQueue;
class HwptPaging;
class Viommu;
struct MessageWindow;

// A hardware page table: a domain with an id.
class Hwpt : public Object {
public:
  ~Hwpt() override;

  iommu::Domain& domain() const { return domain_; }
  // The IOAS behind the second or only stage.
  virtual Ioas& ioas() = 0;
  // The table of that stage: itself, or a nested one's parent.
  virtual HwptPaging& paging() = 0;
  // That a nested one was made from; else null.
  virtual Viommu* viommu() { return nullptr; }
  // Whether it may be attached to PASIDs, or beside them.
  virtual bool for_pasids() const { return false; }

  // Faults that wait go to the queue, if there is one. Once, before anything is attached.
  void set_faults(FaultQueue& queue);
  // A device that is attached here, or about to be; and no longer. Its name for those who read the queue.
  void add_fault_source(iommu::Device& device, std::uint32_t id);
  void remove_fault_source(iommu::Device& device);
  // Those of a device, or of its group, have been answered because their attachment is no more.
  void forget_faults(iommu::Device& device, iommu::Target target);

protected:
  Hwpt(ObjectType type, iommu::Domain& domain);

private:
  iommu::Domain& domain_;
  Ref<FaultQueue> faults_;
};

// A caller's bitmap: the bit n is that of [iova + n * 2^shift, iova + (n + 1) * 2^shift).
struct DirtyRequest {
  std::uint64_t iova{};
  std::uint64_t last{};
  unsigned shift{};
  std::uint64_t bitmap{}; // the caller's pointer
  bool clear{};
};

class HwptPaging final : public Hwpt {
public:
  static constexpr ObjectType object_type = ObjectType::hwpt_paging;

  // Errors: as Unit::make_paging and Ioas::add_domain.
  static base::Result<std::unique_ptr<HwptPaging>> make(Ioas& ioas, iommu::Unit& unit,
                                                        const iommu::PagingOptions& options);
  ~HwptPaging() override;

  Ioas& ioas() override { return *ioas_; }
  HwptPaging& paging() override { return *this; }
  // The window is mapped while somebody holds it. Errors: invalid_argument (another one is), and those of mapping.
  base::Status hold_messages(const MessageWindow& window);
  void drop_messages();
  bool nest_parent() const { return options_.nest_parent; }
  bool for_pasids() const override { return options_.pasid; }

  // Errors: unsupported (not made for it), and the driver's.
  base::Status set_dirty_tracking(bool on);
  // Sets a bit for all that was written, in all areas of the range; clears none. Errors: unsupported, bad_address (what
  // has not been told yet is told the next time), and the driver's.
  base::Status read_dirty(Caller& caller, const DirtyRequest& request);

  // Made for a device that was attached to an IOAS; vanishes with the last one.
  bool automatic{};

private:
  HwptPaging(Ioas& ioas, iommu::Domain& domain, const iommu::PagingOptions& options);

  base::Status read_dirty_part(Caller& caller, const DirtyRequest& request, Range part);

  Ref<Ioas> ioas_;
  iommu::PagingOptions options_;
  std::vector<Range> untold_; // dirty and cleared, but the caller could not be told
  std::unique_ptr<MessageWindow> messages_;
  std::uint32_t message_users_{};
};

class HwptNested final : public Hwpt {
public:
  static constexpr ObjectType object_type = ObjectType::hwpt_nested;

  // Errors: the driver's.
  static base::Result<std::unique_ptr<HwptNested>> make(Viommu& viommu, std::uint32_t type,
                                                        std::span<const std::byte> data);
  ~HwptNested() override;

  Ioas& ioas() override;
  HwptPaging& paging() override;
  Viommu* viommu() override { return &*viommu_; }

private:
  HwptNested(Viommu& viommu, iommu::Domain& domain);

  Ref<Viommu> viommu_;
};

// Any of the two. Errors: not_found.
base::Result<Hwpt*> find_hwpt(Objects& objects, std::uint32_t id);

} // namespace sluice::iommufd
