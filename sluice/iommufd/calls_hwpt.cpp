#include <sluice/iommu/unit.hpp>
#include <sluice/iommufd/call.hpp>
#include <sluice/iommufd/fault_queue.hpp>
#include <sluice/iommufd/hwpt.hpp>
#include <sluice/iommufd/undo.hpp>
#include <sluice/iommufd/viommu.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <algorithm>
#include <limits>
#include <vector>

namespace sluice::iommufd::calls {

using base::Errc;
using base::Result;
using base::Status;
namespace u = uapi::iommufd;

namespace {

constexpr std::size_t longest_data = 4096;

Result<Hwpt*> alloc_paging(Call& call, const u::HwptAlloc& cmd, Device& device, Ioas& ioas) {
  constexpr std::uint32_t known = u::hwpt_nest_parent | u::hwpt_dirty_tracking | u::hwpt_fault_id_valid | u::hwpt_pasid;
  if ((cmd.flags & ~known) != 0) {
    return Errc::unsupported;
  }
  const bool dirty = (cmd.flags & u::hwpt_dirty_tracking) != 0;
  const bool parent = (cmd.flags & u::hwpt_nest_parent) != 0;
  if (dirty && ((device.capabilities() & u::hw_cap_dirty_tracking) == 0 || (parent && !call.host().dirty_parents))) {
    return Errc::unsupported;
  }
  // Faults of a parent go to the guest; data of a kind of IOMMU belongs to nested tables.
  const bool faults = (cmd.flags & u::hwpt_fault_id_valid) != 0;
  if ((faults && parent) || cmd.data_len != 0) {
    return Errc::unsupported;
  }
  iommu::PagingOptions options{
      .nest_parent = parent, .pasid = (cmd.flags & u::hwpt_pasid) != 0, .dirty = dirty, .page_requests = faults};
  auto made = HwptPaging::make(ioas, device.device().unit(), options);
  if (faults && made == Errc::unsupported) {
    options.page_requests = false; // nothing waits here
    made = HwptPaging::make(ioas, device.device().unit(), options);
  }
  if (!made) {
    return made.error();
  }
  auto added = call.objects().add(std::move(*made));
  if (!added) {
    return added.error();
  }
  return static_cast<Hwpt*>(*added);
}

Result<Hwpt*> alloc_nested(Call& call, const u::HwptAlloc& cmd, Device& device, Viommu& viommu) {
  if (&viommu.parent().domain().unit() != &device.device().unit()) {
    return Errc::invalid_argument;
  }
  if ((cmd.flags & ~std::uint32_t{u::hwpt_fault_id_valid}) != 0 || cmd.data_len == 0) {
    return Errc::unsupported;
  }
  if (cmd.data_len > longest_data) {
    return Errc::invalid_argument;
  }
  std::vector<std::byte> data(cmd.data_len);
  if (auto status = call.host().caller.read(cmd.data_uptr, data); !status) {
    return status.error();
  }
  auto made = HwptNested::make(viommu, cmd.data_type, data);
  if (!made) {
    return made.error();
  }
  auto added = call.objects().add(std::move(*made));
  if (!added) {
    return added.error();
  }
  return static_cast<Hwpt*>(*added);
}

Result<Hwpt*> alloc(Call& call, const u::HwptAlloc& cmd, Device& device, Object& base) {
  switch (base.type()) {
  case ObjectType::ioas:
    return alloc_paging(call, cmd, device, static_cast<Ioas&>(base));
  case ObjectType::viommu:
    return alloc_nested(call, cmd, device, static_cast<Viommu&>(base));
  // A nested table directly on its parent: what an IOMMU without vIOMMUs would have.
  case ObjectType::hwpt_paging:
    return Errc::unsupported;
  default:
    return Errc::invalid_argument;
  }
}

} // namespace

Status hwpt_alloc(Call& call) {
  auto& cmd = call.as<u::HwptAlloc>();
  if (cmd.reserved != 0) {
    return Errc::unsupported;
  }
  if ((cmd.data_type == static_cast<std::uint32_t>(u::HwptData::none)) != (cmd.data_len == 0)) {
    return Errc::invalid_argument;
  }
  auto device = call.objects().get<Device>(cmd.dev_id);
  if (!device) {
    return device.error();
  }
  Object* const base = call.objects().find(cmd.pt_id);
  if (base == nullptr) {
    return Errc::invalid_argument;
  }
  auto hwpt = alloc(call, cmd, **device, *base);
  if (!hwpt) {
    return hwpt.error();
  }
  Undo undo{[&] { call.objects().remove(**hwpt); }};
  if ((cmd.flags & u::hwpt_fault_id_valid) != 0) {
    auto queue = call.objects().get<FaultQueue>(cmd.fault_id);
    if (!queue) {
      return queue.error();
    }
    (*hwpt)->set_faults(**queue);
  }
  cmd.out_hwpt_id = (*hwpt)->id();
  auto status = call.respond();
  if (status) {
    undo.keep();
  }
  return status;
}

Status get_hw_info(Call& call) {
  auto& cmd = call.as<u::GetHwInfo>();
  const bool reserved =
      std::any_of(std::begin(cmd.reserved), std::end(cmd.reserved), [](std::uint8_t r) { return r != 0; });
  const bool asks = (cmd.flags & u::hw_info_input_type) != 0;
  if ((cmd.flags & ~std::uint32_t{u::hw_info_input_type}) != 0 || reserved || (!asks && cmd.data_type != 0)) {
    return Errc::unsupported;
  }
  auto device = call.objects().get<Device>(cmd.dev_id);
  if (!device) {
    return device.error();
  }
  std::array<std::byte, 256> data{};
  auto info = (*device)->device().unit().hw_info(asks ? cmd.data_type : 0, data);
  if (!info && (asks || info.error() != Errc::unsupported)) {
    return info.error();
  }
  const iommu::HwInfo known = info ? *info : iommu::HwInfo{};
  const std::size_t given = std::min<std::size_t>(cmd.data_len, known.size);
  if (auto status = call.host().caller.write(cmd.data_uptr, std::span{data}.first(given)); given != 0 && !status) {
    return status;
  }
  for (std::uint64_t at = given; at < cmd.data_len;) { // the rest of the caller's buffer is zeroed
    const std::array<std::byte, 256> zeros{};
    const auto piece = std::span{zeros}.first(std::min<std::uint64_t>(zeros.size(), cmd.data_len - at));
    if (auto status = call.host().caller.write(cmd.data_uptr + at, piece); !status) {
      return status;
    }
    at += piece.size();
  }
  cmd.data_len = static_cast<std::uint32_t>(known.size);
  cmd.data_type = known.type;
  cmd.out_max_pasid_log2 = (*device)->facts().max_pasid_log2;
  cmd.out_capabilities = (*device)->capabilities();
  return call.respond();
}

} // namespace sluice::iommufd::calls
