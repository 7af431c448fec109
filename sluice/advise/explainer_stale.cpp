#include <sluice/advise/explainer.hpp>
#include <sluice/arch/names/enums.hpp>

#include <fmt/format.h>

// What the hardware model has seen a guest's device go by, and the entry that would have kept it from that.
namespace sluice::advise {

using arch::Command;
using arch::Opcode;

namespace {

// As the guest's driver would have sent it. Nothing: it is not the guest's to send.
std::optional<Command> of_guest(const model::StaleUse& use, std::uint64_t virtual_id) {
  switch (use.missing.get(Command::Opcode)) {
  case Opcode::CMD_TLBI_NH_VA:
    return use.missing.with(Command::VMID, 0); // the host's
  case Opcode::CMD_CFGI_CD:
  case Opcode::CMD_ATC_INV:
    return use.missing.with(Command::StreamID, virtual_id);
  default:
    return std::nullopt;
  }
}

std::string what_differs(const model::StaleUse& use) {
  const bool structure = use.kind == model::StaleKind::cd || use.kind == model::StaleKind::l1cd;
  const std::string now = use.memory ? fmt::format("{:#x}", *use.memory) : "nothing";
  return structure ? fmt::format("its context descriptor was cached as {:#x}..., and memory has {}", use.cached, now)
                   : fmt::format("that was translated to {:#x}, and the tables have {} there", use.cached, now);
}

} // namespace

void Explainer::on_stale_use(const iommufd::Placement& of, const model::StaleUse& use) {
  const auto command = of_guest(use, of.virtual_id);
  if (of.viommu == 0 || !command || said_missing_.exchange(1) != 0) {
    return;
  }
  const std::string name = of.vdevice != 0
                               ? fmt::format("vDEVICE {}, StreamID {:#x} to the guest", of.vdevice, of.virtual_id)
                               : "no vDEVICE";
  const std::string substream = use.substream_id ? fmt::format(", SubstreamID {:#x}", *use.substream_id) : "";
  sink_(fmt::format("IOMMU_HWPT_INVALIDATE is missing: device {} ({}) on nested HWPT {} has used IOVA {:#x}{}; {}.\n"
                    "No invalidation of that has come. One entry on vIOMMU {} is enough: {} {{{:#x}, {:#x}}}.\n"
                    "Hardware may keep what it has cached for as long as it likes. Pass on each invalidation that the "
                    "guest's driver sends before its CMD_SYNC completes; if it has sent none, the mistake is the "
                    "guest's driver's, unless it defers them.",
                    of.device, name, of.hwpt, use.address, substream, what_differs(use), of.viommu,
                    arch::names::name_of(command->get(Command::Opcode)), command->w[0], command->w[1]));
}

} // namespace sluice::advise
