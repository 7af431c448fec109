#include <sluice/vsmmu/features.hpp>

#include <sluice/arch/names/fields.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <algorithm>
#include <array>

namespace sluice::vsmmu {

using base::Errc;
using namespace arch;

namespace {

// How the values of a field compare.
enum class Order : std::uint8_t {
  fewer,  // a smaller value promises less
  more,   // a larger one does
  set,    // each bit is a promise
  choice, // 0 promises all others, which exclude each other
};

constexpr std::array registers{IDR0::offset, IDR1::offset, IDR3::offset, IDR5::offset, AIDR::offset};

struct Field {
  std::uint32_t reg;
  unsigned lo;
  Order order;
};
constexpr std::array special{
    Field{IDR0::offset, IDR0::TTF.lo, Order::set},
    Field{IDR0::offset, IDR0::NS1ATS.lo, Order::more},
    Field{IDR0::offset, IDR0::TERM_MODEL.lo, Order::more},
    Field{IDR0::offset, IDR0::TTENDIAN.lo, Order::choice},
    Field{IDR0::offset, IDR0::STALL_MODEL.lo, Order::choice},
};

Order order_of(std::uint32_t reg, unsigned lo) {
  for (const Field& field : special) {
    if (field.reg == reg && field.lo == lo) {
      return field.order;
    }
  }
  return Order::fewer;
}

// The word of a register, in any IdRegisters.
template <class Id>
auto& word(Id& id, std::uint32_t reg) {
  switch (reg) {
  case IDR0::offset:
    return id.idr0.w[0];
  case IDR1::offset:
    return id.idr1.w[0];
  case IDR3::offset:
    return id.idr3.w[0];
  case IDR5::offset:
    return id.idr5.w[0];
  default:
    return id.aidr.w[0];
  }
}

bool within(Order order, std::uint64_t wanted, std::uint64_t offered) {
  switch (order) {
  case Order::fewer:
    return wanted <= offered;
  case Order::more:
    return wanted >= offered;
  case Order::set:
    return (wanted & ~offered) == 0;
  case Order::choice:
    return wanted == offered || offered == 0;
  }
  return false;
}

// Nothing: no value is within both.
std::optional<std::uint64_t> common(Order order, std::uint64_t a, std::uint64_t b) {
  switch (order) {
  case Order::fewer:
    return std::min(a, b);
  case Order::more:
    return std::max(a, b);
  case Order::set:
    return (a & b) != 0 ? std::optional{a & b} : std::nullopt;
  case Order::choice:
    return a == b || b == 0 ? std::optional{a} : a == 0 ? std::optional{b} : std::nullopt;
  }
  return std::nullopt;
}

// Calls visit(register, field, its bits in the word) for all fields of all registers until one says false.
template <class Visit>
bool for_each_field(Visit visit) {
  for (const std::uint32_t offset : registers) {
    const names::NamedRegister& reg = *names::find_register(offset);
    for (const names::NamedField& field : reg.fields) {
      if (!visit(reg, field, base::detail::ones(field.hi - field.lo + 1U) << field.lo)) {
        return false;
      }
    }
  }
  return true;
}

bool any_granule(const IdRegisters& id) {
  return has_granule(id, Granule::k4) || has_granule(id, Granule::k16) || has_granule(id, Granule::k64);
}

base::Result<IdRegisters> refuse(Refusal* why, const Refusal& refusal) {
  if (why != nullptr) {
    *why = refusal;
  }
  return Errc::missing_feature;
}

} // namespace

HostFacts together(const HostFacts& a, const HostFacts& b) {
  constexpr std::uint64_t without_ats = uapi::iommufd::hw_cap_ats_not_supported;
  HostFacts both = a;
  both.max_pasid_log2 = std::max(a.max_pasid_log2, b.max_pasid_log2);
  both.capabilities = ((a.capabilities | b.capabilities) & ~without_ats) | (a.capabilities & b.capabilities);
  return both;
}

std::optional<Refusal> beyond(const IdRegisters& wanted, const IdRegisters& offered) {
  std::optional<Refusal> found;
  for_each_field([&](const names::NamedRegister& reg, const names::NamedField& field, std::uint64_t mask) {
    const std::uint64_t w = (word(wanted, reg.offset) & mask) >> field.lo;
    const std::uint64_t o = (word(offered, reg.offset) & mask) >> field.lo;
    if (!within(order_of(reg.offset, field.lo), w, o)) {
      found = Refusal{reg.name, field.name, w, o};
    }
    return !found;
  });
  return found;
}

base::Result<IdRegisters> intersect(const IdRegisters& a, const IdRegisters& b, Refusal* why) {
  IdRegisters both;
  Refusal refusal;
  const bool agreed =
      for_each_field([&](const names::NamedRegister& reg, const names::NamedField& field, std::uint64_t mask) {
        const std::uint64_t x = (word(a, reg.offset) & mask) >> field.lo;
        const std::uint64_t y = (word(b, reg.offset) & mask) >> field.lo;
        const auto value = common(order_of(reg.offset, field.lo), x, y);
        refusal = {reg.name, field.name, x, y};
        word(both, reg.offset) |= value.value_or(0) << field.lo;
        return value.has_value();
      });
  if (!agreed) {
    return refuse(why, refusal);
  }
  if (!any_granule(both)) {
    return refuse(why, {"IDR5", "GRAN4K", a.idr5.get(IDR5::GRAN4K), b.idr5.get(IDR5::GRAN4K)});
  }
  if (!has_granule(both, Granule::k64)) { // 6.3.6: 52 bits of input need it, without DS
    both.idr5.set(IDR5::VAX, Vax::bits48);
  }
  both.iidr = a.iidr.raw() == b.iidr.raw() ? a.iidr : IIDR{};
  return both;
}

base::Result<IdRegisters> offer(const HostFacts& host, const Own& own, Refusal* why) {
  const auto h0 = IDR0::from(host.info.idr[0]);
  const auto h1 = IDR1::from(host.info.idr[1]);
  const auto h3 = IDR3::from(host.info.idr[3]);
  const auto h5 = IDR5::from(host.info.idr[5]);
  const auto ttf = static_cast<unsigned>(h0.get(IDR0::TTF)) & static_cast<unsigned>(Ttf::aarch64);
  if (ttf == 0) {
    return refuse(why, {"IDR0", "TTF", 2, static_cast<unsigned>(h0.get(IDR0::TTF))});
  }
  // A guest that is not told of stalls takes a host that can do without, and one that is a host that has them.
  const bool stalls = own.stalls != 0 && h0.get(IDR0::STALL_MODEL) != StallModel::terminate;
  if (!stalls && h0.get(IDR0::STALL_MODEL) == StallModel::stall) {
    return refuse(why, {"IDR0", "STALL_MODEL", 1, 2});
  }
  IdRegisters id;
  id.idr0.set(IDR0::S1P, 1).set(IDR0::TTF, static_cast<Ttf>(ttf)).set(IDR0::COHACC, 1); // VFIO takes no other device
  id.idr0.set(IDR0::ASID16, h0.get(IDR0::ASID16)).set(IDR0::CD2L, h0.get(IDR0::CD2L));
  id.idr0.set(IDR0::TTENDIAN, h0.get(IDR0::TTENDIAN)).set(IDR0::TERM_MODEL, h0.get(IDR0::TERM_MODEL));
  id.idr0.set(IDR0::STALL_MODEL, stalls ? h0.get(IDR0::STALL_MODEL) : StallModel::terminate);
  id.idr0.set(IDR0::ST_LEVEL, StLevel::two_level);
  id.idr5.set(IDR5::STALL_MAX, stalls ? own.stalls : 0);
  id.idr0.set(IDR0::MSI, own.messages).set(IDR0::SEV, own.wake);
  const bool no_ats = (host.capabilities & uapi::iommufd::hw_cap_ats_not_supported) != 0;
  id.idr0.set(IDR0::ATS, no_ats ? 0 : h0.get(IDR0::ATS));
  id.idr1.set(IDR1::SIDSIZE, own.stream_bits);
  id.idr1.set(IDR1::SSIDSIZE,
              std::min<std::uint64_t>({h1.get(IDR1::SSIDSIZE), host.max_pasid_log2, own.substream_bits}));
  id.idr1.set(IDR1::CMDQS, own.command_queue_log2).set(IDR1::EVENTQS, own.event_queue_log2);
  id.idr3.set(IDR3::RIL, h3.get(IDR3::RIL)).set(IDR3::BBML, h3.get(IDR3::BBML));
  id.idr5.set(IDR5::OAS, own.output).set(IDR5::GRAN4K, h5.get(IDR5::GRAN4K));
  id.idr5.set(IDR5::GRAN16K, h5.get(IDR5::GRAN16K)).set(IDR5::GRAN64K, h5.get(IDR5::GRAN64K));
  id.idr5.set(IDR5::VAX, h5.get(IDR5::GRAN64K) != 0 ? h5.get(IDR5::VAX) : Vax::bits48);
  // 2.1: v3.2 has ranges and BBML for certain, and v3.1 may have them.
  const bool v32 = h3.get(IDR3::RIL) != 0 && h3.get(IDR3::BBML) != Bbml::level0;
  id.aidr.set(AIDR::ArchMinorRev, v32 ? v3_2 : v3_1);
  if (!any_granule(id)) {
    return refuse(why, {"IDR5", "GRAN4K", 1, 0});
  }
  return id;
}

} // namespace sluice::vsmmu
