#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/hosted/free.hpp>
#include <sluice/hosted/memory.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/pagetable/page_table.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <vector>

namespace sluice::pagetable {

inline std::ostream& operator<<(std::ostream& out, const Config& c) {
  return out << "stage " << (c.stage == Stage::one ? 1 : 2) << ", " << arch::granule_size(c.granule) / 1024 << "K, "
             << c.input_bits << " -> " << c.output_bits << " bits" << (c.dirty ? ", dirty" : "")
             << (c.fwb ? ", FWB" : "");
}

namespace test {

using arch::Granule;
using base::Errc;

inline constexpr Prot rw = Prot::read | Prot::write;
inline constexpr std::uint64_t kib = 1 << 10;
inline constexpr std::uint64_t mib = 1 << 20;
inline constexpr std::uint64_t gib = 1 << 30;

struct RigConfig {
  bool coherent{true};
  std::size_t size{64 << 20};
  std::uint64_t bus_base{1ULL << 30};
};

// Memory and locks for tables, which fail the test if they are not given back.
class Rig {
public:
  explicit Rig(RigConfig config = {})
      : arena{{.size = config.size, .bus_base = config.bus_base}}, memory{arena, facts(config)}, sync{schedule} {}
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig() {
    sync.reclaim();
    EXPECT_EQ(memory.counts().live(), 0U) << "blocks leaked";
    EXPECT_EQ(arena.live_bytes(), 0U);
  }

  OwnedPageTable table(const Config& config) {
    auto made = make(memory, sync, config);
    EXPECT_TRUE(made.ok()) << config;
    return *std::move(made);
  }
  std::uint64_t tables_live() const { return memory.counts().dma_blocks; }

  hosted::FreeSchedule schedule;
  hosted::Arena arena;
  hosted::Memory memory;
  hosted::Sync sync;

private:
  static platform::MemoryFacts facts(const RigConfig& config) {
    platform::MemoryFacts facts;
    facts.coherent_walks = config.coherent;
    return facts;
  }
};

// Unmaps, and does with the gather what a driver does after its SYNC.
inline base::Progress unmap(PageTable& table, std::uint64_t iova, std::uint64_t size) {
  Gather gather;
  const auto progress = table.unmap(iova, size, gather);
  table.release(gather);
  return progress;
}

inline bool stopped(const base::Progress& progress, Errc error, std::uint64_t done = 0) {
  return progress.status == error && progress.done == done;
}
inline bool complete(const base::Progress& progress, std::uint64_t size) {
  return progress.ok() && progress.done == size;
}

// A table walk as DDI 0487 D8 describes it, from what CD or STE would say, written without the library's geometry.
class Walker {
public:
  Walker(const hosted::Arena& arena, const PageTable& table)
      : arena_{arena}, fields_{table.fields()}, two_{table.config().stage == Stage::two},
        granule_{table.config().granule}, page_shift_{granule_ == Granule::k4    ? 12U
                                                      : granule_ == Granule::k16 ? 14U
                                                                                 : 16U} {}
  virtual ~Walker() = default;

  struct Found {
    std::uint64_t descriptor{};
    std::uint64_t pa{};
    std::uint64_t leaf_size{};
    int level{};
    std::uint64_t at{}; // of the descriptor
  };
  // Nothing where hardware would raise F_TRANSLATION.
  std::optional<Found> walk(std::uint64_t address) const {
    if (address >> (64 - fields_.T0SZ) != 0) {
      return std::nullopt;
    }
    std::uint64_t at = fields_.TTB + 8 * (address >> first_shift());
    for (int level = first_level();; ++level) {
      const std::uint64_t d = read(at);
      const bool bit1 = (d & 2) != 0;
      if ((d & 1) == 0 || (level == 3 && !bit1)) {
        return std::nullopt;
      }
      if (level == 3 || !bit1) {
        const std::uint64_t size = 1ULL << shift(level);
        return Found{d, (bits(d) & ~(size - 1)) | (address & (size - 1)), size, level, at};
      }
      const std::uint64_t index = (address >> shift(level + 1)) & ((1ULL << (page_shift_ - 3)) - 1);
      at = (bits(d) & ~((1ULL << page_shift_) - 1)) + 8 * index;
    }
  }
  int first_level() const {
    if (two_) {
      return (granule_ == Granule::k4 ? 2 : 3) - fields_.S2SL0;
    }
    int level = 3;
    while (64 - fields_.T0SZ > shift(level - 1)) {
      --level;
    }
    return level;
  }
  unsigned first_shift() const { return shift(first_level()); }

protected:
  virtual std::uint64_t read(std::uint64_t bus) const {
    const auto at = arena_.at(bus, 8);
    EXPECT_TRUE(at.has_value()) << "a walk leaves RAM";
    return at ? static_cast<const base::DmaWord*>(*at)->load() : 0;
  }

  const hosted::Arena& arena_;

private:
  unsigned shift(int level) const { return page_shift_ + (page_shift_ - 3) * static_cast<unsigned>(3 - level); }
  std::uint64_t bits(std::uint64_t d) const {
    const std::uint64_t plain = d & 0x0000'ffff'ffff'f000;
    return granule_ == Granule::k64 ? (plain & ~0xf000ULL) | (d & 0xf000) << 36 : plain;
  }

  Fields fields_;
  bool two_;
  Granule granule_;
  unsigned page_shift_;
};

// A write by an SMMU with HD: 3.13. False where that is a permission fault.
inline bool write_through(const hosted::Arena& arena, const PageTable& table, std::uint64_t iova) {
  auto* const word = static_cast<base::DmaWord*>(*arena.at(Walker{arena, table}.walk(iova).value().at, 8));
  const std::uint64_t dbm = 1ULL << 51;
  const std::uint64_t bit = 1ULL << 7; // AP[2], or S2AP[1]
  std::uint64_t d = word->load();
  const bool writable = table.config().stage == Stage::one ? (d & bit) == 0 : (d & bit) != 0;
  return writable || ((d & dbm) != 0 && word->compare_exchange(d, d ^ bit));
}

// Every format with sizes that exercise each start level.
inline std::vector<Config> formats() {
  std::vector<Config> all;
  for (const auto stage : {Stage::one, Stage::two}) {
    for (const auto granule : {Granule::k4, Granule::k16, Granule::k64}) {
      for (const unsigned bits : {25U, 32U, 39U, 42U, 48U}) {
        all.push_back({.stage = stage, .granule = granule, .input_bits = bits, .output_bits = 48});
      }
    }
    all.push_back({.stage = stage, .granule = Granule::k64, .input_bits = 52, .output_bits = 52});
  }
  return all;
}

} // namespace test
} // namespace sluice::pagetable
