#include <sluice/advise/explainer.hpp>

#include <sluice/arch/command.hpp>
#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <array>
#include <string>

namespace sluice::advise {

namespace {

namespace u = uapi::iommufd;

constexpr std::size_t ste_words = sizeof(uapi::arm_smmuv3::NestedSte) / sizeof(std::uint64_t);

} // namespace

void Explainer::watch(const iommufd::CallRecord& call) {
  if (call.status) {
    learn(call);
    return;
  }
  const auto error = uapi::to_errno(call.status.error());
  if (call.number == u::call(u::HwptInvalidate::nr)) {
    const auto request = as<u::HwptInvalidate>(call.request);
    const auto object = objects_.find(request.hwpt_id);
    if (request.reserved != 0 || object == objects_.end()) {
      return; // wrong for a plainer reason
    }
    if (error == uapi::Errno::unsupported) {
      explain_invalidate(call);
    } else if (object->second.kind == Kind::viommu && request.entry_num == 0 && error == uapi::Errno::invalid) {
      explain_probe(request.hwpt_id);
    } else if (object->second.kind == Kind::viommu && error == uapi::Errno::io) {
      explain_stream(call);
    }
  } else if (call.number == u::call(u::Destroy::nr) && error == uapi::Errno::busy) {
    explain_destroy(as<u::Destroy>(call.request).id);
  }
}

void Explainer::learn(const iommufd::CallRecord& call) {
  if (call.number == u::call(u::ViommuAlloc::nr)) {
    const auto made = as<u::ViommuAlloc>(call.answer);
    objects_[made.out_viommu_id] = {Kind::viommu, made.hwpt_id};
  } else if (call.number == u::call(u::HwptAlloc::nr)) {
    const auto made = as<u::HwptAlloc>(call.answer);
    const auto parent = objects_.find(made.pt_id);
    if (parent != objects_.end() && parent->second.kind == Kind::viommu) {
      Known& nested = objects_[made.out_hwpt_id] = {Kind::nested, made.pt_id, made.dev_id};
      static_cast<void>(
          caller_.read(made.data_uptr, std::as_writable_bytes(std::span{nested.ste.w}.first<ste_words>())));
      if (call.memory != nullptr && !said_unlisted_) {
        look_at_nested(made.out_hwpt_id, *call.memory, 0);
      }
    }
  } else if (call.number == u::call(u::VdeviceAlloc::nr)) {
    const auto made = as<u::VdeviceAlloc>(call.answer);
    objects_[made.out_vdevice_id] = {Kind::vdevice, made.viommu_id, made.dev_id, made.virt_id};
  } else if (call.number == u::call(u::GetHwInfo::nr)) {
    learn_hw_info(call);
  } else if (call.number == u::call(u::HwptInvalidate::nr) && call.memory != nullptr && !hardware_.empty()) {
    look_at_cds(call);
  } else if (call.number == u::call(u::Destroy::nr)) {
    objects_.erase(as<u::Destroy>(call.request).id);
  }
}

void Explainer::explain_probe(std::uint32_t viommu) {
  say(said_probe_,
      "IOMMU_HWPT_INVALIDATE on vIOMMU " + std::to_string(viommu) +
          " has no entry and is answered EINVAL.\n"
          "linux/iommufd.h says that a call without entries asks whether a data_type is known. Linux's SMMUv3 driver "
          "refuses it all the same: send one harmless command, such as CMD_TLBI_NSNH_ALL.");
}

// The entry that failed is the one behind those that were executed.
void Explainer::explain_stream(const iommufd::CallRecord& call) {
  const auto request = as<u::HwptInvalidate>(call.request);
  const auto done = as<u::HwptInvalidate>(call.answer).entry_num;
  arch::Command command;
  const std::uint64_t at = request.data_uptr + std::uint64_t{done} * request.entry_len;
  if (done >= request.entry_num || !caller_.read(at, std::as_writable_bytes(std::span{command.w}))) {
    return;
  }
  const auto opcode = command.get(arch::Command::Opcode);
  const auto stream = command.get(arch::Command::StreamID);
  const bool by_stream = opcode == arch::Opcode::CMD_CFGI_CD || opcode == arch::Opcode::CMD_CFGI_CD_ALL ||
                         opcode == arch::Opcode::CMD_ATC_INV;
  const bool known = std::any_of(objects_.begin(), objects_.end(), [&](const auto& o) {
    return o.second.kind == Kind::vdevice && o.second.on == request.hwpt_id && o.second.virtual_id == stream;
  });
  if (by_stream && !known) {
    say(said_stream_, "IOMMU_HWPT_INVALIDATE on vIOMMU " + std::to_string(request.hwpt_id) + ": entry " +
                          std::to_string(done) + " names StreamID " + std::to_string(stream) +
                          ", and no vDEVICE of this vIOMMU has it: EIO, entry_num " + std::to_string(done) +
                          ".\n"
                          "IOMMU_VDEVICE_ALLOC with virt_id = the guest's StreamID comes before the guest's commands "
                          "about it. For a StreamID that no device has, the guest's command has no effect: do not pass "
                          "it on.");
  }
}

// A vEVENTQ or fault queue whose descriptor is open holds its vIOMMU, too; that is how a VMM ends, no mistake.
void Explainer::explain_destroy(std::uint32_t id) {
  std::string holders;
  for (const auto& [holder, known] : objects_) {
    constexpr std::array names{"vIOMMU", "nested HWPT", "vDEVICE"};
    if (known.on == id) {
      holders += (holders.empty() ? "" : ", ") + std::string{names.at(static_cast<std::size_t>(known.kind))} + " " +
                 std::to_string(holder);
    }
  }
  if (!holders.empty()) {
    say(said_order_,
        "IOMMU_DESTROY of " + std::to_string(id) + " is answered EBUSY: it is still held by " + holders +
            ".\n"
            "What was made last goes first: nested HWPTs (when no device is attached), vDEVICEs and vEVENTQs "
            "(when their descriptor is closed), then the vIOMMU, then its HWPT, then the IOAS.");
  }
}

void Explainer::explain_invalidate(const iommufd::CallRecord& call) {
  const auto request = as<u::HwptInvalidate>(call.request);
  const auto object = objects_.find(request.hwpt_id);
  const std::string id = std::to_string(request.hwpt_id);
  if (object->second.kind == Kind::nested) {
    const std::string viommu = std::to_string(object->second.on);
    say(said_nested_, "IOMMU_HWPT_INVALIDATE names the nested HWPT " + id +
                          " and is answered EOPNOTSUPP, entry_num 0: nothing was invalidated.\n"
                          "An SMMUv3 caches what a guest's tables say by the vIOMMU (its VMID), so its invalidation "
                          "commands go to the vIOMMU: hwpt_id = " +
                          viommu + " here, the one that this HWPT was made from.");
    return;
  }
  say(said_no_operation_,
      "IOMMU_HWPT_INVALIDATE on vIOMMU " + id +
          " is answered EOPNOTSUPP, entry_num 0: the driver below has no cache_invalidate, so nothing was "
          "invalidated.\n"
          "The VMM must not complete the guest's CMD_SYNC now; a guest of Linux reports that it timed out. The first "
          "nested test of the Linux driver met the same gap: the kernel called the operation that was not there, "
          "through "
          "a null pointer, and the host panicked. Here the call is refused, and nothing else is harmed.");
}

void Explainer::say(bool& said, std::string_view text) {
  if (!said) {
    said = true;
    sink_(text);
  }
}

} // namespace sluice::advise
