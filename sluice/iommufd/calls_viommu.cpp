#include <sluice/iommu/unit.hpp>
#include <sluice/iommufd/call.hpp>
#include <sluice/iommufd/veventq.hpp>
#include <sluice/iommufd/viommu.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <vector>

namespace sluice::iommufd::calls {

using base::Errc;
using base::Status;
namespace u = uapi::iommufd;

Status viommu_alloc(Call& call) {
  auto& cmd = call.as<u::ViommuAlloc>();
  if (cmd.flags != 0 || cmd.type == static_cast<std::uint32_t>(u::ViommuType::none)) {
    return Errc::unsupported;
  }
  auto device = call.objects().get<Device>(cmd.dev_id);
  if (!device) {
    return device.error();
  }
  auto parent = call.objects().get<HwptPaging>(cmd.hwpt_id);
  if (!parent) {
    return parent.error();
  }
  if (!(*parent)->nest_parent() || &(*parent)->domain().unit() != &(*device)->device().unit()) {
    return Errc::invalid_argument;
  }
  auto viommu = (*device)->device().unit().viommu_alloc(cmd.type, (*parent)->domain(), {});
  if (!viommu) {
    return viommu.error();
  }
  auto added = call.objects().add(std::make_unique<Viommu>(**parent, **viommu));
  if (!added) {
    return added.error();
  }
  cmd.out_viommu_id = (*added)->id();
  auto status = call.respond();
  if (!status) {
    call.objects().remove(**added);
  }
  return status;
}

Status vdevice_alloc(Call& call) {
  auto& cmd = call.as<u::VdeviceAlloc>();
  auto viommu = call.objects().get<Viommu>(cmd.viommu_id);
  if (!viommu) {
    return viommu.error();
  }
  auto device = call.objects().get<Device>(cmd.dev_id);
  if (!device) {
    return device.error();
  }
  auto made = Vdevice::make(**viommu, **device, cmd.virt_id);
  if (!made) {
    return made.error();
  }
  auto added = call.objects().add(std::move(*made));
  if (!added) {
    return added.error();
  }
  cmd.out_vdevice_id = (*added)->id();
  auto status = call.respond();
  if (!status) {
    call.objects().remove(**added);
  }
  return status;
}

Status veventq_alloc(Call& call) {
  auto& cmd = call.as<u::VeventqAlloc>();
  if (cmd.flags != 0 || cmd.reserved != 0 || cmd.type == static_cast<std::uint32_t>(u::VeventqType::none)) {
    return Errc::unsupported;
  }
  if (cmd.veventq_depth == 0 || cmd.veventq_depth > u::max_veventq_depth) {
    return Errc::invalid_argument;
  }
  auto viommu = call.objects().get<Viommu>(cmd.viommu_id);
  if (!viommu) {
    return viommu.error();
  }
  auto made = Veventq::make(**viommu, cmd.type, cmd.veventq_depth, call.host().channels, call.sync());
  if (!made) {
    return made.error();
  }
  auto added = call.objects().add(std::move(*made));
  if (!added) {
    return added.error();
  }
  cmd.out_veventq_id = (*added)->id();
  cmd.out_veventq_fd = static_cast<std::uint32_t>((*added)->descriptor());
  auto status = call.respond();
  if (!status) {
    call.objects().remove(**added);
  }
  return status;
}

namespace {

// All entries of a call, at one length: a longer one must be zero beyond what is known, a shorter one is completed with
// zeros.
base::Result<std::vector<std::byte>> read_entries(Call& call, const u::HwptInvalidate& cmd) {
  std::vector<std::byte> entries(std::size_t{cmd.entry_num} * cmd.entry_len);
  if (auto status = call.host().caller.read(cmd.data_uptr, entries); !status) {
    return status.error();
  }
  return entries;
}

Status invalidate(Call& call, const u::HwptInvalidate& cmd, std::uint32_t& done) {
  constexpr std::uint32_t longest_entry = 4096;
  if (cmd.reserved != 0) {
    return Errc::unsupported;
  }
  const bool missing = cmd.data_uptr == 0 || cmd.entry_len == 0;
  if (cmd.entry_num != 0 && (missing || cmd.entry_len > longest_entry || cmd.entry_num > u::max_invalidate_entries)) {
    return Errc::invalid_argument;
  }
  Object* const object = call.objects().find(cmd.hwpt_id);
  if (object == nullptr) {
    return Errc::not_found;
  }
  if (object->type() == ObjectType::hwpt_nested) {
    return Errc::unsupported; // the tables of this kind are invalidated through their vIOMMU
  }
  if (object->type() != ObjectType::viommu) {
    return Errc::invalid_argument;
  }
  if (call.host().without_invalidate) {
    return Errc::unsupported;
  }
  auto entries = read_entries(call, cmd);
  if (!entries) {
    return entries.error();
  }
  iommu::InvalidateRequest request{.type = cmd.data_type, .entry_size = cmd.entry_len, .entries = *entries};
  auto status = static_cast<Viommu*>(object)->viommu().invalidate(request);
  done = request.done;
  return status;
}

} // namespace

Status hwpt_invalidate(Call& call) {
  auto& cmd = call.as<u::HwptInvalidate>();
  std::uint32_t done = 0;
  const auto status = invalidate(call, cmd, done);
  cmd.entry_num = done; // also on an error: entries from there on have had no effect
  const auto answered = call.respond();
  return status ? answered : status;
}

} // namespace sluice::iommufd::calls
