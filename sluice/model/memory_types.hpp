#pragma once

#include <sluice/arch/attributes.hpp>
#include <sluice/arch/registers_control.hpp>
#include <sluice/arch/ste.hpp>
#include <sluice/model/bus.hpp>

#include <cstdint>

// 13, DDI 0487 D8.6: memory types as MAIR attribute bytes, outer in [7:4], inner in [3:0].
namespace sluice::model {

// A type with its shareability, as a stage of translation or an override makes it.
struct MemoryType {
  std::uint8_t mair{arch::mair::normal_wb_ra_wa}; // 13.1.2: what a client leaves open
  arch::Shareability sh{arch::Shareability::non_shareable};

  friend constexpr bool operator==(const MemoryType&, const MemoryType&) = default;
};

constexpr bool is_device(std::uint8_t mair) { return (mair & 0xf0) == 0; }

// 13.1.3: any Device, and Normal iNC-oNC, is Outer Shareable; the reserved encoding is Non-shareable.
constexpr MemoryType normalised(MemoryType t) {
  if (is_device(t.mair) || t.mair == arch::mair::normal_nc) {
    t.sh = arch::Shareability::outer;
  } else if (t.sh == arch::Shareability::reserved) {
    t.sh = arch::Shareability::non_shareable;
  }
  return t;
}

constexpr Attributes attributes(MemoryType t, bool instruction, bool privileged) {
  t = normalised(t);
  return {t.mair, static_cast<std::uint8_t>(t.sh), instruction, privileged};
}

// One half of a MAIR byte.
constexpr std::uint8_t half_of(arch::Cacheability c) {
  constexpr std::uint8_t halves[] = {0x4, 0xf, 0xa, 0xe};
  return halves[static_cast<unsigned>(c)];
}
// 5.2 S1CIR, S1COR: a CD is only read.
constexpr std::uint8_t cd_half_of(arch::Cacheability c) {
  return c == arch::Cacheability::write_back_no_allocate ? std::uint8_t{0xc} : half_of(c);
}
constexpr std::uint8_t half_of(arch::RegisterCacheability c) {
  constexpr std::uint8_t halves[] = {0x4, 0xf, 0xb, 0x4};
  return halves[static_cast<unsigned>(c)];
}

// 13.8: the SMMU's own accesses are Data, Privileged.
template <class C>
constexpr Attributes own_attributes(C outer, C inner, arch::Shareability sh) {
  return attributes({static_cast<std::uint8_t>(half_of(outer) << 4 | half_of(inner)), sh}, false, true);
}
constexpr Attributes queue_attributes(const arch::CR1& cr1) {
  using arch::CR1;
  return own_attributes(cr1.get(CR1::QUEUE_OC), cr1.get(CR1::QUEUE_IC), cr1.get(CR1::QUEUE_SH));
}
constexpr Attributes table_attributes(const arch::CR1& cr1) {
  using arch::CR1;
  return own_attributes(cr1.get(CR1::TABLE_OC), cr1.get(CR1::TABLE_IC), cr1.get(CR1::TABLE_SH));
}

// 5.2 STE.MemAttr and stage 2 MemAttr without FWB, with hints RA, WA, non-transient. Reserved encodings are
// Device-nGnRnE.
constexpr std::uint8_t mair_of(arch::MemAttr attr) {
  const unsigned a = static_cast<unsigned>(attr);
  if (a < 4) {
    return static_cast<std::uint8_t>(a << 2);
  }
  constexpr std::uint8_t halves[] = {0, 0x4, 0xb, 0xf};
  if ((a & 3) == 0) {
    return arch::mair::device_ngnrne;
  }
  return static_cast<std::uint8_t>(halves[a >> 2] << 4 | halves[a & 3]);
}

// 5.4: encodings of a MAIR byte that VMSAv8-64 leaves open.
constexpr std::uint8_t defined_mair(std::uint8_t mair) {
  if (is_device(mair)) {
    return mair & 0x0c;
  }
  return (mair & 0x0f) == 0 ? mair | 0x03 : mair;
}

namespace detail {
// Normal memory's three levels: 0 NC, 1 WT, 2 WB.
constexpr unsigned level_of(unsigned half) { return half == 0x4 ? 0 : (half & 0x4) == 0 ? 1 : 2; }
// The weaker of a stage 1 half and a stage 2 half; hints come from stage 1.
constexpr unsigned weaker(unsigned s1, unsigned s2) {
  const unsigned level = level_of(s1) < level_of(s2) ? level_of(s1) : level_of(s2);
  if (level == 0) {
    return 0x4;
  }
  const unsigned persistent_and_hints = s1 & 0xb;
  return level == 1 ? persistent_and_hints : persistent_and_hints | 0x4;
}
} // namespace detail

// D8.6.5: stage 1 combined with a stage 2 type; the stronger Device type, else the weaker cacheability.
constexpr std::uint8_t combine_mair(std::uint8_t s1, std::uint8_t s2) {
  if (is_device(s1) && is_device(s2)) {
    return s1 < s2 ? s1 : s2;
  }
  if (is_device(s1) || is_device(s2)) {
    return is_device(s1) ? s1 : s2;
  }
  return static_cast<std::uint8_t>(detail::weaker(s1 >> 4, s2 >> 4) << 4 | detail::weaker(s1 & 0xf, s2 & 0xf));
}

namespace detail {
constexpr bool hints_weaken(unsigned half) { return level_of(half) != 0 && (half & 0xb) != 0xb; }
// No-allocate and transient win, where both are cacheable.
constexpr unsigned weaker_hints(unsigned s1, unsigned incoming) {
  if (level_of(s1) == 0 || level_of(incoming) == 0) {
    return s1;
  }
  const unsigned allocate = s1 & incoming & 3;
  const unsigned non_transient = allocate == 0 ? 8 : s1 & incoming & 8;
  return (s1 & 4) | non_transient | allocate;
}
} // namespace detail

// 13.1.2, 13.5: of a client's type, after overrides, stage 1 keeps the allocation hints.
constexpr bool hints_weaken(std::uint8_t incoming) {
  return !is_device(incoming) && (detail::hints_weaken(incoming >> 4) || detail::hints_weaken(incoming & 0xf));
}
// `but`: halves that have their hints from stage 2, as newly_cacheable() says.
constexpr std::uint8_t combine_hints(std::uint8_t s1, std::uint8_t incoming, unsigned but = 0) {
  if (is_device(s1) || is_device(incoming)) {
    return s1;
  }
  const unsigned outer = (but & 2) != 0 ? unsigned{s1} >> 4 : detail::weaker_hints(s1 >> 4, incoming >> 4);
  const unsigned inner = (but & 1) != 0 ? s1 & 0xfU : detail::weaker_hints(s1 & 0xf, incoming & 0xf);
  return static_cast<std::uint8_t>(outer << 4 | inner);
}

// D8.6.6: a half that S2FWB makes Write-Back keeps the hints that it has.
constexpr std::uint8_t forced_write_back(std::uint8_t s1) {
  const auto forced = [](unsigned half) { return detail::level_of(half) == 0 ? 0xfU : half | 0x4U; };
  return is_device(s1) ? arch::mair::normal_wb_ra_wa
                       : static_cast<std::uint8_t>(forced(s1 >> 4) << 4 | forced(s1 & 0xf));
}

// Which halves that makes cacheable that stage 1 left without hints: bit 1 outer, bit 0 inner.
constexpr unsigned newly_cacheable(std::uint8_t s1, unsigned memattr, bool fwb) {
  if (!fwb || (memattr & 7) != 6) {
    return 0;
  }
  const auto plain = [&](unsigned half) { return is_device(s1) || detail::level_of(half) == 0; };
  return (plain(s1 >> 4) ? 2U : 0U) | (plain(s1 & 0xf) ? 1U : 0U);
}

constexpr arch::Shareability combine_sh(arch::Shareability a, arch::Shareability b) {
  using enum arch::Shareability;
  if (a == outer || b == outer) {
    return outer;
  }
  return a == inner || b == inner ? inner : non_shareable;
}

// 13.1.4, D8.6.6: a stage 2 leaf's MemAttr[3:0] applied to what stage 1 or the client says.
constexpr MemoryType combine(MemoryType s1, unsigned memattr, arch::Shareability sh, bool fwb) {
  s1 = normalised(s1);
  MemoryType t{s1.mair, combine_sh(s1.sh, sh)};
  const unsigned low = memattr & 7;
  if (!fwb) {
    t.mair = combine_mair(s1.mair, mair_of(static_cast<arch::MemAttr>(memattr & 0xf)));
  } else if (low < 4) {
    t.mair = combine_mair(s1.mair, static_cast<std::uint8_t>(low << 2));
  } else if (low == 4) {
    t.mair = arch::mair::device_ngnrne; // reserved
  } else if (low == 5) {
    t.mair = is_device(s1.mair) ? s1.mair : arch::mair::normal_nc;
  } else if (low == 6) {
    t.mair = forced_write_back(s1.mair);
  }
  return normalised(t);
}

// STE and GBPA overrides of what a client says. 5.2 MTCFG, MemAttr, ALLOCCFG, SHCFG; 13.1.5
struct TypeOverride {
  bool replace{}; // MTCFG
  arch::MemAttr memattr{};
  std::uint8_t alloccfg{};
  arch::ShareabilityOverride sh{arch::ShareabilityOverride::incoming};

  constexpr MemoryType apply(MemoryType t) const {
    if (replace) {
      t.mair = mair_of(memattr);
    }
    if ((alloccfg & arch::alloccfg::override) != 0 && !is_device(t.mair)) {
      t.mair = static_cast<std::uint8_t>(with_hints(t.mair >> 4) << 4 | with_hints(t.mair & 0xf));
    }
    if (sh != arch::ShareabilityOverride::incoming) {
      t.sh = static_cast<arch::Shareability>(sh);
    }
    return normalised(t);
  }

private:
  constexpr unsigned with_hints(unsigned half) const {
    const unsigned level = detail::level_of(half);
    if (level == 0) {
      return half;
    }
    const unsigned hints =
        (alloccfg & arch::alloccfg::read_allocate ? 2U : 0U) | (alloccfg & arch::alloccfg::write_allocate ? 1U : 0U);
    // A transient encoding without hints does not exist: 13.1.1, it is non-transient.
    const bool transient = (alloccfg & arch::alloccfg::transient) != 0 && hints != 0;
    return (transient ? 0U : 8U) | (level == 2 ? 4U : 0U) | hints;
  }
};

} // namespace sluice::model
