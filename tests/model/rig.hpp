#pragma once

#include "met.hpp"
#include "ram.hpp"

#include <sluice/arch/commands.hpp>
#include <sluice/arch/descriptors.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/arch/l1.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/arch/stage2_geometry.hpp>
#include <sluice/hosted/free.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/hosted/time.hpp>
#include <sluice/model/idr.hpp>
#include <sluice/model/port.hpp>
#include <sluice/model/smmu.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace sluice::model::test {

using arch::Cd;
using arch::Command;
using arch::Event;
using arch::EventType;
using arch::Ste;

// A tree of tables in Ram, written by hand: no code of the model or of pagetable.
struct Tree {
  arch::Granule granule{arch::Granule::k4};
  unsigned input_bits{39};
  int start{1};
  std::uint64_t root{};
  arch::AddressBits bits{arch::AddressBits::a48};
};

// Leaf descriptors with AF, Normal WB (AttrIndx 0, or MemAttr 0b1111), ISH.
inline constexpr std::uint64_t s1_rw = 1ULL << 10 | 3ULL << 8 | 1ULL << 6 | 1ULL << 11; // U:RW P:RW nG
inline constexpr std::uint64_t s1_ro = s1_rw | 1ULL << 7;
inline constexpr std::uint64_t s2_rw = 1ULL << 10 | 3ULL << 8 | 3ULL << 6 | 0xfULL << 2;
inline constexpr std::uint64_t s2_ro = s2_rw & ~(2ULL << 6);

inline Knobs observed(Knobs knobs) {
  knobs.observer = &Met::instance();
  return knobs;
}

// An SMMU in memory with its queues and a linear stream table of 64 entries, enabled.
class Rig {
public:
  static constexpr unsigned streams_log2 = 6;

  static Features with_substreams() {
    Features f;
    f.substreamid_bits = 8;
    return f;
  }

  explicit Rig(const Features& features = with_substreams(), const Knobs& knobs = {}, bool enable = true,
               std::size_t ram_bytes = 8 << 20)
      : ram{ram_bytes} {
    auto made = Smmu::make(features, observed(knobs), ram, sync, time);
    base::check(made.ok());
    smmu = std::move(*made);
    port = std::make_unique<Port>(*smmu);
    strtab = ram.alloc(64ULL << streams_log2, 4096);
    cmdq = ram.alloc(16ULL << cmdq_log2, 4096);
    eventq = ram.alloc(32ULL << eventq_log2, 4096);
    w64<arch::STRTAB_BASE>(strtab);
    w32<arch::STRTAB_BASE_CFG>(streams_log2);
    w64<arch::CMDQ_BASE>(cmdq | cmdq_log2);
    w64<arch::EVENTQ_BASE>(eventq | eventq_log2);
    w32<arch::CR2>(2); // RECINVSID
    if (enable) {
      w32<arch::CR0>(0xd); // SMMUEN EVENTQEN CMDQEN
    }
  }
  ~Rig() { port.reset(); }

  template <class R>
  std::uint32_t r32() {
    return static_cast<std::uint32_t>(smmu->read(R::offset, 4));
  }
  template <class R>
  void w32(std::uint32_t value) {
    smmu->write(R::offset, 4, value);
  }
  template <class R>
  void w64(std::uint64_t value) {
    smmu->write(R::offset, 8, value);
  }

  // Commands
  void put_command(const Command& c) {
    const std::uint64_t at = cmdq + (prod & ((1U << cmdq_log2) - 1)) * 16ULL;
    ram.put(at, c.w[0]);
    ram.put(at + 8, c.w[1]);
    prod = (prod + 1) & ((2U << cmdq_log2) - 1);
  }
  void submit(const Command& c) {
    put_command(c);
    w32<arch::CMDQ_PROD>(prod);
  }
  bool drained() { return (r32<arch::CMDQ_CONS>() & 0xfffff) == prod; }
  // The commands and a CMD_SYNC, all consumed.
  void run(std::initializer_list<Command> commands) {
    for (const auto& c : commands) {
      submit(c);
    }
    submit(arch::cmd::sync());
    EXPECT_TRUE(drained());
  }
  arch::Cerror command_error() { return arch::CMDQ_CONS::from(r32<arch::CMDQ_CONS>()).get(arch::CMDQ_CONS::ERR); }
  bool gerror_active(std::uint64_t bit) { return ((r32<arch::GERROR>() ^ r32<arch::GERRORN>()) & bit) != 0; }

  // Events
  std::vector<Event> events() {
    std::vector<Event> all;
    const std::uint32_t mask = (2U << eventq_log2) - 1;
    const std::uint32_t to = r32<arch::EVENTQ_PROD>() & mask;
    for (; cons != to; cons = (cons + 1) & mask) {
      Event e;
      for (unsigned i = 0; i < 4; ++i) {
        e.w[i] = ram.get(eventq + (cons & (mask >> 1)) * 32ULL + i * 8);
      }
      all.push_back(e);
    }
    w32<arch::EVENTQ_CONS>(cons | (r32<arch::EVENTQ_PROD>() & 0x8000'0000));
    return all;
  }
  // The only event since the last call.
  Event event() {
    const auto all = events();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? Event{} : all[0];
  }

  // Structures. No invalidation: that is for tests to do.
  void put(std::uint64_t address, const auto& structure) {
    for (std::size_t i = 0; i < structure.w.size(); ++i) {
      ram.put(address + i * 8, structure.w[i]);
    }
  }
  void put_ste(std::uint32_t sid, const Ste& ste) { put(strtab + sid * 64ULL, ste); }

  Tree tree(arch::Granule g = arch::Granule::k4, unsigned input_bits = 39) {
    Tree t{g, input_bits, arch::start_level(g, input_bits), 0, arch::AddressBits::a48};
    t.root = ram.alloc(arch::first_table_bytes(g, t.start, input_bits),
                       std::max<std::uint64_t>(64, arch::first_table_bytes(g, t.start, input_bits)));
    return t;
  }
  Tree stage2_tree(arch::Granule g = arch::Granule::k4, unsigned input_bits = 40, int start = 1) {
    Tree t{g, input_bits, start, 0, arch::AddressBits::a48};
    t.root = ram.alloc(arch::first_table_bytes(g, start, input_bits),
                       std::max<std::uint64_t>(64, arch::first_table_bytes(g, start, input_bits)));
    return t;
  }
  // Address of the descriptor of `level` for an input, making the tables above it. `ipa_of` is added to addresses of
  // tables in descriptors: nested tables are linked by IPA.
  std::uint64_t slot(const Tree& t, std::uint64_t input, int level, std::uint64_t ipa_of = 0) {
    std::uint64_t table = t.root;
    input &= (1ULL << t.input_bits) - 1;
    for (int l = t.start;; ++l) {
      const std::uint64_t index =
          l == t.start ? input >> arch::level_shift(t.granule, l) : arch::level_index(t.granule, l, input);
      const std::uint64_t at = table + index * 8;
      if (l == level) {
        return at;
      }
      if (ram.get(at) == 0) {
        const std::uint64_t next = ram.alloc(arch::granule_size(t.granule), arch::granule_size(t.granule));
        ram.put(at, arch::put_table_address(t.granule, t.bits, next + ipa_of) | 3);
      }
      table = arch::table_address(t.granule, t.bits, ram.get(at)) - ipa_of;
    }
  }
  std::uint64_t map(const Tree& t, std::uint64_t input, std::uint64_t output, std::uint64_t flags, int level = 3,
                    std::uint64_t ipa_of = 0) {
    const std::uint64_t at = slot(t, input, level, ipa_of);
    ram.put(at, arch::put_leaf_address(t.granule, level, t.bits, output) | flags | (level == 3 ? 3 : 1));
    return at;
  }

  Cd cd(const Tree& t, std::uint16_t asid = 1) const {
    Cd c;
    c.set(Cd::V, 1).set(Cd::AA64, 1).set(Cd::A, 1).set(Cd::R, 1).set(Cd::EPD1, 1).set(Cd::ASID, asid);
    c.set(Cd::T0SZ, 64 - t.input_bits).set(Cd::TG0, arch::tg0(t.granule)).set(Cd::IPS, arch::AddressSize::bits44);
    c.set(Cd::IR0, arch::Cacheability::write_back).set(Cd::OR0, arch::Cacheability::write_back);
    c.set(Cd::SH0, arch::Shareability::inner).set(Cd::TTB0, t.root).set(Cd::MAIR0, 0xff);
    return c;
  }
  Ste stage1_ste(std::uint64_t cd_address) const {
    Ste s;
    s.set(Ste::V, 1).set(Ste::Config, arch::SteConfig::stage1).set(Ste::S1ContextPtr, cd_address);
    s.set(Ste::S1CIR, arch::Cacheability::write_back).set(Ste::S1COR, arch::Cacheability::write_back);
    s.set(Ste::S1CSH, arch::Shareability::inner).set(Ste::SHCFG, arch::ShareabilityOverride::incoming);
    return s;
  }
  Ste stage2_ste(const Tree& t, std::uint16_t vmid = 1) const {
    Ste s;
    s.set(Ste::V, 1).set(Ste::Config, arch::SteConfig::stage2).set(Ste::SHCFG, arch::ShareabilityOverride::incoming);
    s.set(Ste::S2VMID, vmid).set(Ste::S2T0SZ, 64 - t.input_bits).set(Ste::S2TG, arch::s2tg(t.granule));
    s.set(Ste::S2SL0, arch::s2_start_encoding(t.granule, t.start).SL0).set(Ste::S2PS, arch::AddressSize::bits44);
    s.set(Ste::S2AA64, 1).set(Ste::S2TTB, t.root).set(Ste::S2R, 1).set(Ste::S2SH0, arch::Shareability::inner);
    s.set(Ste::S2IR0, arch::Cacheability::write_back).set(Ste::S2OR0, arch::Cacheability::write_back);
    return s;
  }
  Ste bypass_ste() const {
    return Ste{}
        .set(Ste::V, 1)
        .set(Ste::Config, arch::SteConfig::bypass)
        .set(Ste::SHCFG, arch::ShareabilityOverride::incoming);
  }
  Ste nested(Ste stage1, const Ste& stage2) const {
    stage1.w[2] = stage2.w[2];
    stage1.w[3] = stage2.w[3];
    return stage1.set(Ste::Config, arch::SteConfig::nested);
  }

  // Stream `sid` on a stage 1 tree of its own with one CD.
  struct Stage1Stream {
    Tree tree;
    std::uint64_t cd_at{};
  };
  Stage1Stream stage1_stream(std::uint32_t sid, std::uint16_t asid = 1) {
    Stage1Stream s{tree(), ram.alloc(64, 64)};
    put(s.cd_at, cd(s.tree, asid));
    put_ste(sid, stage1_ste(s.cd_at));
    return s;
  }

  // Traffic: 8 bytes each.
  Outcome read(std::uint32_t sid, std::uint64_t address, std::uint64_t* value = nullptr,
               std::optional<std::uint32_t> ssid = {}) {
    std::uint64_t data = 0xdead;
    const auto o = port->access({sid, ssid, address, 8, false, false, false}, &data);
    if (value != nullptr) {
      *value = data;
    }
    return o;
  }
  Outcome write(std::uint32_t sid, std::uint64_t address, std::uint64_t value = 0x1234) {
    return port->access({sid, {}, address, 8, true, false, false}, &value);
  }
  std::optional<std::uint64_t> pa(std::uint32_t sid, std::uint64_t address, std::optional<std::uint32_t> ssid = {}) {
    const auto t = port->translate({sid, ssid, address, 1, false, false, false});
    return t.outcome.served() ? std::optional{t.address} : std::nullopt;
  }

  unsigned cmdq_log2{5};
  unsigned eventq_log2{5};
  Ram ram;
  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  hosted::Time time{schedule};
  std::unique_ptr<Smmu> smmu;
  std::unique_ptr<Port> port;
  std::uint64_t strtab{}, cmdq{}, eventq{};
  std::uint32_t prod{0}, cons{0};
};

} // namespace sluice::model::test
