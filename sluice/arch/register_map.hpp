#pragma once

#include <sluice/arch/feature.hpp>
#include <sluice/arch/registers.hpp>

#include <array>

// Every register of pages 0 and 1, and the rules of writing it. 6.2, 6.3
namespace sluice::arch {

// While what guards a register is on (control or acknowledge), its bits are read-only.
enum class Guard : std::uint8_t {
  none,
  smmuen,       // CR0.SMMUEN
  cmdqen,       // CR0.CMDQEN
  eventqen,     // CR0.EVENTQEN
  priqen,       // CR0.PRIQEN, the bit as written
  any_queue,    // any of the three, or any ECMDQ's EN
  dpt_walk_en,  // CR0.DPT_WALK_EN
  gerror_irqen, // IRQ_CTRL
  eventq_irqen, // IRQ_CTRL
  priq_irqen,   // IRQ_CTRL
  update,       // its own Update bit; and a write without Update is ignored
  atos_run,     // GATOS_CTRL.RUN
  atos_start,   // GATOS_CTRL.RUN, and writable only while SMMUEN is 1
  vatos_run,    // VATOS_CTRL.RUN
};

// IDR1 bits that make a register read-only for good.
enum class Preset : std::uint8_t { no, tables, queues };

struct GuardedBits {
  Guard guard{};
  std::uint64_t bits{};
};

struct RegisterInfo {
  std::uint32_t offset{};
  std::uint8_t width{};
  Access access{};
  Feature exists_if{};
  Preset preset{};
  std::uint64_t defined{};  // bits in some field
  std::uint64_t writable{}; // bits that a write may change, as far as no guard forbids it
  std::array<GuardedBits, 2> guards{};
};

namespace detail {
template <class R>
constexpr RegisterInfo info(Feature exists_if, Guard guard = Guard::none, Preset preset = Preset::no) {
  const std::uint64_t defined = base::defined_bits<R>()[0];
  const std::uint64_t writable = R::access == Access::rw ? defined : 0;
  return {R::offset, R::width, R::access, exists_if, preset, defined, writable, {GuardedBits{guard, writable}}};
}
constexpr RegisterInfo cr1_info() {
  auto i = info<CR1>(Feature::always);
  const std::uint64_t queue = CR1::QUEUE_IC.mask | CR1::QUEUE_OC.mask | CR1::QUEUE_SH.mask;
  i.guards = {GuardedBits{Guard::any_queue, queue}, GuardedBits{Guard::smmuen, i.writable & ~queue}};
  return i;
}
// PIDR and CIDR words: constant bytes.
constexpr RegisterInfo id_info(std::uint32_t offset) {
  return {offset, 32, Access::ro, Feature::always, Preset::no, 0xff, 0, {}};
}
} // namespace detail

// In the order of their offsets.
inline constexpr auto register_map = std::array{
    detail::info<IDR0>(Feature::always),
    detail::info<IDR1>(Feature::always),
    detail::info<IDR2>(Feature::always),
    detail::info<IDR3>(Feature::always),
    detail::info<IDR4>(Feature::always),
    detail::info<IDR5>(Feature::always),
    detail::info<IIDR>(Feature::always),
    detail::info<AIDR>(Feature::always),
    detail::info<CR0>(Feature::always),
    detail::info<CR0ACK>(Feature::always),
    detail::cr1_info(),
    detail::info<CR2>(Feature::always, Guard::smmuen),
    detail::info<S2PII>(Feature::s2pi),
    detail::info<STATUSR>(Feature::always),
    detail::info<GBPA>(Feature::always, Guard::update),
    detail::info<AGBPA>(Feature::always),
    detail::info<IRQ_CTRL>(Feature::always),
    detail::info<IRQ_CTRLACK>(Feature::always),
    detail::info<GERROR>(Feature::always),
    detail::info<GERRORN>(Feature::always),
    detail::info<GERROR_IRQ_CFG0>(Feature::msi, Guard::gerror_irqen),
    detail::info<GERROR_IRQ_CFG1>(Feature::msi, Guard::gerror_irqen),
    detail::info<GERROR_IRQ_CFG2>(Feature::msi, Guard::gerror_irqen),
    detail::info<STRTAB_BASE>(Feature::always, Guard::smmuen, Preset::tables),
    detail::info<STRTAB_BASE_CFG>(Feature::always, Guard::smmuen, Preset::tables),
    detail::info<CMDQ_BASE>(Feature::always, Guard::cmdqen, Preset::queues),
    detail::info<CMDQ_PROD>(Feature::always),
    detail::info<CMDQ_CONS>(Feature::always, Guard::cmdqen),
    detail::info<EVENTQ_BASE>(Feature::always, Guard::eventqen, Preset::queues),
    detail::info<EVENTQ_IRQ_CFG0>(Feature::msi, Guard::eventq_irqen),
    detail::info<EVENTQ_IRQ_CFG1>(Feature::msi, Guard::eventq_irqen),
    detail::info<EVENTQ_IRQ_CFG2>(Feature::msi, Guard::eventq_irqen),
    detail::info<PRIQ_BASE>(Feature::pri, Guard::priqen, Preset::queues),
    detail::info<PRIQ_IRQ_CFG0>(Feature::pri_msi, Guard::priq_irqen),
    detail::info<PRIQ_IRQ_CFG1>(Feature::pri_msi, Guard::priq_irqen),
    detail::info<PRIQ_IRQ_CFG2>(Feature::pri, Guard::priq_irqen), // LO does not depend on MSI
    detail::info<GATOS_CTRL>(Feature::atos, Guard::atos_start),
    detail::info<GATOS_SID>(Feature::atos, Guard::atos_run),
    detail::info<GATOS_ADDR>(Feature::atos, Guard::atos_run),
    detail::info<GATOS_PAR>(Feature::atos),
    detail::info<MPAMIDR>(Feature::mpam),
    detail::info<GMPAM>(Feature::mpam, Guard::update),
    detail::info<GBPMPAM>(Feature::mpam, Guard::update),
    detail::info<VATOS_SEL>(Feature::vatos, Guard::vatos_run),
    detail::info<IDR6>(Feature::ecmdq),
    detail::info<DPT_BASE>(Feature::dpt, Guard::dpt_walk_en),
    detail::info<DPT_BASE_CFG>(Feature::dpt, Guard::dpt_walk_en),
    detail::info<DPT_CFG_FAR>(Feature::dpt),
    detail::id_info(pidr4_offset),
    detail::id_info(pidr4_offset + 4),
    detail::id_info(pidr4_offset + 8),
    detail::id_info(pidr4_offset + 12),
    detail::id_info(pidr0_offset),
    detail::id_info(pidr0_offset + 4),
    detail::id_info(pidr0_offset + 8),
    detail::id_info(pidr0_offset + 12),
    detail::id_info(cidr0_offset),
    detail::id_info(cidr0_offset + 4),
    detail::id_info(cidr0_offset + 8),
    detail::id_info(cidr0_offset + 12),
    detail::info<CMDQ_CONTROL_PAGE_BASE>(Feature::ecmdq), // <0>; the others follow at cmdq_control_page_stride
    detail::info<CMDQ_CONTROL_PAGE_CFG>(Feature::ecmdq),
    detail::info<CMDQ_CONTROL_PAGE_STATUS>(Feature::ecmdq),
    detail::info<EVENTQ_PROD>(Feature::always, Guard::eventqen),
    detail::info<EVENTQ_CONS>(Feature::always),
    detail::info<PRIQ_PROD>(Feature::pri, Guard::priqen),
    detail::info<PRIQ_CONS>(Feature::pri),
};

// The register that holds the byte at `offset`, or null where nothing is.
constexpr const RegisterInfo* find_register(std::uint32_t offset) {
  for (const auto& r : register_map) {
    if (offset >= r.offset && offset < r.offset + r.width / 8) {
      return &r;
    }
  }
  return nullptr;
}

// Bits that are reserved, and read 0, without a feature.
struct OptionalBits {
  std::uint32_t offset{};
  std::uint64_t bits{};
  Feature needs{};
};
inline constexpr auto optional_bits = std::array{
    OptionalBits{CR0::offset, CR0::PRIQEN.mask, Feature::pri},
    OptionalBits{CR0::offset, CR0::ATSCHK.mask, Feature::ats},
    OptionalBits{CR0::offset, CR0::VMW.mask, Feature::vmw},
    OptionalBits{CR0::offset, CR0::DPT_WALK_EN.mask, Feature::dpt},
    OptionalBits{CR2::offset, CR2::E2H.mask, Feature::hyp},
    OptionalBits{CR2::offset, CR2::PTM.mask, Feature::btm},
    OptionalBits{CR2::offset, CR2::REC_CFG_ATS.mask, Feature::ats_recerr},
    OptionalBits{GBPA::offset, GBPA::MemAttr.mask | GBPA::MTCFG.mask | GBPA::ALLOCCFG.mask | GBPA::SHCFG.mask,
                 Feature::attr_types},
    OptionalBits{GBPA::offset, GBPA::PRIVCFG.mask | GBPA::INSTCFG.mask, Feature::attr_perms},
    OptionalBits{IRQ_CTRL::offset, IRQ_CTRL::PRIQ_IRQEN.mask, Feature::pri},
    OptionalBits{PRIQ_IRQ_CFG2::offset, PRIQ_IRQ_CFG2::MemAttr.mask | PRIQ_IRQ_CFG2::SH.mask, Feature::msi},
};

// How the SMMU says that it has taken a write. 6.3.9, 6.3.14, 6.3.16, 6.3.19, 7.4
enum class Handshake : std::uint8_t {
  mirror, // `answer` becomes equal to `control` in `bits`
  update, // `bits` of `control` clear themselves
  toggle, // active while `control` and `answer` differ in `bits`; software makes them equal in `answer`
};
struct Acknowledge {
  std::uint32_t control{};
  std::uint32_t answer{};
  std::uint64_t bits{};
  Handshake kind{};
};
inline constexpr auto acknowledges = std::array{
    Acknowledge{CR0::offset, CR0ACK::offset, base::defined_bits<CR0>()[0], Handshake::mirror},
    Acknowledge{IRQ_CTRL::offset, IRQ_CTRLACK::offset, base::defined_bits<IRQ_CTRL>()[0], Handshake::mirror},
    Acknowledge{GBPA::offset, GBPA::offset, GBPA::Update.mask, Handshake::update},
    Acknowledge{GMPAM::offset, GMPAM::offset, GMPAM::Update.mask, Handshake::update},
    Acknowledge{GBPMPAM::offset, GBPMPAM::offset, GBPMPAM::Update.mask, Handshake::update},
    Acknowledge{GERROR::offset, GERRORN::offset, base::defined_bits<GERROR>()[0], Handshake::toggle},
    Acknowledge{EVENTQ_PROD::offset, EVENTQ_CONS::offset, EVENTQ_PROD::OVFLG.mask, Handshake::toggle},
    Acknowledge{PRIQ_PROD::offset, PRIQ_CONS::offset, PRIQ_PROD::OVFLG.mask, Handshake::toggle},
};

} // namespace sluice::arch
