#include <sluice/scenario/realm.hpp>

#include <sluice/hosted/errc.hpp>
#include <sluice/machine/machine.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace sluice::scenario {

using base::Errc;
using base::Progress;

namespace {

class Visit {
public:
  explicit Visit(TryLock& lock) : lock_{lock}, inside_{lock.share()} {}
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() {
    if (inside_) {
      lock_.unshare();
    }
  }
  explicit operator bool() const { return inside_; }

private:
  TryLock& lock_;
  bool inside_;
};

} // namespace

std::string_view name(RealmKind kind) {
  constexpr std::array<std::string_view, 6> names{"identity", "blocked", "stage 1", "stage 2", "process", "guest"};
  return names.at(static_cast<std::size_t>(kind));
}

Realm::Realm(Common& common, const Options& options, std::uint32_t number)
    : common_{common}, options_{options}, number_{number} {
  for (std::size_t i = 0; i < cell_pages.size(); ++i) {
    cells_.push_back(std::make_unique<Cell>(common.moments));
  }
  if (options.kind == RealmKind::process) {
    make_space();
  }
  make_domain();
}

Realm::~Realm() { close(); }

std::string Realm::describe() const {
  return fmt::format("realm {} ({}{}{})", number_, name(options_.kind), options_.dirty ? ", dirty" : "",
                     options_.serves   ? ", serves"
                     : options_.shared ? ", shared ASID"
                                       : "");
}

void Realm::failed(const char* what, Errc error) {
  common_.findings.add(Rule::queues, fmt::format("{}: {} failed: {}", describe(), what, hosted::name(error)));
}

Progress Realm::put(std::size_t cell, const platform::DmaBlock& block, bool writable) {
  const std::uint64_t iova = common_.iova(cell);
  const std::uint64_t size = Common::size(cell);
  if (options_.kind == RealmKind::process) {
    using enum pagetable::Prot;
    return space_->map(iova, block.bus, size, writable ? read | write : read);
  }
  if (is_guest()) {
    return guest_->map(cell, block, writable);
  }
  return domain_->map(iova, block.bus, size, writable ? iommu::prot::read_write : iommu::prot::read);
}

Progress Realm::take(std::size_t cell) {
  const std::uint64_t iova = common_.iova(cell);
  const std::uint64_t size = Common::size(cell);
  if (is_guest()) {
    return guest_->unmap(cell);
  }
  return options_.kind == RealmKind::process ? space_->unmap(iova, size) : domain_->unmap(iova, size);
}

bool Realm::map_held(std::size_t index, bool writable) {
  Cell& cell = *cells_[index];
  if (cell.mapped || cell.deferred || ended_.load()) {
    return false;
  }
  const std::uint64_t size = Common::size(index);
  const auto block = common_.memory.alloc(size);
  if (!block) {
    failed("allocation", block.error());
    return false;
  }
  cell.block = *block;
  cell.owner = common_.new_owner();
  fill(cell.block, cell.owner, common_.iova(index), size);
  cell.cleared = common_.moments.next();
  cell.is.begin({.owner = cell.owner, .writable = writable});
  const Progress mapped = put(index, cell.block, writable);
  cell.is.end();
  cell.mapped = true;
  if (!mapped) {
    failed("map", mapped.error());
  }
  return true;
}

bool Realm::map(std::size_t index, bool writable) {
  const Holding held{*cells_[index]};
  return held && translates() && map_held(index, writable);
}

// Its memory, once nobody reaches it any more.
void Realm::give_back(std::size_t index) {
  Cell& cell = *cells_[index];
  if (cell.block.cpu != nullptr) {
    const std::string found =
        strange(cell.block, cell.owner, common_.iova(index), Common::size(index), common_.writers);
    if (!found.empty()) {
      common_.findings.add(Rule::bytes, fmt::format("{}: {}", describe(), found));
    }
    common_.memory.free(cell.block);
  }
  if (cell.deferred) {
    common_.deferred[index].fetch_sub(1);
  }
  cell.block = {};
  cell.mapped = cell.deferred = false;
}

bool Realm::unmap(std::size_t index) {
  Cell& cell = *cells_[index];
  const Holding held{cell};
  if (!held || !cell.mapped) {
    return false;
  }
  cell.is.begin({});
  const Progress taken = take(index);
  cell.is.end();
  if (!taken || taken.done != Common::size(index)) {
    failed("unmap", taken ? Errc::not_mapped : taken.error());
  }
  give_back(index);
  return true;
}

bool Realm::defer(std::size_t index) {
  Cell& cell = *cells_[index];
  const Holding held{cell};
  if (!held || !cell.mapped || options_.kind == RealmKind::process || is_guest()) {
    return false;
  }
  common_.deferred[index].fetch_add(1);
  cell.is.begin({});
  const auto taken = domain_->unmap_deferred(common_.iova(index), Common::size(index));
  cell.mapped = false;
  cell.deferred = true;
  cell.mark = taken.mark;
  if (!taken.progress) {
    failed("a deferred unmap", taken.progress.error());
  }
  confirm(index);
  return true;
}

// Deferred no more, if its mark has been passed.
void Realm::confirm(std::size_t index) {
  Cell& cell = *cells_[index];
  if (cell.deferred && (cell.mark == 0 || domain_->flushed() >= cell.mark)) {
    cell.is.end();
    give_back(index);
  }
}

bool Realm::flush() {
  const Visit visit{guests};
  if (!visit || !translates() || options_.kind == RealmKind::process || is_guest()) {
    return false;
  }
  if (const auto flushed = domain_->flush_unmaps(); !flushed) {
    failed("flush", flushed.error());
  }
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (const Holding held{*cells_[i]}) {
      confirm(i);
    }
  }
  return true;
}

void Realm::wrote(std::size_t cell, std::uint32_t owner, std::uint64_t moment) {
  cells_[cell]->written_owner.store(owner);
  cells_[cell]->written.store(moment);
}

bool Realm::read_dirty(bool clear) {
  if (!options_.dirty) {
    return false;
  }
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    Cell& cell = *cells_[i];
    const Holding held{cell};
    if (!held || !cell.mapped) {
      continue;
    }
    const bool written = cell.written_owner.load() == cell.owner && cell.written.load() > cell.cleared;
    std::array<std::uint64_t, cell_pages.back() / 64> words{};
    iommu::DirtyBitmap bitmap{common_.iova(i), 12, words};
    const auto read =
        domain_->read_dirty(common_.iova(i), Common::size(i), clear ? iommu::Clear::yes : iommu::Clear::no, bitmap);
    if (!read) {
      failed("reading dirty pages", read.error());
    }
    if (written && !bitmap.test(common_.iova(i))) {
      common_.findings.add(Rule::bytes, fmt::format("{}: a write to {:#x} is not among what was reported as dirty",
                                                    describe(), common_.iova(i)));
    }
    if (clear) {
      cell.cleared = common_.moments.next();
    }
  }
  return true;
}

bool Realm::serve(bool on) {
  const Visit visit{guests};
  if (!visit || !options_.serves) {
    return false;
  }
  for (std::size_t i = 0; i < (is_guest() ? 2 : 1); ++i) {
    if (const auto set = domain(i).set_page_request_handler(on ? this : nullptr); !set) {
      failed("setting a handler", set.error());
    }
  }
  return true;
}

} // namespace sluice::scenario
