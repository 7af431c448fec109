#include <sluice/advise/explainer.hpp>

#include <sluice/advise/unlisted.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/registers_id.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

// A look at a field of GET_HW_INFO's ID registers leaves no trace. What a guest does because its SMMU shows it the
// field does: it sets what it would not set without.
namespace sluice::advise {

namespace u = uapi::iommufd;
using arch::Cd;
using arch::Command;
using arch::Opcode;
using arch::Ste;

namespace {

template <class T>
bool fetch(iommufd::TableMemory& memory, std::uint32_t hwpt, std::uint64_t address, T& into) {
  return memory.read(hwpt, address, std::as_writable_bytes(std::span{into.w})).ok();
}

// 5.2 S1Fmt, 5.3: nothing where the SMMU would find none either.
std::optional<Cd> find_cd(iommufd::TableMemory& memory, std::uint32_t hwpt, const Ste& ste, std::uint64_t ssid) {
  if (ssid >> ste.get(Ste::S1CDMax) != 0) {
    return std::nullopt;
  }
  std::uint64_t table = ste.get(Ste::S1ContextPtr);
  if (const unsigned split = arch::cd_split(ste.get(Ste::S1Fmt)); split != 0 && ste.get(Ste::S1CDMax) != 0) {
    arch::L1Cd l1;
    if (!fetch(memory, hwpt, table + (ssid >> split) * sizeof l1, l1) || l1.get(arch::L1Cd::V) == 0) {
      return std::nullopt;
    }
    table = l1.get(arch::L1Cd::L2Ptr);
    ssid &= base::detail::ones(split);
  }
  Cd cd;
  const bool there = fetch(memory, hwpt, table + ssid * sizeof cd, cd) && cd.get(Cd::V) != 0;
  return there ? std::optional{cd} : std::nullopt;
}

} // namespace

void Explainer::learn_hw_info(const iommufd::CallRecord& call) {
  const auto answer = as<u::GetHwInfo>(call.answer);
  const auto asked = as<u::GetHwInfo>(call.request).data_len;
  if (answer.data_type != uapi::arm_smmuv3::hw_info_type) {
    return;
  }
  Hardware& known = hardware_[answer.dev_id];
  known.capabilities = answer.out_capabilities;
  const auto info = std::as_writable_bytes(std::span{&known.info, 1});
  static_cast<void>(caller_.read(answer.data_uptr, info.first(std::min<std::size_t>(asked, info.size()))));
}

// When it is made, and when its CDs may have changed.
void Explainer::look_at_nested(std::uint32_t hwpt, iommufd::TableMemory& memory, std::uint64_t ssid) {
  const Known& nested = objects_.at(hwpt);
  const auto found = hardware_.find(nested.device);
  if (found == hardware_.end() || nested.ste.get(Ste::V) == 0 ||
      nested.ste.get(Ste::Config) != arch::SteConfig::stage1) {
    return;
  }
  const auto& [info, capabilities] = found->second;
  const bool no_ats = (capabilities & u::hw_cap_ats_not_supported) != 0;
  if (no_ats && nested.ste.get(Ste::EATS) != arch::Eats{} && arch::IDR0::from(info.idr[0]).get(arch::IDR0::ATS) != 0) {
    return explain_unlisted("IDR0.ATS", fmt::format("its STE in nested HWPT {} has EATS, although out_capabilities of "
                                                    "device {} says that there is no ATS",
                                                    hwpt, nested.device));
  }
  const auto fields = unlisted_fields();
  if (std::none_of(fields.begin(), fields.end(), [&i = info](const Unlisted& f) { return f.there(i); })) {
    return;
  }
  const auto cd = find_cd(memory, hwpt, nested.ste, ssid);
  for (const Unlisted& f : fields) {
    if (cd && f.there(info) && f.used(*cd)) {
      return explain_unlisted(f.field,
                              fmt::format("its CD of SubstreamID {:#x} in nested HWPT {} has {}", ssid, hwpt, f.use));
    }
  }
}

void Explainer::look_at_cds(const iommufd::CallRecord& call) {
  const auto request = as<u::HwptInvalidate>(call.request);
  const auto done = as<u::HwptInvalidate>(call.answer).entry_num;
  for (std::uint32_t n = 0; n < done && !said_unlisted_; ++n) {
    Command command;
    const std::uint64_t at = request.data_uptr + std::uint64_t{n} * request.entry_len;
    if (!caller_.read(at, std::as_writable_bytes(std::span{command.w}))) {
      return;
    }
    const auto opcode = command.get(Command::Opcode);
    if (opcode != Opcode::CMD_CFGI_CD && opcode != Opcode::CMD_CFGI_CD_ALL) {
      continue;
    }
    const std::uint64_t ssid = opcode == Opcode::CMD_CFGI_CD ? command.get(Command::SubstreamID) : 0;
    for (const auto& [id, known] : objects_) {
      if (known.kind == Kind::nested && known.on == request.hwpt_id &&
          names(request.hwpt_id, command.get(Command::StreamID), known.device)) {
        look_at_nested(id, *call.memory, ssid);
      }
    }
  }
}

bool Explainer::names(std::uint32_t viommu, std::uint64_t stream, std::uint32_t device) const {
  return std::any_of(objects_.begin(), objects_.end(), [&](const auto& o) {
    const Known& k = o.second;
    return k.kind == Kind::vdevice && k.on == viommu && k.virtual_id == stream && k.device == device;
  });
}

void Explainer::explain_unlisted(std::string_view field, std::string_view seen) {
  say(said_unlisted_,
      fmt::format("The guest goes by {}: {}. IOMMU_GET_HW_INFO hands the field over, but linux/iommufd.h does not list "
                  "it: a VMM must not read it, nor show it to its guest.\n"
                  "The registers are the hardware's, whatever the kernel does for a guest, and the same guest meets "
                  "another kernel or host on which that is wrong. Listed are {}, and IDR5 DS since Linux 7.3. ATS is "
                  "each device's own: out_capabilities says whether.",
                  field, seen, listed_fields));
}

} // namespace sluice::advise
