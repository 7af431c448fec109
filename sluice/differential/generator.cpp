#include <sluice/differential/generator.hpp>

#include <sluice/arch/features.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/stage2_geometry.hpp>
#include <sluice/differential/builder.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::differential {

using arch::Cd;
using arch::Granule;
using arch::Ste;
using hosted::Random;

namespace {

constexpr unsigned window_bits = 25;
constexpr unsigned largest_block_bits = 30; // 1 GB
static_assert(area::window_end - area::window == 1ULL << window_bits);

constexpr std::uint64_t ones(unsigned bits) { return bits >= 64 ? ~0ULL : (1ULL << bits) - 1; }

Granule any_granule(Random& r) { return static_cast<Granule>(r.below(3)); }

// The smallest size that reaches `top`, or one of those above it.
arch::AddressSize any_size(Random& r, std::uint64_t top) {
  constexpr std::array bits{32U, 36U, 40U, 42U, 44U};
  unsigned least = 0;
  while (top > ones(bits[least])) {
    ++least;
  }
  return static_cast<arch::AddressSize>(least + r.below(static_cast<std::uint32_t>(bits.size() - least)));
}

// Where leaves may be: from a level whose blocks are not too large down to pages.
int any_leaf_level(Random& r, const Tree& tree) {
  int first = std::max(tree.start, 1);
  while (first < 3 && (!arch::leaf_allowed(tree.granule, first, arch::AddressBits::a48) ||
                       arch::level_shift(tree.granule, first) > largest_block_bits)) {
    ++first;
  }
  return first + static_cast<int>(r.below(static_cast<std::uint32_t>(4 - first)));
}

// Bits that change nothing of what is looked at here: SW [58:55], PBHA [62:59], nG of stage 1 (invalidated by address
// space), AttrIndx, SH.
std::uint64_t any_s1_attributes(Random& r) {
  using arch::S1Leaf;
  S1Leaf d;
  d.set(S1Leaf::AF, 1).set(S1Leaf::AP, r.one_in(8) ? arch::Ap::ro : arch::Ap::rw).set(S1Leaf::SW, r.below(16));
  d.set(S1Leaf::nG, r.below(2)).set(S1Leaf::AttrIndx, r.below(8)).set(S1Leaf::PXN, r.below(2));
  d.set(S1Leaf::UXN, r.below(2)).set(S1Leaf::PBHA, r.below(16)).set(S1Leaf::NS, r.below(2));
  return d.set(S1Leaf::SH, static_cast<arch::Shareability>(r.below(4))).w[0];
}

std::uint64_t any_s2_attributes(Random& r, arch::S2Ap ap) {
  using arch::S2Leaf;
  S2Leaf d;
  d.set(S2Leaf::AF, 1).set(S2Leaf::S2AP, ap).set(S2Leaf::SW, r.below(16)).set(S2Leaf::PBHA, r.below(16));
  d.set(S2Leaf::MemAttr, r.one_in(6) ? static_cast<arch::MemAttr>(r.below(16)) : arch::MemAttr::owb_iwb);
  d.set(S2Leaf::XN, static_cast<arch::S2Xn>(r.below(4)));
  return d.set(S2Leaf::SH, static_cast<arch::Shareability>(r.below(4))).w[0];
}

arch::Cacheability any_cacheability(Random& r) { return static_cast<arch::Cacheability>(r.below(4)); }

class Maker {
public:
  Maker(const Scope& scope, Random& random, Case& c) : scope_{scope}, r_{random}, c_{c}, b_{c, random} {}

  void make(bool two_level) {
    c_.stream_id = scope_.stream_id;
    c_.write = r_.below(2) != 0;
    c_.target = target_page(r_.below(target_pages)) + 8ULL * r_.below(512);
    c_.mode = any_mode();
    stream_table(two_level);
    Ste ste;
    ste.set(Ste::V, 1).set(Ste::SHCFG, static_cast<arch::ShareabilityOverride>(r_.below(4)));
    ste.set(Ste::MEV, r_.below(2)).set(Ste::SW_RESERVED, r_.below(16)).set(Ste::CONT, r_.below(16));
    ste.set(Ste::Config, static_cast<arch::SteConfig>(4 + static_cast<unsigned>(c_.mode)));
    const bool first = c_.mode == Mode::stage1 || c_.mode == Mode::nested;
    if (c_.mode == Mode::stage2 || c_.mode == Mode::nested) {
      stage2(ste);
    }
    if (first) {
      stage1(ste);
    } else {
      c_.iova = c_.target + c_.delta;
    }
    if (s2_) {
      behind_stage2();
    }
    c_.put(c_.ste_at, ste);
  }

private:
  Mode any_mode() {
    if (r_.one_in(40)) {
      return Mode::bypass;
    }
    return scope_.stage2 ? static_cast<Mode>(1 + r_.below(3)) : Mode::stage1;
  }

  void stream_table(bool two_level) {
    const std::uint32_t sid = c_.stream_id;
    unsigned bits = 1;
    while (sid >> bits != 0) {
      ++bits;
    }
    const unsigned log2 = bits + r_.below(3);
    c_.cfg.set(arch::STRTAB_BASE_CFG::LOG2SIZE, log2);
    if (!two_level) {
      const std::uint64_t table = b_.alloc(64ULL << log2, 64ULL << log2);
      c_.base.set(arch::STRTAB_BASE::ADDR, table);
      c_.ste_at = table + 64ULL * sid;
      return;
    }
    constexpr std::array<unsigned, 3> splits{6, 8, 10};
    const unsigned split = splits[r_.below(3)];
    c_.cfg.set(arch::STRTAB_BASE_CFG::FMT, arch::StreamTableFormat::two_level).set(arch::STRTAB_BASE_CFG::SPLIT, split);
    const std::uint64_t first_bytes = std::max<std::uint64_t>(64, log2 > split ? 8ULL << (log2 - split) : 8);
    const std::uint64_t first = b_.alloc(first_bytes, first_bytes);
    const auto within = static_cast<std::uint32_t>(sid & ones(split));
    unsigned span = 1;
    while (arch::l1std_entries(span) <= within) {
      ++span;
    }
    span += r_.below(split + 2 - span);
    const std::uint64_t bytes = 64ULL * arch::l1std_entries(span);
    const std::uint64_t second = b_.alloc(bytes, bytes);
    c_.base.set(arch::STRTAB_BASE::ADDR, first);
    c_.l1std_at = first + 8ULL * (sid >> split);
    c_.put(c_.l1std_at, arch::L1Std{}.set(arch::L1Std::Span, span).set(arch::L1Std::L2Ptr, second));
    c_.ste_at = second + 64ULL * within;
  }

  void stage2(Ste& ste) {
    const Granule g = any_granule(r_);
    const auto bits = static_cast<unsigned>(r_.between(window_bits, scope_.oas));
    std::array<int, 4> fit{};
    unsigned count = 0;
    for (int level = 0; level <= 3; ++level) {
      if (arch::s2_concatenation(g, level, 64 - bits, false, false) != 0) {
        fit[count++] = level;
      }
    }
    s2_ = b_.tree(g, bits, fit[r_.below(count)]);
    s2_level_ = any_leaf_level(r_, *s2_);
    // The window keeps its place within the largest block that may lead to it.
    const std::uint64_t block = std::max(arch::level_size(g, s2_level_), area::window_end - area::window);
    const std::uint64_t place = area::window & (block - 1);
    const unsigned high = bits > 40 && !r_.one_in(4) ? 40 : bits; // so that many IPSs hold it
    const std::uint64_t room = ((1ULL << high) - (area::window_end - area::window) - place) / block;
    c_.delta = r_.between(0, room) * block + place - area::window;

    const auto start = arch::s2_start_encoding(g, s2_->start);
    ste.set(Ste::S2VMID, r_.below(0x1'0000)).set(Ste::S2T0SZ, 64 - bits).set(Ste::S2SL0, start.SL0);
    ste.set(Ste::S2TG, arch::s2tg(g)).set(Ste::S2AA64, 1);
    // QEMU demands more of it than the architecture.
    ste.set(Ste::S2PS, any_size(r_, r_.one_in(6) ? area::ram_end - 1 : std::max(ones(bits), area::ram_end - 1)));
    ste.set(Ste::S2IR0, any_cacheability(r_)).set(Ste::S2OR0, any_cacheability(r_));
    ste.set(Ste::S2SH0, static_cast<arch::Shareability>(r_.below(4))).set(Ste::S2AFFD, r_.below(2));
    ste.set(Ste::S2R, !r_.one_in(10)).set(Ste::S2TTB, s2_->root).set(Ste::S2PTW, r_.one_in(4));
  }

  void stage1(Ste& ste) {
    const std::uint64_t output = c_.target + c_.delta;
    const bool beyond = scope_.iova_bits == 64 || r_.one_in(30);
    const bool high = beyond && r_.below(2) != 0;
    const Granule g = any_granule(r_);
    const auto bits = static_cast<unsigned>(r_.between(25, 48));
    const Tree tree = b_.tree(g, bits, arch::start_level(g, bits));
    roots_.push_back(tree.root);
    const int level = any_leaf_level(r_, tree);
    const std::uint64_t block = arch::level_size(g, level);
    std::uint64_t va = (r_.next() & ones(bits) & ~(block - 1)) | (output & (block - 1));
    va |= high ? ~ones(bits) : 0;
    const bool tbi = r_.below(2) != 0; // of this half
    const bool other_tbi = r_.one_in(8);
    if (beyond && tbi && r_.below(2) != 0) {
      va = (va & ones(56)) | r_.next() << 56;
    }
    c_.iova = va;
    c_.path1 = b_.map(tree, va, output, level, any_s1_attributes(r_), c_.delta);

    Cd cd;
    cd.set(Cd::V, 1).set(Cd::AA64, 1).set(Cd::A, 1).set(Cd::R, !r_.one_in(10)).set(Cd::ASID, r_.below(0x1'0000));
    cd.set(Cd::ASET, r_.below(2)).set(Cd::AFFD, r_.below(2)).set(Cd::WXN, r_.below(2)).set(Cd::UWXN, r_.below(2));
    cd.set(Cd::IPS, any_size(r_, area::window_end + c_.delta))
        .set(Cd::TBI0, tbi != (high && other_tbi))
        .set(Cd::TBI1, tbi != (!high && other_tbi));
    cd.set(Cd::HAD0, r_.below(2))
        .set(Cd::HAD1, r_.below(2))
        .set(Cd::MAIR0, r_.below(~0U))
        .set(Cd::MAIR1, r_.below(~0U));
    half(cd, high, g, bits, tree.root + c_.delta);
    other_half(cd, !high);
    c_.cd_at = b_.alloc(64, 64);
    c_.put(c_.cd_at, cd);
    ste.set(Ste::S1ContextPtr, c_.cd_at + c_.delta).set(Ste::S1CIR, any_cacheability(r_));
    ste.set(Ste::S1COR, any_cacheability(r_)).set(Ste::S1CSH, static_cast<arch::Shareability>(r_.below(4)));
    ste.set(Ste::S1Fmt, static_cast<arch::S1Format>(r_.below(4)))
        .set(Ste::S1DSS, static_cast<arch::S1Dss>(r_.below(4)));
  }

  void half(Cd& cd, bool high, Granule g, unsigned bits, std::uint64_t ttb) {
    if (high) {
      cd.set(Cd::T1SZ, 64 - bits).set(Cd::TG1, arch::tg1(g)).set(Cd::TTB1, ttb).set(Cd::IR1, any_cacheability(r_));
      cd.set(Cd::OR1, any_cacheability(r_)).set(Cd::SH1, static_cast<arch::Shareability>(r_.below(4)));
    } else {
      cd.set(Cd::T0SZ, 64 - bits).set(Cd::TG0, arch::tg0(g)).set(Cd::TTB0, ttb).set(Cd::IR0, any_cacheability(r_));
      cd.set(Cd::OR0, any_cacheability(r_)).set(Cd::SH0, static_cast<arch::Shareability>(r_.below(4)));
    }
  }

  // Disabled with nonsense in it, or legal with an empty table.
  void other_half(Cd& cd, bool high) {
    const bool disabled = r_.below(2) != 0;
    const Granule g = any_granule(r_);
    const auto bits = static_cast<unsigned>(r_.between(25, 48));
    if (disabled) {
      half(cd, high, g, bits, 0);
      if (high) {
        cd.set(Cd::EPD1, 1).set(Cd::T1SZ, r_.below(64)).set(Cd::TG1, static_cast<arch::Tg1>(r_.below(4)));
      } else {
        cd.set(Cd::EPD0, 1).set(Cd::T0SZ, r_.below(64)).set(Cd::TG0, static_cast<arch::Tg0>(r_.below(4)));
      }
      return;
    }
    roots_.push_back(b_.tree(g, bits, arch::start_level(g, bits)).root);
    half(cd, high, g, bits, roots_.back() + c_.delta);
  }

  // What stage 2 has to lead on: the CD, each descriptor of stage 1, and the target.
  void behind_stage2() {
    const auto own = [&](std::uint64_t pa) {
      const Path p = b_.map(*s2_, pa + c_.delta, pa, s2_level_, any_s2_attributes(r_, arch::S2Ap::rw));
      c_.own2.push_back(p.leaf());
    };
    if (c_.cd_at != 0) {
      own(c_.cd_at);
    }
    for (const std::uint64_t at : c_.path1.descriptors) {
      own(at);
    }
    if (!r_.one_in(8)) { // each table's first page, and the table that is not used
      const std::uint64_t size = c_.path1.empty() ? 0 : arch::granule_size(c_.path1.granule);
      for (const std::uint64_t at : c_.path1.descriptors) {
        own(at & ~(size - 1));
      }
      for (const std::uint64_t root : roots_) {
        own(root);
      }
    }
    const auto ap = !r_.one_in(8) ? arch::S2Ap::rw : c_.write ? arch::S2Ap::w : arch::S2Ap::r;
    c_.path2 = b_.map(*s2_, c_.target + c_.delta, c_.target, s2_level_, any_s2_attributes(r_, ap));
  }

  const Scope& scope_;
  Random& r_;
  Case& c_;
  Builder b_;
  std::optional<Tree> s2_;
  int s2_level_{};
  std::vector<std::uint64_t> roots_; // of stage 1
};

void spoil(Case& c, const Scope& scope, Random& r) {
  std::uint32_t all = 0;
  for (const Flaw& flaw : flaws()) {
    all += flaw.weight;
  }
  for (unsigned tries = 0; tries < 100; ++tries) {
    std::uint32_t at = r.below(all);
    for (const Flaw& flaw : flaws()) {
      if (at < flaw.weight) {
        if (flaw.apply(c, scope, r)) {
          c.flaw = flaw.name;
          return;
        }
        break;
      }
      at -= flaw.weight;
    }
  }
}

} // namespace

Case generate(const Scope& scope, std::uint64_t seed, std::uint64_t number, bool two_level) {
  Random random = Random{seed ^ Random{number}.next()};
  Case c;
  c.number = number;
  Maker{scope, random, c}.make(two_level);
  if (random.below(100) < 55) {
    spoil(c, scope, random);
  }
  return c;
}

} // namespace sluice::differential
