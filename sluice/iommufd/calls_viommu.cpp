#include <sluice/base/check.hpp>
#include <sluice/iommu/unit.hpp>
#include <sluice/iommufd/call.hpp>
#include <sluice/iommufd/undo.hpp>
#include <sluice/iommufd/veventq.hpp>
#include <sluice/iommufd/viommu.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <algorithm>
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
  Undo undo{[&] { base::check((*viommu)->destroy().ok()); }};
  auto made = std::make_unique<Viommu>(**parent, **viommu);
  undo.keep(); // it is the object's now
  auto added = call.objects().add(std::move(made));
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
  auto made = Veventq::make(**viommu, cmd.type, cmd.veventq_depth, call.host(), call.sync());
  return made ? call.hand_over(std::move(*made), cmd.out_veventq_id, cmd.out_veventq_fd) : made.error();
}

namespace {

// What is copied at once. Any number of commands of an SMMUv3 fits; 2 GB of long entries, which a call may name, are
// not to be had.
constexpr std::size_t longest_piece = 8 << 20;

// Nothing is done if an entry cannot be read: with more than one piece all are looked at first. All entries have one
// length, and what is not known of a longer one the driver wants to be zero.
Status invalidate_entries(Call& call, const u::HwptInvalidate& cmd, iommu::Viommu& viommu, std::uint32_t& done) {
  std::vector<std::byte> entries;
  const auto read = [&](std::uint32_t first, std::uint32_t count) {
    entries.resize(std::size_t{count} * cmd.entry_len);
    return call.host().caller.read(cmd.data_uptr + std::uint64_t{first} * cmd.entry_len, entries);
  };
  const auto at_once = static_cast<std::uint32_t>(longest_piece / std::max(cmd.entry_len, 1U));
  for (std::uint32_t at = at_once; at < cmd.entry_num; at += at_once) {
    if (auto status = read(at, std::min(at_once, cmd.entry_num - at)); !status) {
      return status;
    }
  }
  std::uint32_t at = 0;
  do {
    const std::uint32_t count = std::min(at_once, cmd.entry_num - at);
    if (auto status = read(at, count); !status) {
      return status;
    }
    iommu::InvalidateRequest request{.type = cmd.data_type, .entry_size = cmd.entry_len, .entries = entries};
    const auto status = viommu.invalidate(request);
    done += request.done;
    if (!status) {
      return status;
    }
    at += count;
  } while (at < cmd.entry_num);
  return {};
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
  return invalidate_entries(call, cmd, static_cast<Viommu*>(object)->viommu(), done);
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
