#include "types.hpp"

namespace sluice::fuzz::reference {

using arch::Cacheability;
using arch::CR1;
using arch::GBPA;
using arch::Shareability;
using arch::Ste;

namespace {

std::uint8_t bits_of(Cached c) {
  if (c.level == Level::non_cacheable) {
    return 4;
  }
  const unsigned hints = (c.read_allocate ? 2U : 0U) | (c.write_allocate ? 1U : 0U);
  const bool transient = c.transient && hints != 0;
  return static_cast<std::uint8_t>((transient ? 0U : 8U) | (c.level == Level::write_back ? 4U : 0U) | hints);
}

// DDI 0487 MAIR_EL1: 0100 is Non-cacheable, else non-transient, Write-Back, Read-Allocate, Write-Allocate.
Cached cached(unsigned bits) {
  if (bits == 4) {
    return {Level::non_cacheable, false, false, false};
  }
  return {(bits & 4) != 0 ? Level::write_back : Level::write_through, (bits & 2) != 0, (bits & 1) != 0,
          (bits & 8) == 0};
}

Cached plain(unsigned level) { return {static_cast<Level>(level), true, true, false}; }

Cached cached(Cacheability c) {
  switch (c) {
  case Cacheability::non_cacheable:
    return plain(0);
  case Cacheability::write_back:
    return plain(2);
  case Cacheability::write_through:
    return {Level::write_through, true, false, false};
  default:
    return {Level::write_back, true, false, false};
  }
}

Type normal(Cached outer, Cached inner, Shareability sh) {
  Type t;
  t.outer = outer;
  t.inner = inner;
  t.sh = sh;
  return t;
}

Shareability effective(const Type& t) {
  if (!t.cacheable()) {
    return Shareability::outer; // 13.1.1
  }
  return t.sh == Shareability::reserved ? Shareability::non_shareable : t.sh;
}

Shareability stronger(Shareability a, Shareability b) {
  const auto rank = [](Shareability s) { return s == Shareability::outer ? 2 : s == Shareability::inner ? 1 : 0; };
  return rank(a) >= rank(b) ? a : b;
}

Cached weaker(const Cached& first, Level second) {
  Cached c = first;
  c.level = first.level < second ? first.level : second;
  return c;
}

// 5.2 MTCFG, MemAttr, ALLOCCFG, SHCFG, on what a client says that says nothing.
Type overridden(bool replace, unsigned memattr, std::uint64_t alloc, arch::ShareabilityOverride sh) {
  Type t;
  if (replace) {
    t = from_memattr(memattr, t.sh);
  }
  if ((alloc & 8) != 0) {
    for (Cached* c : {&t.outer, &t.inner}) {
      c->read_allocate = (alloc & 4) != 0;
      c->write_allocate = (alloc & 2) != 0;
      c->transient = (alloc & 1) != 0;
    }
  }
  if (sh != arch::ShareabilityOverride::incoming) {
    t.sh = static_cast<Shareability>(sh);
  }
  return t;
}

} // namespace

Attributes on_bus(const Type& t, bool instruction, bool privileged) {
  const unsigned normal = unsigned{bits_of(t.outer)} << 4 | bits_of(t.inner);
  return {static_cast<std::uint8_t>(t.device ? t.kind << 2 : normal), effective(t), instruction, privileged};
}

Type from_mair(std::uint8_t attr, Shareability sh) {
  Type t;
  t.sh = sh;
  if (attr >> 4 == 0) {
    t.device = true;
    t.kind = static_cast<unsigned>(attr) >> 2 & 3;
    return t;
  }
  t.outer = cached(static_cast<unsigned>(attr) >> 4);
  t.inner = cached((attr & 0xf) == 0 ? 3U : attr & 0xfU);
  return t;
}

// 13, DDI 0487 D8.6: [3:2] outer, [1:0] inner; what is reserved is Device-nGnRnE.
Type from_memattr(unsigned attr, Shareability sh) {
  Type t;
  t.sh = sh;
  if (attr >> 2 == 0 || (attr & 3) == 0) {
    t.device = true;
    t.kind = attr >> 2 == 0 ? attr & 3 : 0;
    return t;
  }
  t.outer = plain((attr >> 2) - 1);
  t.inner = plain((attr & 3) - 1);
  return t;
}

Type of_table(const CR1& cr1) {
  const auto level = [](arch::RegisterCacheability c) { // 6.3.11
    return plain(c == arch::RegisterCacheability::write_back      ? 2
                 : c == arch::RegisterCacheability::write_through ? 1
                                                                  : 0);
  };
  return normal(level(cr1.get(CR1::TABLE_OC)), level(cr1.get(CR1::TABLE_IC)), cr1.get(CR1::TABLE_SH));
}

Type of_cd(const Ste& s) {
  const auto read = [](Cacheability c) {
    return c == Cacheability::write_back_no_allocate ? Cached{Level::write_back, false, false, false} : cached(c);
  };
  return normal(read(s.get(Ste::S1COR)), read(s.get(Ste::S1CIR)), s.get(Ste::S1CSH));
}

Type of_walk(Cacheability outer, Cacheability inner, Shareability sh) {
  return normal(cached(outer), cached(inner), sh);
}

Type incoming(const Registers& r, const Ste& s) {
  if (r.idr1.get(arch::IDR1::ATTR_TYPES_OVR) == 0) {
    return {};
  }
  return overridden(s.get(Ste::MTCFG) != 0, static_cast<unsigned>(s.get(Ste::MemAttr)), s.get(Ste::ALLOCCFG),
                    s.get(Ste::SHCFG));
}

Type incoming(const Registers& r, const GBPA& g) {
  if (r.idr1.get(arch::IDR1::ATTR_TYPES_OVR) == 0) {
    return {};
  }
  return overridden(g.get(GBPA::MTCFG) != 0, static_cast<unsigned>(g.get(GBPA::MemAttr)), g.get(GBPA::ALLOCCFG),
                    g.get(GBPA::SHCFG));
}

// No-allocate and transient win, where both are cacheable.
Type with_client(Type t, const Type& client) {
  const auto combine = [&](Cached& mine, const Cached& of_client) {
    if (t.device || client.device || mine.level == Level::non_cacheable || of_client.level == Level::non_cacheable) {
      return;
    }
    // 13.1.1: without a hint there is nothing that could be transient.
    const auto transient = [](const Cached& c) { return c.transient && (c.read_allocate || c.write_allocate); };
    const bool either = transient(mine) || transient(of_client);
    mine.read_allocate = mine.read_allocate && of_client.read_allocate;
    mine.write_allocate = mine.write_allocate && of_client.write_allocate;
    mine.transient = either;
  };
  combine(t.outer, client.outer);
  combine(t.inner, client.inner);
  return t;
}

// D8.6.5, D8.6.6. The first stage's hints stay where there are any.
Type with_stage2(const Type& first, std::uint64_t descriptor, bool fwb) {
  const auto attr = static_cast<unsigned>(descriptor >> 2 & 0xf);
  const auto sh = static_cast<Shareability>(descriptor >> 8 & 3);
  Type second = from_memattr(attr, sh);
  if (fwb) {
    switch (attr & 7) {
    case 5:
      second = from_memattr(5, sh);
      break;
    case 6:
      second = from_memattr(15, sh);
      break;
    case 7:
      second = first;
      break;
    default: // Device; 4 is reserved
      second = from_memattr((attr & 7) == 4 ? 0 : attr & 3, sh);
      break;
    }
  }
  Type t = first;
  if (fwb && (attr & 7) == 6) {
    for (const auto& [from, to] : {std::pair{&first.outer, &t.outer}, std::pair{&first.inner, &t.inner}}) {
      const bool had_hints = !first.device && from->level != Level::non_cacheable;
      *to = had_hints ? *from : plain(2);
      to->level = Level::write_back;
    }
    t.device = false;
  } else if (first.device || second.device) {
    t.device = true;
    t.kind = !first.device              ? second.kind
             : !second.device           ? first.kind
             : first.kind < second.kind ? first.kind
                                        : second.kind;
  } else {
    t.outer = weaker(first.outer, second.outer.level);
    t.inner = weaker(first.inner, second.inner.level);
  }
  Type shared = normal(plain(2), plain(2), sh);
  t.sh = stronger(effective(first), effective(shared));
  return t;
}

} // namespace sluice::fuzz::reference
