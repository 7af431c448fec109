#include <sluice/driver/paging_domain.hpp>

// 3.13: which memory devices have written to, as the SMMU notes it in the table. It notes always, in all tables that
// are made for it: to have it begin and end would change entries and every writable leaf under traffic.
namespace sluice::driver {

using base::Errc;
using base::Order;
using base::Progress;
using base::Status;

namespace {

class Forward final : public pagetable::DirtySink {
public:
  explicit Forward(iommu::DirtySink* sink) : sink_{sink} {}
  void dirty(std::uint64_t iova, std::uint64_t size) override {
    if (sink_ != nullptr) {
      sink_->dirty(iova, size);
    }
  }

private:
  iommu::DirtySink* sink_;
};

} // namespace

// What is clean must be so in the TLBs, too, before anybody relies on it: a translation that is cached as
// writable-dirty lets writes through that are not noted. They go to memory that has been reported here, and come before
// we return.
Progress PagingDomain::take_dirty(std::uint64_t iova, std::uint64_t size, pagetable::Clear clear,
                                  pagetable::DirtySink& sink) {
  pagetable::Gather gather;
  Progress progress;
  bool anybody = false;
  {
    const platform::ReadSection section{parts_.platform.sync};
    progress = table_->read_dirty(iova, size, clear, sink, gather);
    anybody = heard_by_anybody(gather);
  }
  return finish(progress, gather, anybody);
}

Status PagingDomain::set_dirty_tracking(bool on) {
  if (!table_->config().dirty) {
    return Errc::unsupported;
  }
  const bool was = tracking_.load(Order::relaxed) != 0;
  if (on && !was) {
    const Status ready = notes_pages() ? split_all() : Status{};
    if (!ready) {
      return ready;
    }
    Forward nobody{nullptr};
    const auto cleared = take_dirty(0, geometry().last + 1, pagetable::Clear::yes, nobody);
    if (!cleared) {
      return cleared.status;
    }
  }
  tracking_.store(on ? 1 : 0, Order::relaxed);
  if (!on && was && notes_pages()) {
    table_->use_blocks(true);
    return merge_pages();
  }
  return {};
}

Progress PagingDomain::read_dirty(std::uint64_t iova, std::uint64_t size, iommu::Clear clear, iommu::DirtySink& sink) {
  if (!table_->config().dirty) {
    return {0, Errc::unsupported};
  }
  if (tracking_.load(Order::relaxed) == 0) {
    return {0, Errc::busy};
  }
  Forward forward{&sink};
  return take_dirty(iova, size, clear == iommu::Clear::yes ? pagetable::Clear::yes : pagetable::Clear::no, forward);
}

} // namespace sluice::driver
