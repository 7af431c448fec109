#include "walk.hpp"

// VMSAv8-64, DDI 0487 D8
namespace sluice::fuzz::reference {

using arch::Cd;
using arch::EventClass;
using arch::EventType;
using arch::IDR0;
using arch::IDR3;
using arch::Ste;

namespace {

constexpr std::uint64_t bit(std::uint64_t word, unsigned n) { return word >> n & 1; }

struct Shape {
  unsigned granule{};
  int start{};
  unsigned input{};  // bits
  unsigned output{}; // bits, IPS or S2PS and OAS
  bool wide{};       // 3.4, D8.3.1: [15:12] of a descriptor are OA[51:48]
};

// D8.2: tables are aligned to their size, and to 64 bytes when the output has 52 bits.
std::uint64_t first_table(const Shape& s, std::uint64_t ttb) {
  const unsigned log2 = s.input - index_low(s.granule, s.start) + 3;
  return ttb & ~below(s.output == 52 && log2 < 6 ? 6 : log2);
}
std::uint64_t slot(const Shape& s, int level, std::uint64_t table, std::uint64_t input) {
  const std::uint64_t index = input >> index_low(s.granule, level);
  return table + 8 * (level == s.start ? index : index & below(s.granule - 3));
}

enum class Kind : std::uint8_t { invalid, table, leaf };

// D8.3.1
Kind kind_of(const Shape& s, int level, std::uint64_t d) {
  if (bit(d, 0) == 0) {
    return Kind::invalid;
  }
  if (level == 3) {
    return bit(d, 1) != 0 ? Kind::leaf : Kind::invalid;
  }
  if (bit(d, 1) != 0) {
    return Kind::table;
  }
  const bool block = level == 2 || (level == 1 && (s.granule == 12 || (s.granule == 16 && s.wide)));
  return block ? Kind::leaf : Kind::invalid;
}
std::uint64_t address_in(const Shape& s, unsigned low, std::uint64_t d) {
  const std::uint64_t address = d & below(48) & ~below(low);
  return s.wide && s.granule == 16 ? address | (d >> 12 & 0xf) << 48 : address;
}
bool wide(const Registers& r) { return oas(r) == 52; }

int plain_start(unsigned granule, unsigned input) {
  const unsigned stride = granule - 3;
  return 4 - static_cast<int>((input - granule + stride - 1) / stride);
}

bool dirty_allowed(const Registers& r) {
  const auto httu = r.idr0.get(IDR0::HTTU);
  return httu == arch::Httu::access_dirty || httu == arch::Httu::access_dirty_table;
}

Fault fault2(EventType type, const Purpose& p, std::uint64_t ipa) { return {type, true, p.why, ipa & ~below(12)}; }

// D8.4.2.1
bool stage2_permits(const Registers& r, std::uint64_t d, const Purpose& p, bool writable) {
  if (p.write) {
    return writable;
  }
  if (!p.instruction) {
    return bit(d, 6) != 0;
  }
  if (r.idr3.get(IDR3::XNX) == 0) {
    return bit(d, 54) == 0;
  }
  switch (d >> 53 & 3) {
  case 0:
    return true;
  case 1:
    return !p.privileged;
  case 2:
    return false;
  default:
    return p.privileged;
  }
}

// D8.6: the Device types of a leaf, with S2FWB and without. Reserved encodings are UNPREDICTABLE, here Device too.
bool device2(const Registers& r, const Ste& s, std::uint64_t d) {
  const unsigned type = d >> 2 & 0xf;
  if (r.idr3.get(IDR3::FWB) != 0 && s.get(Ste::S2FWB) != 0) {
    return (type & 7) <= 4;
  }
  return type >> 2 == 0 || (type & 3) == 0;
}

} // namespace

Verdict stage2(Way& way, std::uint64_t ipa, const Purpose& p, Reached& reached) {
  const Ste& s = way.ste;
  Shape shape;
  shape.granule = granule(way.r, static_cast<unsigned>(s.get(Ste::S2TG)));
  shape.start = s2_level(way.r, shape.granule, static_cast<unsigned>(s.get(Ste::S2SL0)));
  shape.input = 64 - static_cast<unsigned>(s.get(Ste::S2T0SZ));
  shape.output = capped(way.r, s.get(Ste::S2PS));
  shape.wide = wide(way.r);
  if ((ipa & ~below(shape.input)) != 0) {
    return fault2(EventType::F_TRANSLATION, p, ipa);
  }
  std::uint64_t table = first_table(shape, s.get(Ste::S2TTB) & pointer_bits(way.r));
  for (int level = shape.start;; ++level) {
    const std::uint64_t at = slot(shape, level, table, ipa);
    const Type walk = of_walk(s.get(Ste::S2OR0), s.get(Ste::S2IR0), s.get(Ste::S2SH0));
    const auto d = way.read({Word::stage2, at, ipa, level, false, p.why, on_bus(walk, false, true)});
    if (!d) {
      Fault f = fault2(EventType::F_WALK_EABT, p, ipa);
      f.fetch = at;
      return f;
    }
    const Kind kind = kind_of(shape, level, *d);
    if (kind == Kind::invalid) {
      return fault2(EventType::F_TRANSLATION, p, ipa);
    }
    const unsigned low = kind == Kind::table ? shape.granule : index_low(shape.granule, level);
    const std::uint64_t address = address_in(shape, low, *d);
    if ((address & ~below(shape.output)) != 0) {
      return fault2(EventType::F_ADDR_SIZE, p, ipa);
    }
    if (kind == Kind::table) {
      table = address;
      continue;
    }
    way.answer.reads.back().leaf = true;
    // 3.13, 5.2 S2HA, S2AFFD
    std::uint64_t updated = *d;
    if (bit(*d, 10) == 0) {
      if (s.get(Ste::S2HA) != 0) {
        updated |= 1ULL << 10;
      } else if (s.get(Ste::S2AFFD) == 0) {
        return fault2(EventType::F_ACCESS, p, ipa);
      }
    }
    const bool dirties = s.get(Ste::S2HA) != 0 && s.get(Ste::S2HD) != 0 && dirty_allowed(way.r) && bit(*d, 51) != 0;
    if (!stage2_permits(way.r, *d, p, bit(*d, 7) != 0 || dirties)) {
      return fault2(EventType::F_PERMISSION, p, ipa);
    }
    // 5.2 S2PTW
    if (p.why != EventClass::in && translates1(s) && s.get(Ste::S2PTW) != 0 && device2(way.r, s, *d)) {
      return fault2(EventType::F_PERMISSION, p, ipa);
    }
    if (p.write && bit(*d, 7) == 0) {
      updated |= 1ULL << 7 | 1ULL << 10;
    }
    if (updated != *d) {
      way.answer.writes[at] = updated;
    }
    reached.address = address | (ipa & below(low));
    const bool fwb = way.r.idr3.get(IDR3::FWB) != 0 && s.get(Ste::S2FWB) != 0;
    reached.type = with_stage2(reached.type, *d, fwb);
    if (p.why != EventClass::in && device2(way.r, s, *d) && way.r.idr3.get(IDR3::PTWNNC) != 0) {
      reached.type = from_memattr(5, arch::Shareability::outer); // 5.2 S2PTW
    }
    return std::nullopt;
  }
}

namespace {

struct Half {
  bool disabled{}, ignore_top{}, no_hierarchy{}, privileged_only{};
  std::uint64_t table{};
  Type walk{};
  Shape shape{};
};

// 5.4: what CD says about TTB0 or TTB1.
Half half_of(const Way& way, bool upper) {
  const Registers& r = way.r;
  const Cd& c = way.cd;
  const bool halves = way.world != World::el2;
  Half h;
  h.disabled = halves && (upper ? c.get(Cd::EPD1) : c.get(Cd::EPD0)) != 0;
  h.ignore_top = (upper ? c.get(Cd::TBI1) : c.get(Cd::TBI0)) != 0;
  h.no_hierarchy = r.idr3.get(IDR3::HAD) != 0 && (upper ? c.get(Cd::HAD1) : c.get(Cd::HAD0)) != 0;
  h.privileged_only = halves && r.idr3.get(IDR3::E0PD) != 0 && (upper ? c.get(Cd::E0PD1) : c.get(Cd::E0PD0)) != 0;
  h.table = upper ? c.get(Cd::TTB1) : c.get(Cd::TTB0);
  h.walk = upper ? of_walk(c.get(Cd::OR1), c.get(Cd::IR1), c.get(Cd::SH1))
                 : of_walk(c.get(Cd::OR0), c.get(Cd::IR0), c.get(Cd::SH0));
  h.shape.granule =
      upper ? granule1(r, static_cast<unsigned>(c.get(Cd::TG1))) : granule(r, static_cast<unsigned>(c.get(Cd::TG0)));
  h.shape.input = 64 - static_cast<unsigned>(upper ? c.get(Cd::T1SZ) : c.get(Cd::T0SZ));
  h.shape.output = capped(r, c.get(Cd::IPS));
  h.shape.wide = wide(r);
  return h;
}

// 3.4.1: bits from the input size up to 63, or 55 with TBI, are all those of the half.
bool in_range(const Half& h, bool upper, std::uint64_t va) {
  const std::uint64_t checked = below(h.ignore_top ? 56 : 64) & ~below(h.shape.input);
  return (va & checked) == (upper ? checked : 0);
}

// D8.4.1.2. `taken` has APTable in [1:0], XNTable in [2], PXNTable in [3].
bool stage1_permits(const Way& way, std::uint64_t d, unsigned taken, bool writable) {
  const Cd& c = way.cd;
  const bool wxn = c.get(Cd::WXN) != 0;
  const bool xn = bit(d, 54) != 0 || (taken & 4) != 0;
  const bool write = writable && (taken & 2) == 0;
  if (way.world == World::el2) {
    return way.write ? write : way.instruction ? !xn && !(wxn && write) : true;
  }
  const bool user = bit(d, 6) != 0 && (taken & 1) == 0;
  if (!way.privileged) {
    if (way.instruction) {
      return !xn && !(wxn && user && write);
    }
    return user && (!way.write || write);
  }
  if (way.instruction) {
    const bool pxn = bit(d, 53) != 0 || (taken & 8) != 0;
    return !pxn && !(user && write) && !(wxn && write);
  }
  return !(c.get(Cd::PAN) != 0 && user) && (!way.write || write);
}

} // namespace

Verdict stage1(Way& way, std::uint64_t va, Reached& out, std::optional<Update>& update) {
  const bool upper = way.world != World::el2 && bit(va, 55) != 0;
  Half h = half_of(way, upper);
  if (h.disabled || !in_range(h, upper, va) || (h.privileged_only && !way.privileged)) {
    return Fault{EventType::F_TRANSLATION};
  }
  Shape& shape = h.shape;
  shape.start = plain_start(shape.granule, shape.input);
  const std::uint64_t input = va & below(shape.input);
  std::uint64_t table = first_table(shape, h.table & pointer_bits(way.r));
  unsigned taken = 0;
  for (int level = shape.start;; ++level) {
    const std::uint64_t at = slot(shape, level, table, input);
    Reached table_at{at, h.walk};
    if (translates2(way.ste)) {
      if (const auto fault = stage2(way, at, {EventClass::ttd, false, false, true}, table_at)) {
        return fault;
      }
    }
    const std::uint64_t pa = table_at.address;
    const auto d = way.read({Word::stage1, pa, va, level, false, EventClass::in, on_bus(table_at.type, false, true)});
    if (!d) {
      return Fault{EventType::F_WALK_EABT, false, EventClass::ttd, 0, pa};
    }
    const Kind kind = kind_of(shape, level, *d);
    if (kind == Kind::invalid) {
      return Fault{EventType::F_TRANSLATION};
    }
    const unsigned low = kind == Kind::table ? shape.granule : index_low(shape.granule, level);
    const std::uint64_t address = address_in(shape, low, *d);
    if ((address & ~below(shape.output)) != 0) {
      return Fault{EventType::F_ADDR_SIZE};
    }
    if (kind == Kind::table) {
      table = address;
      if (!h.no_hierarchy) {
        taken |= static_cast<unsigned>(*d >> 61 & 3) | static_cast<unsigned>(*d >> 60 & 1) << 2 |
                 static_cast<unsigned>(*d >> 59 & 1) << 3;
      }
      continue;
    }
    way.answer.reads.back().leaf = true;
    way.answer.tags.global =
        way.world != World::el2 && bit(*d, 11) == 0; // cached though this access has no right to it
    const Cd& c = way.cd;
    std::uint64_t updated = *d;
    if (bit(*d, 10) == 0) {
      if (c.get(Cd::HA) != 0) {
        updated |= 1ULL << 10;
      } else if (c.get(Cd::AFFD) == 0) {
        return Fault{EventType::F_ACCESS};
      }
    }
    const bool dirties = c.get(Cd::HA) != 0 && c.get(Cd::HD) != 0 && dirty_allowed(way.r) && bit(*d, 51) != 0;
    if (!stage1_permits(way, *d, taken, bit(*d, 7) == 0 || dirties)) {
      return Fault{EventType::F_PERMISSION};
    }
    if (way.write && bit(*d, 7) != 0) {
      updated = (updated & ~(1ULL << 7)) | 1ULL << 10;
    }
    if (updated != *d) {
      update = Update{at, pa, h.walk, *d, updated};
    }
    const auto attr = static_cast<unsigned>(*d >> 2 & 7);
    const std::uint64_t mair = attr < 4 ? c.get(Cd::MAIR0) : c.get(Cd::MAIR1);
    out.address = address | (input & below(low));
    out.type = with_client(
        from_mair(static_cast<std::uint8_t>(mair >> 8 * (attr % 4)), static_cast<arch::Shareability>(*d >> 8 & 3)),
        out.type);
    return std::nullopt;
  }
}

} // namespace sluice::fuzz::reference
