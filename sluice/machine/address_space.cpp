#include <sluice/machine/address_space.hpp>

#include <sluice/arch/features.hpp>
#include <sluice/base/check.hpp>

#include <algorithm>

namespace sluice::machine {

using base::Errc;
using base::Status;

base::Result<std::unique_ptr<AddressSpace>> AddressSpace::make(const platform::Platform& platform,
                                                               const pagetable::Config& config) {
  auto table = pagetable::make(platform.memory, platform.sync, config);
  if (!table) {
    return table.error();
  }
  return std::unique_ptr<AddressSpace>{new AddressSpace{platform, std::move(*table)}};
}

AddressSpace::AddressSpace(const platform::Platform& platform, pagetable::OwnedPageTable table)
    : platform_{platform}, table_{std::move(table)} {}

AddressSpace::~AddressSpace() { base::check(users_.empty()); }

base::Progress AddressSpace::map(std::uint64_t address, std::uint64_t pa, std::uint64_t size, pagetable::Prot prot) {
  const platform::ReadSection section{platform_.sync};
  return table_->map(address, pa, size, prot);
}

base::Progress AddressSpace::unmap(std::uint64_t address, std::uint64_t size) {
  pagetable::Gather gather;
  base::Progress progress;
  {
    const platform::ReadSection section{platform_.sync};
    progress = table_->unmap(address, size, gather);
  }
  Status told = broadcasts_ != nullptr ? broadcasts_->invalidate(asid_, gather.ranges()) : Status{};
  for (const auto& range : gather.ranges()) {
    const Status each = tell([&](iommu::AddressSpaceUser& user) { return user.changed(range.iova, range.size); });
    told = told ? each : told;
  }
  if (!told) {
    table_->keep(gather);
    return {progress.done, told};
  }
  table_->release(gather);
  return progress;
}

base::Status AddressSpace::end() {
  {
    const platform::MutexGuard guard{platform_.sync, mutex_};
    base::check(!ended_);
    ended_ = true;
  }
  return tell([](iommu::AddressSpaceUser& user) { return user.ended(); });
}

iommu::TableFormat AddressSpace::format() const {
  const auto& config = table_->config();
  const auto fields = table_->fields();
  iommu::TableFormat f;
  f.root = fields.TTB;
  f.input_bits = config.input_bits;
  f.output_bits = config.output_bits;
  f.granule_bits = arch::granule_bits(config.granule);
  f.mair = fields.MAIR0;
  f.access_flag_by_hw = fields.HA;
  f.dirty_by_hw = fields.HD;
  return f;
}

base::Status AddressSpace::subscribe(iommu::AddressSpaceUser& user) {
  const platform::MutexGuard guard{platform_.sync, mutex_};
  if (ended_) {
    return Errc::not_found;
  }
  users_.push_back({&user});
  return {};
}

void AddressSpace::unsubscribe(iommu::AddressSpaceUser& user) {
  {
    const platform::MutexGuard guard{platform_.sync, mutex_};
    const auto it = std::ranges::find(users_, &user, &User::user);
    if (it->running != 0) {
      it->leaving = true;
      return;
    }
    users_.erase(it);
  }
  user.unsubscribed();
}

std::size_t AddressSpace::users() {
  const platform::MutexGuard guard{platform_.sync, mutex_};
  return users_.size();
}

void AddressSpace::leave(iommu::AddressSpaceUser& user) {
  {
    const platform::MutexGuard guard{platform_.sync, mutex_};
    const auto it = std::ranges::find(users_, &user, &User::user);
    it->running -= 1;
    if (!it->leaving || it->running != 0) {
      return;
    }
    users_.erase(it);
  }
  user.unsubscribed();
}

template <class Call>
base::Status AddressSpace::tell(Call call) {
  std::vector<iommu::AddressSpaceUser*> all;
  {
    const platform::MutexGuard guard{platform_.sync, mutex_};
    for (User& u : users_) {
      if (!u.leaving) {
        u.running += 1;
        all.push_back(u.user);
      }
    }
  }
  Status told;
  for (iommu::AddressSpaceUser* user : all) {
    const Status each = call(*user);
    told = told ? each : told;
    leave(*user);
  }
  return told;
}

} // namespace sluice::machine
