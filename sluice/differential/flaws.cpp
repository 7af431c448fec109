#include <sluice/differential/generator.hpp>

#include <sluice/arch/descriptors.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/differential/ram.hpp>

#include <array>

namespace sluice::differential {

using arch::Cd;
using arch::Ste;
using hosted::Random;

namespace {

bool has_stage1(const Case& c) { return c.cd_at != 0; }
bool has_stage2(const Case& c) { return !c.path2.empty(); }

// An address where nothing answers.
std::uint64_t nowhere(const Scope& scope, Random& r) {
  return r.below(2) != 0 ? area::high_hole + (r.next() & ((1ULL << (scope.oas - 1)) - 1) & ~0xffffULL) / 2
                         : area::hole + 0x1'0000ULL * r.below(0x1000);
}
std::uint64_t beyond(const Scope& scope, Random& r) { return 1ULL << r.between(scope.oas, 47); }

// A bit that takes an address from where things are to where nothing is.
std::uint64_t above(Random& r) {
  constexpr std::array<unsigned, 14> bits{32, 33, 34, 35, 36, 37, 40, 41, 42, 43, 44, 45, 46, 47};
  return 1ULL << bits[r.below(bits.size())];
}

template <class Change>
bool change_ste(Case& c, Change change) {
  Ste s = c.ste();
  change(s);
  c.put(c.ste_at, s);
  return true;
}
template <class Change>
bool change_cd(Case& c, Change change) {
  if (!has_stage1(c)) {
    return false;
  }
  Cd cd = c.cd();
  change(cd);
  c.put(c.cd_at, cd);
  return true;
}

template <class S>
void any_field(S& s, Random& r) {
  const auto& f = S::fields.bits[r.below(S::fields.size)];
  s.w[f.word()] = (s.w[f.word()] & ~f.mask()) | (r.next() & f.mask());
}

// A descriptor of stage 1, or 0.
std::uint64_t any_step(const Path& p, Random& r) {
  return p.empty() ? 0 : p.descriptors[r.below(static_cast<std::uint32_t>(p.descriptors.size()))];
}
std::uint64_t any_table(const Path& p, Random& r) {
  return p.descriptors.size() < 2 ? 0 : p.descriptors[r.below(static_cast<std::uint32_t>(p.descriptors.size() - 1))];
}
// Of the stage 2 leaves that only the SMMU's own accesses go through, if there are such.
std::uint64_t any_own(const Case& c, Random& r) {
  return c.own2.empty() ? 0 : c.own2[r.below(static_cast<std::uint32_t>(c.own2.size()))];
}

// False if there is no such word.
bool change_word(Case& c, std::uint64_t at, std::uint64_t off, std::uint64_t on) {
  if (at == 0) {
    return false;
  }
  c.memory[at] = (c.word(at) & ~off) | on;
  return true;
}

bool flip(Case& c, std::uint64_t at, Random& r) {
  const std::uint64_t bit = 1ULL << r.below(64);
  return change_word(c, at, c.word(at) & bit, ~c.word(at) & bit);
}

constexpr std::uint64_t af = arch::S1Leaf::AF.mask;
constexpr std::uint64_t address_bits = 0xffff'ffff'f000;

std::uint64_t either_leaf(const Case& c, Random& r) {
  if (!c.path1.empty() && (c.path2.empty() || r.below(2) != 0)) {
    return c.path1.leaf();
  }
  return c.path2.empty() ? 0 : c.path2.leaf();
}
std::uint64_t either_table(const Case& c, Random& r) {
  return any_table(!c.path1.empty() && (c.path2.empty() || r.below(2) != 0) ? c.path1 : c.path2, r);
}

constexpr std::array all_flaws{
    // Anything
    Flaw{"a bit of the STE", 8,
         [](Case& c, const Scope&, Random& r) {
           return change_ste(c, [&](Ste& s) { s.w[r.below(4)] ^= 1ULL << r.below(64); });
         }},
    Flaw{"a field of the STE", 10,
         [](Case& c, const Scope&, Random& r) { return change_ste(c, [&](Ste& s) { any_field(s, r); }); }},
    Flaw{"a bit of the CD", 8,
         [](Case& c, const Scope&, Random& r) {
           return change_cd(c, [&](Cd& cd) { cd.w[r.below(4)] ^= 1ULL << r.below(64); });
         }},
    Flaw{"a field of the CD", 10,
         [](Case& c, const Scope&, Random& r) { return change_cd(c, [&](Cd& cd) { any_field(cd, r); }); }},
    Flaw{"a bit of a stage 1 descriptor", 8,
         [](Case& c, const Scope&, Random& r) { return flip(c, any_step(c.path1, r), r); }},
    Flaw{"a bit of a stage 2 descriptor", 8,
         [](Case& c, const Scope&, Random& r) { return flip(c, any_step(c.path2, r), r); }},
    Flaw{"a bit of the IOVA", 6,
         [](Case& c, const Scope&, Random& r) {
           c.iova ^= 1ULL << r.between(12, 63);
           return true;
         }},
    // Stream table
    Flaw{"a stream table that is too small", 3,
         [](Case& c, const Scope&, Random& r) {
           c.cfg.set(arch::STRTAB_BASE_CFG::LOG2SIZE, r.below(6));
           return true;
         }},
    Flaw{"a stream table where nothing answers", 3,
         [](Case& c, const Scope& s, Random& r) {
           c.base.set(arch::STRTAB_BASE::ADDR, nowhere(s, r));
           return true;
         }},
    Flaw{"a first-level entry", 8,
         [](Case& c, const Scope& s, Random& r) {
           if (c.l1std_at == 0) {
             return false;
           }
           auto l1 = c.structure<arch::L1Std>(c.l1std_at);
           if (r.below(3) == 0) {
             l1.set(arch::L1Std::L2Ptr, nowhere(s, r));
           } else {
             l1.set(arch::L1Std::Span, r.below(32));
           }
           c.put(c.l1std_at, l1);
           return true;
         }},
    Flaw{"a Span that is too large", 4,
         [](Case& c, const Scope&, Random& r) {
           if (c.l1std_at == 0) {
             return false;
           }
           auto l1 = c.structure<arch::L1Std>(c.l1std_at);
           const unsigned most = arch::effective_split(c.cfg.get(arch::STRTAB_BASE_CFG::SPLIT)) + 1;
           c.put(c.l1std_at, l1.set(arch::L1Std::Span, r.between(l1.get(arch::L1Std::Span), most)));
           return true;
         }},
    // STE
    Flaw{"S1STALLD, S2HA or S2HD", 3,
         [](Case& c, const Scope&, Random& r) {
           return has_stage2(c) && change_ste(c, [&](Ste& s) {
                    const auto which = r.below(3);
                    s.set(Ste::S1STALLD, which == 0).set(Ste::S2HA, which == 1).set(Ste::S2HD, which == 2);
                  });
         }},
    Flaw{"no valid STE", 3,
         [](Case& c, const Scope&, Random&) { return change_ste(c, [](Ste& s) { s.set(Ste::V, 0); }); }},
    Flaw{"another Config", 4,
         [](Case& c, const Scope&, Random& r) {
           return change_ste(c, [&](Ste& s) { s.set(Ste::Config, static_cast<arch::SteConfig>(r.below(8))); });
         }},
    Flaw{"a CD where nothing answers", 4,
         [](Case& c, const Scope& s, Random& r) {
           return has_stage1(c) && change_ste(c, [&](Ste& e) { e.set(Ste::S1ContextPtr, nowhere(s, r)); });
         }},
    Flaw{"a CD pointer beyond the OAS", 2,
         [](Case& c, const Scope& s, Random& r) {
           return has_stage1(c) && change_ste(c, [&](Ste& e) { e.set(Ste::S1ContextPtr, c.cd_at | beyond(s, r)); });
         }},
    Flaw{"another S2T0SZ or S2SL0", 4,
         [](Case& c, const Scope&, Random& r) {
           return has_stage2(c) && change_ste(c, [&](Ste& s) {
                    s.set(Ste::S2T0SZ, r.below(64));
                    s.set(Ste::S2SL0, r.below(4));
                  });
         }},
    Flaw{"another S2PS", 3,
         [](Case& c, const Scope&, Random& r) {
           return has_stage2(c) &&
                  change_ste(c, [&](Ste& s) { s.set(Ste::S2PS, static_cast<arch::AddressSize>(r.below(8))); });
         }},
    Flaw{"an S2TTB out of range", 3,
         [](Case& c, const Scope&, Random& r) {
           return has_stage2(c) &&
                  change_ste(c, [&](Ste& s) { s.set(Ste::S2TTB, s.get(Ste::S2TTB) | 1ULL << r.between(32, 51)); });
         }},
    // CD
    Flaw{"no valid CD", 3, [](Case& c, const Scope&, Random&) { return change_cd(c, [](Cd& d) { d.set(Cd::V, 0); }); }},
    Flaw{"a half that is disabled", 3,
         [](Case& c, const Scope&, Random&) {
           return change_cd(c, [&](Cd& d) { (c.iova >> 55 & 1) != 0 ? d.set(Cd::EPD1, 1) : d.set(Cd::EPD0, 1); });
         }},
    Flaw{"another T0SZ or T1SZ", 4,
         [](Case& c, const Scope&, Random& r) {
           return change_cd(c, [&](Cd& d) {
             (c.iova >> 55 & 1) != 0 ? d.set(Cd::T1SZ, r.below(64)) : d.set(Cd::T0SZ, r.below(64));
           });
         }},
    Flaw{"another IPS", 3,
         [](Case& c, const Scope&, Random& r) {
           return change_cd(c, [&](Cd& d) { d.set(Cd::IPS, static_cast<arch::AddressSize>(r.below(8))); });
         }},
    Flaw{"a TTB out of range", 3,
         [](Case& c, const Scope&, Random& r) {
           return change_cd(c, [&](Cd& d) {
             const std::uint64_t bit = 1ULL << r.between(32, 51);
             (c.iova >> 55 & 1) != 0 ? d.set(Cd::TTB1, d.get(Cd::TTB1) | bit) : d.set(Cd::TTB0, d.get(Cd::TTB0) | bit);
           });
         }},
    // Tables
    Flaw{"an invalid descriptor", 5,
         [](Case& c, const Scope&, Random& r) {
           const auto at = any_step(!c.path1.empty() && (c.path2.empty() || r.below(2) != 0) ? c.path1 : c.path2, r);
           return change_word(c, at, 3, r.below(3));
         }},
    Flaw{"a block where none may be", 3,
         [](Case& c, const Scope&, Random& r) {
           const Path& p = !c.path1.empty() && (c.path2.empty() || r.below(2) != 0) ? c.path1 : c.path2;
           if (p.descriptors.size() < 2 || arch::leaf_allowed(p.granule, p.start, arch::AddressBits::a48)) {
             return false;
           }
           return change_word(c, p.descriptors[0], 3, 1 | af);
         }},
    Flaw{"a table that forbids writes, and nothing below", 3,
         [](Case& c, const Scope&, Random&) {
           if (c.path1.descriptors.size() < 2) {
             return false;
           }
           c.write = true;
           change_cd(c, [](Cd& d) { d.set(Cd::HAD0, 0).set(Cd::HAD1, 0); });
           return change_word(c, c.path1.descriptors[0], 0, arch::S1Table::APTable.put(2)) &&
                  change_word(c, c.path1.leaf(), 3, 0);
         }},
    Flaw{"AF is 0", 6,
         [](Case& c, const Scope&, Random& r) {
           const bool respected = r.below(4) != 0;
           if (respected && has_stage1(c)) {
             change_cd(c, [](Cd& d) { d.set(Cd::AFFD, 0); });
           }
           if (respected && has_stage2(c)) {
             change_ste(c, [](Ste& s) { s.set(Ste::S2AFFD, 0); });
           }
           return change_word(c, either_leaf(c, r), af, 0);
         }},
    Flaw{"other permissions", 8,
         [](Case& c, const Scope&, Random& r) {
           return change_word(c, either_leaf(c, r), arch::S1Leaf::AP.mask, std::uint64_t{r.below(4)} << 6);
         }},
    Flaw{"permissions of tables", 5,
         [](Case& c, const Scope&, Random& r) {
           return change_word(c, any_table(c.path1, r), 0, std::uint64_t{r.below(32)} << 59);
         }},
    Flaw{"a table where nothing answers", 4,
         [](Case& c, const Scope& s, Random& r) {
           return change_word(c, either_table(c, r), address_bits, nowhere(s, r));
         }},
    Flaw{"a table out of range", 4,
         [](Case& c, const Scope&, Random& r) { return change_word(c, either_table(c, r), 0, above(r)); }},
    Flaw{"an output out of range", 5,
         [](Case& c, const Scope&, Random& r) { return change_word(c, either_leaf(c, r), 0, above(r)); }},
    // Stage 2 of the SMMU's own accesses
    Flaw{"no stage 2 for an own access", 5,
         [](Case& c, const Scope&, Random& r) { return change_word(c, any_own(c, r), ~0ULL, 0); }},
    Flaw{"no right for an own access", 4,
         [](Case& c, const Scope&, Random& r) {
           return change_word(c, any_own(c, r), arch::S2Leaf::S2AP.mask, std::uint64_t{r.below(4)} << 6);
         }},
    Flaw{"Device memory for an own access", 3,
         [](Case& c, const Scope&, Random& r) {
           return change_ste(c, [](Ste& s) { s.set(Ste::S2PTW, 1); }) &&
                  change_word(c, any_own(c, r), arch::S2Leaf::MemAttr.mask, std::uint64_t{r.below(4)} << 2);
         }},
};

} // namespace

std::span<const Flaw> flaws() { return all_flaws; }

} // namespace sluice::differential
