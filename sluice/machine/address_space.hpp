#pragma once

#include <sluice/iommu/address_space.hpp>
#include <sluice/machine/broadcasts.hpp>
#include <sluice/pagetable/page_table.hpp>
#include <sluice/platform/platform.hpp>

#include <memory>
#include <vector>

namespace sluice::machine {

// What a process on the machine's processors has mapped: a table of its own, which is changed while devices walk it,
// as an operating system would. Any thread.
class AddressSpace final : public iommu::AddressSpace {
public:
  // Errors: pagetable::make's.
  static base::Result<std::unique_ptr<AddressSpace>> make(const platform::Platform& platform,
                                                          const pagetable::Config& config = {});
  // Processors know it by this ASID from now on, and each change is broadcast. Before anybody subscribes; `broadcasts`
  // outlives the address space.
  void run_on_processors(std::uint16_t asid, Broadcasts& broadcasts) {
    asid_ = asid;
    broadcasts_ = &broadcasts;
  }
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;
  ~AddressSpace();

  base::Progress map(std::uint64_t address, std::uint64_t pa, std::uint64_t size, pagetable::Prot prot);
  // Tells all users before the tables go. Errors: not_mapped, ...; those of AddressSpaceUser::changed().
  base::Progress unmap(std::uint64_t address, std::uint64_t size);
  // The process ends. Errors: those of AddressSpaceUser::ended().
  base::Status end();

  iommu::TableFormat format() const override;
  std::uint16_t asid() const override { return asid_; }
  base::Status subscribe(iommu::AddressSpaceUser& user) override;
  void unsubscribe(iommu::AddressSpaceUser& user) override;
  std::size_t users();

private:
  struct User {
    iommu::AddressSpaceUser* user{};
    unsigned running{};
    bool leaving{};
  };
  AddressSpace(const platform::Platform& platform, pagetable::OwnedPageTable table);

  // Calls each user without a lock; one that has left meanwhile is told so when its last call returns.
  template <class Call>
  base::Status tell(Call call);
  void leave(iommu::AddressSpaceUser& user);

  platform::Platform platform_;
  pagetable::OwnedPageTable table_;
  std::uint16_t asid_{};
  Broadcasts* broadcasts_{};
  platform::Mutex mutex_; // of what follows
  std::vector<User> users_;
  bool ended_{};
};

} // namespace sluice::machine
