#pragma once

#include <sluice/driver/smmu.hpp>
#include <sluice/machine/broadcasts.hpp>
#include <sluice/machine/client_memory.hpp>
#include <sluice/platform/platform.hpp>
#include <sluice/scenario/findings.hpp>
#include <sluice/scenario/timeline.hpp>
#include <sluice/scenario/witness.hpp>

#include <array>
#include <cstdint>
#include <vector>

namespace sluice::scenario {

// Pages of each cell: single ones, runs that are told by range and by page, and a block.
constexpr std::array<std::uint32_t, 8> cell_pages{1, 1, 1, 2, 4, 16, 64, 512};
constexpr std::uint64_t cell_page = 4096;
// The last word of a cell's first page is for writes, which say there who wrote; all others only are read.
constexpr std::uint64_t mailbox = cell_page - 8;
// Owners of writes, apart from those of memory: one for each target.
constexpr std::uint32_t first_writer = 1U << 23;

// Where the identity domain has a cell, and so everybody else.
struct Home {
  platform::DmaBlock block{};
  std::uint32_t owner{};
};

// What the parts of a long run share.
struct Common {
  driver::Smmu& driver;
  machine::ClientMemory& memory;
  platform::Platform platform;
  Moments& moments;
  Findings& findings;
  Witness& witness;
  std::array<Home, cell_pages.size()> homes{};
  // How many realms have a cell taken out of their tables and not told the SMMU of it.
  std::array<base::Atomic<std::uint32_t>, cell_pages.size()> deferred{};
  base::Atomic<std::uint32_t> owners{0};
  base::Atomic<std::uint32_t> asids{0};
  std::uint32_t writers{};                     // targets
  machine::Broadcasts* broadcasts{};           // of processors
  std::vector<std::uint32_t> guests_streams{}; // of devices that a guest may have

  std::uint64_t iova(std::size_t cell) const { return homes[cell].block.bus; }
  static std::uint64_t size(std::size_t cell) { return cell_pages[cell] * cell_page; }
  // Of a process, by its processors: low, where domains of stage 1 have theirs.
  std::uint16_t new_asid() { return static_cast<std::uint16_t>(asids.fetch_add(1) % 12 + 1); }
  std::uint32_t new_owner() { return owners.fetch_add(1) % (first_writer - 1) + 1; }
};

// Fills a cell's memory with what its owner has at `iova`: the first page and the last, which is all that accesses
// read.
void fill(const platform::DmaBlock& block, std::uint32_t owner, std::uint64_t iova, std::uint64_t size);
// What is in it that does not belong there, or nothing. `writers`: that there are.
std::string strange(const platform::DmaBlock& block, std::uint32_t owner, std::uint64_t iova, std::uint64_t size,
                    std::uint32_t writers);

} // namespace sluice::scenario
