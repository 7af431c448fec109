#pragma once

#include <sluice/iommu/unit.hpp>
#include <sluice/iommufd/host.hpp>
#include <sluice/iommufd/object.hpp>
#include <sluice/platform/sync.hpp>

#include <deque>
#include <map>
#include <vector>

namespace sluice::iommufd {

// Groups of pages that devices wait for, on their way to a client and back as its answers. A group is here until it is
// answered or its attachment ends; a client's answer to one that the driver has answered meanwhile, because it waited
// for too long, has no effect.
class FaultQueue final : public Object, public iommu::PageRequestHandler, public QueueFile {
public:
  static constexpr ObjectType object_type = ObjectType::fault_queue;
  // Beyond these, devices are told that their pages cannot be had.
  static constexpr std::size_t most_groups = 4096;

  // Errors: no_memory (no descriptor is left).
  static base::Result<std::unique_ptr<FaultQueue>> make(Host& host, platform::Sync& sync);
  ~FaultQueue() override;

  int descriptor() const { return descriptor_->number(); }
  void give_descriptor() { descriptor_->give(); }

  // What a device is called. As often as it is added it has to be removed.
  void add_source(iommu::Device& device, std::uint32_t id);
  void remove_source(iommu::Device& device);
  // Of a domain; or only those that came from a device, or its group, and a target. They have been answered.
  void forget(const iommu::Domain& domain);
  void forget(const iommu::Domain& domain, const iommu::Device& device, iommu::Target target);

  void on_page_requests(const iommu::PageRequestGroup& group) override;
  std::int64_t read(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) override;
  std::int64_t write(std::uint64_t buffer, std::uint64_t count, std::uint64_t offset) override;
  void refresh() override;

protected:
  bool has_outside_user() const override { return descriptor_->connected(); }

private:
  struct Group {
    iommu::Device* device;
    const iommu::Domain* domain;
    iommu::Target target;
    iommu::PageTicket ticket;
    std::uint32_t source; // id of the device
    std::uint32_t tag;
    std::vector<iommu::PageRequest> pages;
  };
  struct Source {
    std::uint32_t id{};
    std::uint32_t users{};
  };
  using Delivered = std::map<std::uint32_t, Group>; // by cookie

  FaultQueue(Caller& caller, platform::Sync& sync) : Object{object_type}, caller_{caller}, sync_{sync} {}
  bool take(const iommu::PageRequestGroup& group);
  const Source* source_of(const iommu::Device& device) const;
  bool pop(Group& group);
  void put_back(Group& group);
  Delivered::iterator give_cookie();
  base::Status copy(std::uint64_t to, const Group& group, std::uint32_t cookie);
  base::Status answer(std::uint64_t from);
  template <class Matches>
  void forget_if(Matches matches);
  void signal();

  Caller& caller_;
  platform::Sync& sync_;
  std::unique_ptr<QueueDescriptor> descriptor_;
  platform::Mutex mutex_; // of reading and answering
  Delivered delivered_;
  platform::SpinLock lock_; // of what follows
  std::deque<Group> pending_;
  std::map<const iommu::Device*, Source> sources_;
  std::size_t groups_{}; // pending and delivered
};

} // namespace sluice::iommufd
