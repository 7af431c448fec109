#include <sluice/arch/names/register_tables.hpp>

namespace sluice::arch::names {

namespace {
using detail::named;

template <class R>
constexpr NamedRegister reg(std::string_view name) {
  return {name, R::offset, R::width, detail::table_of<R>};
}
constexpr NamedRegister id(std::string_view name, std::uint32_t offset) { return {name, offset, 32, {}}; }

constexpr auto registers_table = std::array{
    reg<IDR0>("IDR0"),
    reg<IDR1>("IDR1"),
    reg<IDR2>("IDR2"),
    reg<IDR3>("IDR3"),
    reg<IDR4>("IDR4"),
    reg<IDR5>("IDR5"),
    reg<IIDR>("IIDR"),
    reg<AIDR>("AIDR"),
    reg<CR0>("CR0"),
    reg<CR0ACK>("CR0ACK"),
    reg<CR1>("CR1"),
    reg<CR2>("CR2"),
    reg<S2PII>("S2PII"),
    reg<STATUSR>("STATUSR"),
    reg<GBPA>("GBPA"),
    reg<AGBPA>("AGBPA"),
    reg<IRQ_CTRL>("IRQ_CTRL"),
    reg<IRQ_CTRLACK>("IRQ_CTRLACK"),
    reg<GERROR>("GERROR"),
    reg<GERRORN>("GERRORN"),
    reg<GERROR_IRQ_CFG0>("GERROR_IRQ_CFG0"),
    reg<GERROR_IRQ_CFG1>("GERROR_IRQ_CFG1"),
    reg<GERROR_IRQ_CFG2>("GERROR_IRQ_CFG2"),
    reg<STRTAB_BASE>("STRTAB_BASE"),
    reg<STRTAB_BASE_CFG>("STRTAB_BASE_CFG"),
    reg<CMDQ_BASE>("CMDQ_BASE"),
    reg<CMDQ_PROD>("CMDQ_PROD"),
    reg<CMDQ_CONS>("CMDQ_CONS"),
    reg<EVENTQ_BASE>("EVENTQ_BASE"),
    reg<EVENTQ_IRQ_CFG0>("EVENTQ_IRQ_CFG0"),
    reg<EVENTQ_IRQ_CFG1>("EVENTQ_IRQ_CFG1"),
    reg<EVENTQ_IRQ_CFG2>("EVENTQ_IRQ_CFG2"),
    reg<PRIQ_BASE>("PRIQ_BASE"),
    reg<PRIQ_IRQ_CFG0>("PRIQ_IRQ_CFG0"),
    reg<PRIQ_IRQ_CFG1>("PRIQ_IRQ_CFG1"),
    reg<PRIQ_IRQ_CFG2>("PRIQ_IRQ_CFG2"),
    reg<GATOS_CTRL>("GATOS_CTRL"),
    reg<GATOS_SID>("GATOS_SID"),
    reg<GATOS_ADDR>("GATOS_ADDR"),
    reg<GATOS_PAR>("GATOS_PAR"),
    reg<MPAMIDR>("MPAMIDR"),
    reg<GMPAM>("GMPAM"),
    reg<GBPMPAM>("GBPMPAM"),
    reg<VATOS_SEL>("VATOS_SEL"),
    reg<IDR6>("IDR6"),
    reg<DPT_BASE>("DPT_BASE"),
    reg<DPT_BASE_CFG>("DPT_BASE_CFG"),
    reg<DPT_CFG_FAR>("DPT_CFG_FAR"),
    reg<CMDQ_CONTROL_PAGE_BASE>("CMDQ_CONTROL_PAGE_BASE"),
    reg<CMDQ_CONTROL_PAGE_CFG>("CMDQ_CONTROL_PAGE_CFG"),
    reg<CMDQ_CONTROL_PAGE_STATUS>("CMDQ_CONTROL_PAGE_STATUS"),
    reg<EVENTQ_PROD>("EVENTQ_PROD"),
    reg<EVENTQ_CONS>("EVENTQ_CONS"),
    reg<PRIQ_PROD>("PRIQ_PROD"),
    reg<PRIQ_CONS>("PRIQ_CONS"),
};

constexpr auto vatos_registers_table = std::array{
    reg<VATOS_CTRL>("VATOS_CTRL"),
    reg<VATOS_SID>("VATOS_SID"),
    reg<VATOS_ADDR>("VATOS_ADDR"),
    reg<VATOS_PAR>("VATOS_PAR"),
};

constexpr auto ecmdq_registers_table = std::array{
    reg<ECMDQ_BASE>("ECMDQ_BASE"),
    reg<ECMDQ_PROD>("ECMDQ_PROD"),
    reg<ECMDQ_CONS>("ECMDQ_CONS"),
};

constexpr auto id_registers = std::array{
    id("PIDR4", pidr4_offset),      id("PIDR5", pidr4_offset + 4),  id("PIDR6", pidr4_offset + 8),
    id("PIDR7", pidr4_offset + 12), id("PIDR0", pidr0_offset),      id("PIDR1", pidr0_offset + 4),
    id("PIDR2", pidr0_offset + 8),  id("PIDR3", pidr0_offset + 12), id("CIDR0", cidr0_offset),
    id("CIDR1", cidr0_offset + 4),  id("CIDR2", cidr0_offset + 8),  id("CIDR3", cidr0_offset + 12),
};

// Every register of the map has a name, in the same order.
constexpr bool complete() {
  std::size_t next = 0;
  for (const auto& r : register_map) {
    if (r.offset >= id_regs_offset && r.offset < id_regs_offset + 0x30) {
      continue;
    }
    if (next == registers_table.size() || registers_table[next].offset != r.offset) {
      return false;
    }
    ++next;
  }
  return next == registers_table.size();
}
static_assert(complete());
} // namespace

std::span<const NamedRegister> registers() { return registers_table; }
std::span<const NamedRegister> vatos_registers() { return vatos_registers_table; }
std::span<const NamedRegister> ecmdq_registers() { return ecmdq_registers_table; }

std::span<const NamedField> fields_of(const ECMDQ_BASE&) { return detail::table_of<ECMDQ_BASE>; }
std::span<const NamedField> fields_of(const ECMDQ_PROD&) { return detail::table_of<ECMDQ_PROD>; }
std::span<const NamedField> fields_of(const ECMDQ_CONS&) { return detail::table_of<ECMDQ_CONS>; }
std::span<const NamedField> fields_of(const VATOS_CTRL&) { return detail::table_of<VATOS_CTRL>; }
std::span<const NamedField> fields_of(const VATOS_SID&) { return detail::table_of<VATOS_SID>; }
std::span<const NamedField> fields_of(const VATOS_ADDR&) { return detail::table_of<VATOS_ADDR>; }
std::span<const NamedField> fields_of(const VATOS_PAR& par) {
  return par.get(VATOS_PAR::FAULT) != 0 ? par_fault_fields() : detail::table_of<VATOS_PAR>;
}
std::span<const NamedField> fields_of(const GATOS_PAR& par) {
  return par.get(GATOS_PAR::FAULT) != 0 ? par_fault_fields() : detail::table_of<GATOS_PAR>;
}

std::span<const NamedField> par_fault_fields() {
  using R = GATOS_PAR;
  static constexpr auto names = detail::table<decltype(R::fault_fields)>(
      named(R::FAULT, "FAULT"), named(R::REASON, "REASON"), named(R::FAULTCODE, "FAULTCODE"), named(R::FADDR, "FADDR"),
      named(R::IMPDEF, "IMPDEF"));
  return names;
}

const NamedRegister* find_register(std::uint32_t offset) {
  const auto holds = [offset](const NamedRegister& r) {
    return offset >= r.offset && offset < r.offset + r.width / 8u;
  };
  for (const auto& r : registers_table) {
    if (holds(r)) {
      return &r;
    }
  }
  for (const auto& r : id_registers) {
    if (holds(r)) {
      return &r;
    }
  }
  return nullptr;
}

} // namespace sluice::arch::names
