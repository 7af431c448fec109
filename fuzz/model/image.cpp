#include "image.hpp"

#include <sluice/arch/l1.hpp>

namespace sluice::fuzz {

using arch::Cd;
using arch::IDR0;
using arch::IDR1;
using arch::IDR3;
using arch::IDR5;
using arch::Ste;
using reference::below;
using reference::index_low;

namespace {

constexpr unsigned s2_encoding(unsigned granule) { return granule == 12 ? 0 : granule == 16 ? 1 : 2; }
constexpr unsigned tg1_encoding(unsigned granule) { return granule == 12 ? 2 : granule == 16 ? 3 : 1; }
constexpr unsigned split_bits = 6;

template <class T>
T as(std::uint64_t value) {
  return static_cast<T>(value);
}

} // namespace

Image::Image(Input& input, Memory& memory, const reference::Registers& facts)
    : input_{input}, memory_{memory}, facts_{facts} {
  constexpr std::uint64_t bases[] = {0x20'0000, 0x4000'0000, 0x4000'0000, 0x9'8000'0000};
  base_ = bases[input_.below(4)];
  if (base_ + arena_bytes > 1ULL << reference::oas(facts_)) {
    base_ = bases[1];
  }
  next_ = base_;
  commands = alloc(16 << 6, 4096);
  events = alloc(32 << 6, 4096);
  page_requests = alloc(16 << 6, 4096);
  for (int i = 0; i < 3; ++i) {
    outputs.push_back(alloc(4096, 4096));
  }
  outputs.push_back(1ULL << (reference::oas(facts_) - 1)); // the far end
  make_streams();
}

std::uint64_t Image::alloc(std::uint64_t bytes, std::uint64_t align) {
  std::uint64_t at = (next_ + align - 1) & ~(align - 1);
  if (at + bytes > base_ + arena_bytes) {
    at = (base_ + align - 1) & ~(align - 1); // full: tables on top of tables
  }
  next_ = at + bytes;
  return at;
}

void Image::put(std::uint64_t at, std::uint64_t word) {
  memory_.put(at, word);
  words.push_back(at);
}

template <class S>
void Image::put_structure(std::uint64_t at, const S& s) {
  for (std::size_t i = 0; i < s.w.size(); ++i) {
    put(at + 8 * i, s.w[i]);
  }
}

void Image::spoil(Input& input, std::uint64_t at) {
  const std::uint64_t word = memory_.get(at);
  switch (input.below(8)) {
  case 0:
    memory_.put(at, 0);
    return;
  case 1:
    memory_.put(at, memory_.get(words[input.below(words.size())]));
    return;
  case 2:
    memory_.put(at, word ^ 1ULL << (48 + input.below(16)));
    return;
  case 3:
    memory_.put(at, word ^ 1ULL << input.below(12));
    return;
  case 4: // a page up or down
    memory_.put(at, word ^ 1ULL << (12 + input.below(6)));
    return;
  default:
    memory_.put(at, word ^ 1ULL << input.below(64));
    return;
  }
}

unsigned Image::some_granule(unsigned code) const {
  for (unsigned i = 0; i < 3; ++i) {
    if (const unsigned g = reference::granule(facts_, (code + i) % 3); g != 0) {
      return g;
    }
  }
  return 12;
}

void Image::make_streams() {
  const bool two_level = facts_.idr0.get(IDR0::ST_LEVEL) == arch::StLevel::two_level && input_.flag();
  has_substreams = facts_.idr1.get(IDR1::SSIDSIZE) != 0;
  if (two_level) {
    stream_table = alloc(64, 64);
    stream_table_cfg = 1U << 16 | split_bits << 6 | 8;
    for (unsigned i = 0; i < 2; ++i) {
      const unsigned span = 1 + static_cast<unsigned>(input_.below(split_bits + 1));
      l2_tables_[i] = alloc(64ULL << split_bits, 64ULL << split_bits);
      put(stream_table + 8 * i, l2_tables_[i] | span);
    }
  } else {
    stream_table = alloc(64 << split_bits, 64 << split_bits);
    stream_table_cfg = split_bits;
  }
  for (unsigned stream = 0; stream < streams; ++stream) {
    const Ste ste = make_ste();
    put_structure(ste_address(stream), ste);
  }
  for (std::uint64_t n = input_.below(4); n > 0; --n) {
    spoil(input_, words[input_.below(words.size())]);
  }
}

// Streams 0 and 1 are in the first table of the second level, 2 and 3 at the end of what the second one may have.
std::uint64_t Image::ste_address(unsigned stream) {
  if (l2_tables_[0] == 0) {
    return stream_table + stream * 64ULL;
  }
  return l2_tables_[stream / 2] + stream % 2 * 64ULL;
}

Ste Image::make_ste() {
  Ste s;
  s.set(Ste::V, 1).set(Ste::Config, as<arch::SteConfig>(4 + input_.below(4)));
  const std::uint64_t shape = input_.bytes(3);
  s.set(Ste::S2VMID, 1 + (shape & 1)).set(Ste::MEV, shape >> 1 & 1);
  if (facts_.idr1.get(IDR1::ATTR_TYPES_OVR) != 0) {
    s.set(Ste::MTCFG, shape >> 2 & 1).set(Ste::MemAttr, as<arch::MemAttr>(shape >> 3 & 15));
    s.set(Ste::ALLOCCFG, shape >> 7 & 15);
  }
  s.set(Ste::SHCFG, facts_.idr1.get(IDR1::ATTR_TYPES_OVR) != 0 ? as<arch::ShareabilityOverride>(shape >> 11 & 3)
                                                               : arch::ShareabilityOverride::incoming);
  if (facts_.idr1.get(IDR1::ATTR_PERMS_OVR) != 0) {
    s.set(Ste::PRIVCFG, as<arch::PrivilegeOverride>((shape >> 13 & 7) > 3 ? 0 : shape >> 13 & 3));
    s.set(Ste::INSTCFG, as<arch::InstructionOverride>((shape >> 16 & 7) > 3 ? 0 : shape >> 16 & 3));
  }
  if (facts_.idr0.get(IDR0::Hyp) != 0 && (shape >> 19 & 3) == 3) {
    s.set(Ste::STRW, arch::Strw::el2);
  }
  if (facts_.idr0.get(IDR0::ATS) != 0) {
    constexpr unsigned eats[] = {0, 1, 2, 0, 1, 1, 1, 0};
    s.set(Ste::EATS, as<arch::Eats>(eats[shape >> 21 & 7]));
  }
  const bool s2 = facts_.idr0.get(IDR0::S2P) != 0;
  const bool s1 = facts_.idr0.get(IDR0::S1P) != 0;
  if (reference::translates2(s) && s2) {
    make_stage2(s);
  }
  if (reference::translates1(s) && s1) {
    s.set(Ste::S1ContextPtr, make_cds(s));
  }
  return s;
}

void Image::make_stage2(Ste& s) {
  constexpr struct {
    unsigned granule;
    int level;
    unsigned smallest, largest;
  } starts[] = {{12, 0, 16, 24}, {12, 1, 21, 33}, {12, 2, 30, 39}, {14, 1, 16, 27}, {14, 2, 24, 38},
                {16, 1, 16, 21}, {16, 2, 18, 34}, {12, 3, 39, 46}, {14, 3, 35, 46}, {16, 3, 31, 46}};
  const auto& start = starts[input_.below(10)];
  const unsigned granule = some_granule(s2_encoding(start.granule));
  const unsigned least = 64 - reference::oas(facts_) > start.smallest ? 64 - reference::oas(facts_) : start.smallest;
  unsigned t0sz = least + static_cast<unsigned>(input_.below(start.largest + 1 - start.smallest));
  t0sz = t0sz > start.largest ? start.largest : t0sz;
  s.set(Ste::S2T0SZ, t0sz).set(Ste::S2TG, as<arch::S2Tg>(s2_encoding(granule)));
  const auto first = static_cast<unsigned>(start.level);
  s.set(Ste::S2SL0, granule == 12 ? (first == 3 ? 3 : 2 - first) : 3 - first);
  s.set(Ste::S2PS, as<arch::AddressSize>(input_.one_in(8) ? input_.below(8) : 5)).set(Ste::S2AA64, 1);
  const std::uint64_t flags = input_.bytes(2);
  s.set(Ste::S2SH0, as<arch::Shareability>(flags & 3)).set(Ste::S2IR0, as<arch::Cacheability>(flags >> 2 & 3));
  s.set(Ste::S2OR0, as<arch::Cacheability>(flags >> 4 & 3)).set(Ste::S2R, flags >> 6 & 1);
  s.set(Ste::S2AFFD, flags >> 7 & 1).set(Ste::S2PTW, (flags >> 8 & 3) == 3);
  const auto stalls = facts_.idr0.get(IDR0::STALL_MODEL);
  s.set(Ste::S2S, stalls == arch::StallModel::terminate ? 0 : stalls == arch::StallModel::stall ? 1 : flags >> 10 & 1);
  if (facts_.idr0.get(IDR0::HTTU) != arch::Httu::none) {
    s.set(Ste::S2HA, flags >> 11 & 1);
    s.set(Ste::S2HD, facts_.idr0.get(IDR0::HTTU) == arch::Httu::access ? 0 : flags >> 12 & 1);
  }
  s.set(Ste::S2FWB, facts_.idr3.get(IDR3::FWB) != 0 ? flags >> 13 & 1 : 0);
  const unsigned bits = 64 - t0sz;
  Tree tree{granule, start.level, bits, 0};
  const unsigned index = bits > index_low(granule, start.level) ? bits - index_low(granule, start.level) : 1;
  const std::uint64_t bytes = std::uint64_t{8} << (index > 17 ? 17 : index);
  tree.root = alloc(bytes, bytes < 64 ? 64 : bytes);
  s.set(Ste::S2TTB, tree.root);
  // All tables are where their IPAs say, by blocks or by pages; then some more.
  const unsigned step = start.level <= 2 && !input_.one_in(4) ? index_low(granule, 2) : granule;
  const unsigned count = step > 24 ? 1 : step == granule ? 48 : static_cast<unsigned>(arena_bytes >> step);
  const std::uint64_t leaf = stage2_leaf() | 1ULL << 6;
  for (unsigned i = 0; i < count; ++i) {
    const std::uint64_t at = (base_ & ~below(step)) + (std::uint64_t{i} << step);
    map(tree, at, step == granule ? 3 : 2, at | leaf);
  }
  for (std::uint64_t n = input_.below(4); n > 0; --n) {
    const std::uint64_t ipa = some_input(tree);
    const int level = input_.one_in(3) ? 2 : 3;
    map(tree, ipa, level, some_output(index_low(granule, level)) | stage2_leaf());
    outputs.push_back(ipa); // where stage 1 may lead
  }
}

std::uint64_t Image::make_cds(Ste& s) {
  const unsigned most = static_cast<unsigned>(facts_.idr1.get(IDR1::SSIDSIZE));
  const unsigned bits = most == 0 ? 0 : static_cast<unsigned>(input_.below(most > 12 ? 12 : most + 1));
  const std::uint64_t flags = input_.bytes(2);
  s.set(Ste::S1CDMax, bits).set(Ste::S1DSS, as<arch::S1Dss>(flags & 3));
  s.set(Ste::S1CIR, as<arch::Cacheability>(flags >> 2 & 3)).set(Ste::S1COR, as<arch::Cacheability>(flags >> 4 & 3));
  s.set(Ste::S1CSH, as<arch::Shareability>(flags >> 6 & 3));
  unsigned format = facts_.idr0.get(IDR0::CD2L) != 0 ? flags >> 8 & 3 : 0;
  format = bits == 0 ? 0 : format;
  s.set(Ste::S1Fmt, as<arch::S1Format>(format));
  const Cd first = make_cd();
  const Cd second = bits != 0 && input_.flag() ? make_cd() : first;
  std::uint64_t pointer = 0;
  std::uint64_t table = 0;
  if (format == 1 || format == 2) {
    pointer = alloc(64, 8192); // alignment of 2^10 first-level entries
    table = alloc(format == 1 ? 4096 : 65536, format == 1 ? 4096 : 65536);
    put(pointer, table | 1);
    put(pointer + 8, table | (flags >> 10 & 1));
  } else {
    pointer = table = alloc(64ULL << bits, 64ULL << bits);
  }
  put_structure(table, first);
  if (bits != 0) {
    put_structure(table + 64, second);
  }
  return pointer;
}

Cd Image::make_cd() {
  Cd c;
  const std::uint64_t flags = input_.bytes(4);
  const std::uint64_t more = input_.bytes(2);
  const bool tame = (flags & 3) != 0; // most have few of the restrictions
  c.set(Cd::V, 1).set(Cd::AA64, 1).set(Cd::ASID, 1 + (flags >> 2 & 1)).set(Cd::ASET, flags >> 3 & 1);
  c.set(Cd::A, facts_.idr0.get(IDR0::TERM_MODEL) != 0 ? 1 : flags >> 4 & 1).set(Cd::R, (flags >> 5 & 3) != 0);
  const auto stalls = facts_.idr0.get(IDR0::STALL_MODEL);
  c.set(Cd::S, stalls == arch::StallModel::terminate ? 0 : stalls == arch::StallModel::stall ? 1 : flags >> 7 & 1);
  c.set(Cd::AFFD, flags >> 8 & 1).set(Cd::WXN, !tame && (flags >> 9 & 1) != 0);
  c.set(Cd::PAN, !tame && (flags >> 10 & 1) != 0).set(Cd::TBI0, flags >> 11 & 1).set(Cd::TBI1, flags >> 12 & 1);
  if (facts_.idr0.get(IDR0::HTTU) != arch::Httu::none) {
    c.set(Cd::HA, flags >> 13 & 1).set(Cd::HD, facts_.idr0.get(IDR0::HTTU) == arch::Httu::access ? 0 : flags >> 14 & 1);
  }
  if (facts_.idr3.get(IDR3::HAD) != 0) {
    c.set(Cd::HAD0, flags >> 15 & 1).set(Cd::HAD1, flags >> 16 & 1);
  }
  if (facts_.idr3.get(IDR3::E0PD) != 0) {
    c.set(Cd::E0PD0, !tame && (flags >> 17 & 1) != 0).set(Cd::E0PD1, !tame && (flags >> 18 & 1) != 0);
  }
  c.set(Cd::IPS, as<arch::AddressSize>((flags >> 19 & 7) == 7 ? flags >> 22 & 7 : 5));
  c.set(Cd::IR0, as<arch::Cacheability>(more & 3)).set(Cd::OR0, as<arch::Cacheability>(more >> 2 & 3));
  c.set(Cd::SH0, as<arch::Shareability>(more >> 4 & 3)).set(Cd::EPD0, (more >> 6 & 7) == 7);
  c.set(Cd::EPD1, (more >> 9 & 1) != 0);
  constexpr std::uint64_t types[] = {0xff, 0x44, 0x00, 0xbb, 0x04, 0xf0, 0x0c, 0x4f};
  std::uint64_t mair = 0;
  for (unsigned i = 0; i < 8; ++i) {
    mair |= types[(i + (more >> 10)) % 8] << 8 * i;
  }
  c.set(Cd::MAIR0, mair & below(32)).set(Cd::MAIR1, mair >> 32);
  for (int half = 0; half < 2; ++half) {
    if ((half == 0 ? c.get(Cd::EPD0) : c.get(Cd::EPD1)) != 0) {
      continue;
    }
    const unsigned granule = some_granule(static_cast<unsigned>(input_.below(3)));
    const std::uint64_t size = input_.byte();
    const unsigned txsz = 16 + static_cast<unsigned>(size % (facts_.idr3.get(IDR3::STT) != 0 ? 32 : 24));
    const unsigned wide = granule == 16 && facts_.idr5.get(IDR5::VAX) != arch::Vax::bits48 && size > 0xf0 ? 12 : txsz;
    const Tree tree = stage1_tree(granule, granule == 16 && wide > 47 ? 47 : wide);
    if (half == 0) {
      c.set(Cd::T0SZ, 64 - tree.input_bits).set(Cd::TG0, as<arch::Tg0>(s2_encoding(granule))).set(Cd::TTB0, tree.root);
    } else {
      c.set(Cd::T1SZ, 64 - tree.input_bits).set(Cd::TG1, as<arch::Tg1>(tg1_encoding(granule))).set(Cd::TTB1, tree.root);
    }
    for (std::uint64_t n = 1 + input_.below(3); n > 0; --n) {
      const std::uint64_t va = some_input(tree);
      const int level = input_.one_in(3) ? 2 : input_.one_in(8) ? 1 : 3;
      map(tree, va, level, some_output(index_low(granule, level)) | stage1_leaf());
      inputs.push_back(half == 0 ? va : va | ~below(tree.input_bits));
    }
  }
  return c;
}

Image::Tree Image::stage1_tree(unsigned granule, unsigned txsz) {
  const unsigned bits = 64 - txsz;
  const unsigned stride = granule - 3;
  const int start = 4 - static_cast<int>((bits - granule + stride - 1) / stride);
  const std::uint64_t bytes = std::uint64_t{8} << (bits - index_low(granule, start));
  return {granule, start, bits, alloc(bytes, bytes < 64 ? 64 : bytes)};
}

// As far as nothing is in the way; tables on the way are made.
void Image::map(const Tree& tree, std::uint64_t input, int level, std::uint64_t leaf) {
  std::uint64_t table = tree.root;
  input &= below(tree.input_bits);
  for (int l = tree.start;; ++l) {
    const std::uint64_t index = input >> index_low(tree.granule, l);
    const std::uint64_t at = table + 8 * (l == tree.start ? index : index & below(tree.granule - 3));
    if (l >= level) {
      put(at, leaf | (l == 3 ? 3 : 1));
      return;
    }
    std::uint64_t next = memory_.get(at);
    if ((next & 3) != 3) {
      next = alloc(1ULL << tree.granule, 1ULL << tree.granule) | 3;
      // D8.4.1.5 what a table takes away
      put(at, input_.one_in(16) ? next | input_.below(32) << 59 : next);
    }
    table = next & below(48) & ~below(tree.granule);
  }
}

// Few addresses, so that streams meet.
std::uint64_t Image::some_input(const Tree& tree) {
  const std::uint64_t choice = input_.byte();
  std::uint64_t at = (choice & 7) << tree.granule;
  for (int level = 2; level >= 0; --level) {
    at |= (choice >> (9 - 2 * level) & 1) << index_low(tree.granule, level);
  }
  return at & below(tree.input_bits);
}

std::uint64_t Image::some_output(unsigned low) {
  const std::uint64_t address = outputs[input_.below(outputs.size())] & ~below(low);
  // D8.3.1: OA[51:48] is in [15:12] where there are 52 bits.
  return (address & below(48)) | (address >> 48 & 0xf) << 12;
}

std::uint64_t Image::stage1_leaf() {
  const std::uint64_t choice = input_.bytes(2);
  const bool tame = (choice & 3) != 0;
  std::uint64_t d = (choice >> 2 & 7) << 2 | (choice >> 5 & 3) << 8 | (choice >> 7 & 1) << 11;
  d |= tame ? 1ULL << 10 | 1ULL << 6 : (choice >> 8 & 1) << 10 | (choice >> 9 & 3) << 6;
  d |= (choice >> 11 & 1) << 51 | (choice >> 12 & 1) << 7;
  return tame ? d : d | (choice >> 13 & 3) << 53;
}

std::uint64_t Image::stage2_leaf() {
  const std::uint64_t choice = input_.bytes(2);
  const bool tame = (choice & 3) != 0;
  std::uint64_t d = (choice >> 2 & 15) << 2 | (choice >> 6 & 3) << 8 | (choice >> 11 & 1) << 51;
  d |= tame ? 1ULL << 10 | 3ULL << 6 : (choice >> 8 & 1) << 10 | (choice >> 9 & 3) << 6;
  return tame ? d : d | (choice >> 13 & 3) << 53;
}

} // namespace sluice::fuzz
