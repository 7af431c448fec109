#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/base/result.hpp>
#include <sluice/pagetable/config.hpp>
#include <sluice/pagetable/gather.hpp>
#include <sluice/pagetable/prot.hpp>
#include <sluice/platform/memory.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>
#include <utility>

namespace sluice::pagetable {

// What a walk finds.
struct Translation {
  std::uint64_t pa{};
  std::uint64_t leaf_size{};
  int level{};
  Prot prot{};
  bool dirty{}; // of a table with Config::dirty: written through since it was mapped or last cleared
};

class DirtySink {
public:
  // A run of dirty leaves within the range that was asked for.
  virtual void dirty(std::uint64_t iova, std::uint64_t size) = 0;

protected:
  ~DirtySink() = default;
};

enum class Clear : std::uint8_t { no, yes };

// The translation table of one domain, for stage 1 (TTB0) or stage 2. Any thread may call any operation at any time;
// none takes a lock, and threads on disjoint ranges do not notice each other.
//
// Who cannot exclude that another thread works on an overlapping range meanwhile calls within a ReadSection of the
// table's Sync; one section may hold many calls. Then every leaf is what one of the callers stored, no table is lost or
// used after it was freed, and who finds the other's work gets an error. What does not exclude each other: two maps of
// one page that run at the same time may both report success; one of the two stays, and one unmap removes it.
//
// On return what was mapped is visible to the SMMU; nothing has to be invalidated for it, as invalid entries are never
// cached (3.21.1). What was unmapped cannot be reached by walks that begin afterwards; what the Gather says has to be
// invalidated, after a full_fence() if it is then looked up whom to tell.
//
// Errors of all range operations, which then have done nothing: invalid_argument (no size), unaligned (to the granule),
// overflow (iova + size or pa + size wraps), input_range.
class PageTable {
public:
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  // Uses blocks where alignment permits and no table is in the way. What was mapped before an error stays mapped.
  // Errors: output_range, no_permission (neither read nor write), which do nothing; already_mapped, no_memory.
  virtual base::Progress map(std::uint64_t iova, std::uint64_t pa, std::uint64_t size, Prot prot) = 0;

  // Errors: not_mapped; would_split (the range begins or ends inside a block, and the table was not made with
  // Config::resizes), no_memory (the block could not be split): everything before is unmapped.
  // A table whose whole range is unmapped by one call is detached; tables that are emptied piece by piece stay for use.
  virtual base::Progress unmap(std::uint64_t iova, std::uint64_t size, Gather& gather) = 0;
  // Ends a gather after its invalidation: its tables are freed once no other thread can be in them.
  void release(Gather& gather) {
    if (gather.resized_ != 0) [[unlikely]] {
      resizing_.fetch_sub(gather.resized_, base::Order::release);
    }
    if (Grave* const graves = gather.take_graves()) {
      end(graves, &PageTable::retire);
    }
    gather.clear();
  }
  // Ends a gather whose invalidation was not confirmed: its tables are freed with the page table.
  void keep(Gather& gather) {
    if (Grave* const graves = gather.take_graves()) {
      end(graves, &PageTable::keep);
    }
    gather.clear();
  }
  // Moves all of `from` to `into`, which is for this, release() and keep() from then on.
  static void absorb(Gather& into, Gather& from);

  // Errors: not_mapped, input_range.
  virtual base::Result<Translation> walk(std::uint64_t iova) const = 0;
  virtual base::Result<std::uint64_t> iova_to_phys(std::uint64_t iova) const = 0;

  // Reports the dirty leaves of a range and makes them clean; holes in it are passed over. What was cleared is added to
  // the gather: until it is invalidated, hardware may write through without marking again. A block that is only partly
  // in the range is reported but not cleared. Errors: unsupported (not made with Config::dirty).
  virtual base::Progress read_dirty(std::uint64_t iova, std::uint64_t size, Clear clear, DirtySink& sink,
                                    Gather& gather) = 0;

  // Splits the blocks of a range, also those that are only partly in it, into pages that map the same with the same
  // marks. Nothing is without its mapping meanwhile. Errors: unsupported (not made with Config::resizes), no_memory:
  // everything before is split.
  virtual base::Progress split(std::uint64_t iova, std::uint64_t size, Gather& gather) = 0;
  // The other way round for tables within the range whose leaves go on as one block of `level` would, and which nobody
  // changes at the same time. As hardware may be marking pages, such a block counts as dirty if it can be. `done` bytes
  // have been looked at; if that is not all and there is no error the gather is full, and the rest is for a next call.
  // Waits for read sections: not in one. Errors: unsupported, invalid_argument (also: no blocks of this level), busy
  // (another thread is merging), no_memory.
  virtual base::Progress merge(std::uint64_t iova, std::uint64_t size, int level, Gather& gather) = 0;
  // Off: map() uses pages only from then on.
  virtual void use_blocks(bool on) = 0;

  const Config& config() const { return config_; }
  const Fields& fields() const { return fields_; }

protected:
  PageTable(const Config& config, const Fields& fields) : config_{config}, fields_{fields} {}
  ~PageTable() = default;

  // Blocks split and tables merged whose gathers have not been released, the latter counted in the upper half. Until
  // then a TLB may have leaves of other sizes than memory, which match all the same: 3.21.1.3.
  static constexpr std::uint64_t one_split = 1;
  static constexpr std::uint64_t one_merge = std::uint64_t{1} << 32;
  base::Atomic<std::uint64_t> resizing_{0};

private:
  friend class OwnedPageTable;
  void end(Grave* graves, void (PageTable::*how)(Grave&));
  virtual void retire(Grave& grave) = 0;
  virtual void keep(Grave& grave) = 0;
  // No thread is in an operation and no SMMU walks the table any more.
  virtual void destroy() = 0;

  Config config_;
  Fields fields_;
};

class OwnedPageTable {
public:
  OwnedPageTable() = default;
  explicit OwnedPageTable(PageTable& table) : table_{&table} {}
  OwnedPageTable(OwnedPageTable&& other) noexcept : table_{std::exchange(other.table_, nullptr)} {}
  OwnedPageTable& operator=(OwnedPageTable&& other) noexcept {
    if (this != &other) {
      reset();
      table_ = std::exchange(other.table_, nullptr);
    }
    return *this;
  }
  ~OwnedPageTable() { reset(); }

  explicit operator bool() const { return table_ != nullptr; }
  PageTable* get() const { return table_; }
  PageTable* operator->() const { return table_; }
  PageTable& operator*() const { return *table_; }
  void reset() {
    if (auto* table = std::exchange(table_, nullptr)) {
      table->destroy();
    }
  }

private:
  PageTable* table_{};
};

// Memory and Sync outlive the table and whatever it retires. Errors: invalid_argument (a size that the format does not
// have), missing_feature (dirty without coherent walks), output_range (the port's memory is beyond the output size),
// no_memory.
base::Result<OwnedPageTable> make(platform::Memory& memory, platform::Sync& sync, const Config& config);

} // namespace sluice::pagetable
