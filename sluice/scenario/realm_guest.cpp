#include <sluice/scenario/realm_guest.hpp>

#include <sluice/arch/cd.hpp>
#include <sluice/arch/commands.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/hosted/errc.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

#include <fmt/format.h>

#include <vector>

namespace sluice::scenario {

using base::Errc;
using base::Progress;
using base::Status;
namespace cmd = arch::cmd;
namespace u = uapi::arm_smmuv3;

namespace {

template <class T>
T made(base::Result<T> result, const char* what) {
  if (!result) {
    throw machine::DriverRefused{fmt::format("no {} of a guest: {}", what, hosted::name(result.error()))};
  }
  return std::move(*result);
}

constexpr unsigned everything = 52; // log2 of pages, of an ATC_INV

pagetable::Config table_config() {
  pagetable::Config config;
  config.output_bits = 44; // the model's
  return config;
}

} // namespace

RealmGuest::RealmGuest(Common& common, bool ats)
    : common_{common}, ats_{ats}, memory_{common.memory, common.platform.memory},
      table_{made(pagetable::make(memory_, common.platform.sync, table_config()), "table")},
      cds_{made(memory_.dma_alloc(GuestPages::page, GuestPages::page), "CD")} {
  write_cd(0);
  write_cd(1);
}

RealmGuest::~RealmGuest() {
  table_.reset();
  memory_.dma_free(cds_);
}

void RealmGuest::write_cd(std::size_t which) {
  using arch::Cd;
  const pagetable::Fields f = table_->fields();
  Cd cd;
  cd.set(Cd::V, 1).set(Cd::AA64, 1).set(Cd::A, 1).set(Cd::R, 1).set(Cd::EPD1, 1).set(Cd::ASID, 3 + which);
  cd.set(Cd::T0SZ, f.T0SZ).set(Cd::TG0, f.TG0).set(Cd::IPS, f.PS).set(Cd::IR0, f.IR).set(Cd::OR0, f.OR);
  cd.set(Cd::SH0, f.SH).set(Cd::TTB0, f.TTB).set(Cd::MAIR0, f.MAIR0);
  auto* words = cds_.as<base::DmaWord>() + which * Cd::word_count;
  for (std::size_t i = 0; i < Cd::word_count; ++i) {
    words[i].store(cd.w[i]);
  }
}

void RealmGuest::join() {
  parent_ = made(common_.driver.make_paging({.nest_parent = true}), "memory");
  const auto& block = memory_.block();
  if (const Progress mapped = parent_->map(GuestPages::ipa, block.bus, block.size, iommu::prot::read_write); !mapped) {
    throw machine::DriverRefused{"a guest's memory is not mapped"};
  }
  viommu_ = made(common_.driver.viommu_alloc(u::viommu_type, *parent_, {}), "SMMU");
  static_cast<void>(viommu_->set_event_sink(u::veventq_type, this));
  using arch::Ste;
  for (std::size_t i = 0; i < stes_.size(); ++i) {
    const Ste ste = Ste{}
                        .with(Ste::V, 1)
                        .with(Ste::Config, arch::SteConfig::stage1)
                        .with(Ste::S1ContextPtr, cds_.bus + i * arch::Cd::byte_size)
                        .with(Ste::S1CIR, arch::Cacheability::write_back)
                        .with(Ste::S1COR, arch::Cacheability::write_back)
                        .with(Ste::S1CSH, arch::Shareability::inner)
                        .with(Ste::EATS, ats_ ? arch::Eats::full : arch::Eats::none);
    const u::NestedSte words{{ste.w[0], ste.w[1]}};
    stes_[i] = made(viommu_->nested_alloc(u::hwpt_data_type, std::as_bytes(std::span{&words, 1})), "STE");
  }
}

Status RealmGuest::leave() {
  for (iommu::Domain* ste : stes_) {
    if (const Status destroyed = ste->destroy(); !destroyed) {
      return destroyed;
    }
  }
  static_cast<void>(viommu_->set_event_sink(u::veventq_type, nullptr));
  const Status destroyed = viommu_->destroy();
  return destroyed ? parent_->destroy() : destroyed;
}

// Who may only read is kept from writing by the one stage or by the other.
Progress RealmGuest::give(std::size_t cell, const platform::DmaBlock& block, bool writable) {
  const auto prot = writable || cell % 2 == 0 ? iommu::prot::read_write : iommu::prot::read;
  return parent_->map(ipa(cell), block.bus, Common::size(cell), prot);
}

Progress RealmGuest::map(std::size_t cell, const platform::DmaBlock& block, bool writable) {
  const Progress given = give(cell, block, writable);
  if (!given) {
    return given;
  }
  using enum pagetable::Prot;
  const platform::ReadSection section{common_.platform.sync};
  return table_->map(common_.iova(cell), ipa(cell), Common::size(cell),
                     writable || cell % 2 == 1 ? read | write : read);
}

Progress RealmGuest::unmap(std::size_t cell) {
  const bool host_first = turn_.fetch_add(1) % 2 == 0;
  const auto by_host = [&] { return parent_->unmap(ipa(cell), Common::size(cell)); };
  const Progress first = host_first ? by_host() : guest_unmap(cell);
  if (!first) {
    return first;
  }
  return host_first ? guest_unmap(cell) : by_host();
}

Progress RealmGuest::guest_unmap(std::size_t cell) {
  pagetable::Gather gather;
  Progress progress;
  {
    const platform::ReadSection section{common_.platform.sync};
    progress = table_->unmap(common_.iova(cell), Common::size(cell), gather);
  }
  if (const Status told = invalidate(gather); !told) {
    table_->keep(gather);
    return {progress.done, told};
  }
  table_->release(gather);
  return progress;
}

// As a guest's driver does it: a device that comes later finds nothing old in the TLBs.
Status RealmGuest::invalidate(const pagetable::Gather& gather) {
  std::vector<arch::Command> commands;
  for (const auto& range : gather.ranges()) {
    for (std::uint64_t done = 0; done < range.size && commands.size() <= most_by_address;
         done += 1ULL << range.leaf_bits) {
      commands.push_back(cmd::tlbi_nh_vaa(0, range.iova + done, !range.tables));
    }
  }
  if (commands.size() > most_by_address) {
    commands.assign(1, cmd::tlbi_nh_all(0));
  }
  Status told = commands.empty() ? Status{} : execute(commands);
  for (const std::uint32_t stream : common_.guests_streams) {
    if (told && ats_) {
      const std::array all{cmd::atc_inv(stream | name_bit, 0, everything)};
      const Status each = execute(all);
      told = each || each.error() == Errc::reserved_bits ? Status{} : each; // the latter: it has no such device now
    }
  }
  return told;
}

Status RealmGuest::execute(std::span<const arch::Command> commands) {
  iommu::InvalidateRequest request{
      .type = u::invalidate_data_type, .entry_size = sizeof(arch::Command), .entries = std::as_bytes(commands)};
  return viommu_->invalidate(request);
}

void RealmGuest::on_event(std::span<const std::byte> record) { common_.witness.on_guest_event(record, name_bit); }

} // namespace sluice::scenario
