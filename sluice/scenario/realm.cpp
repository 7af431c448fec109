#include <sluice/scenario/realm.hpp>

#include <sluice/hosted/errc.hpp>
#include <sluice/machine/machine.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace sluice::scenario {

using base::Errc;
using base::Progress;

// Nobody else does anything with the cell meanwhile.
class Realm::Holding {
public:
  explicit Holding(Cell& cell) : cell_{cell.lock.take() ? &cell : nullptr} {}
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;
  ~Holding() {
    if (cell_ != nullptr) {
      cell_->lock.give();
    }
  }
  explicit operator bool() const { return cell_ != nullptr; }

private:
  Cell* cell_;
};

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
  constexpr std::array<std::string_view, 5> names{"identity", "blocked", "stage 1", "stage 2", "process"};
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
                     options_.serves ? ", serves" : "");
}

void Realm::failed(const char* what, Errc error) {
  common_.findings.add(Rule::queues, fmt::format("{}: {} failed: {}", describe(), what, hosted::name(error)));
}

void Realm::make_space() {
  pagetable::Config table;
  table.output_bits = 44; // the model's
  auto made = machine::AddressSpace::make(common_.platform, table);
  if (!made) {
    throw machine::DriverRefused{fmt::format("no address space: {}", hosted::name(made.error()))};
  }
  space_ = std::move(*made);
  ended_.store(false);
}

void Realm::make_domain() {
  auto& driver = common_.driver;
  if (!translates()) {
    domain_ = options_.kind == RealmKind::identity ? &driver.identity() : &driver.blocked();
    return set_handlers(true);
  }
  const auto stage = options_.kind == RealmKind::stage2 ? iommu::Stage::second : iommu::Stage::first;
  const auto made = options_.kind == RealmKind::process ? driver.make_sva(*space_)
                                                        : driver.make_paging({.stage = stage,
                                                                              .pasid = stage == iommu::Stage::first,
                                                                              .dirty = options_.dirty,
                                                                              .page_requests = options_.serves});
  if (!made) {
    throw machine::DriverRefused{fmt::format("no domain of {}: {}", describe(), hosted::name(made.error()))};
  }
  domain_ = *made;
  set_handlers(true);
  if (options_.dirty) {
    if (const auto on = domain_->set_dirty_tracking(true); !on) {
      failed("dirty tracking", on.error());
    }
  }
}

void Realm::set_handlers(bool on) {
  domain_->set_fault_handler(on ? &common_.witness : nullptr);
  if (options_.serves) {
    if (const auto set = domain_->set_page_request_handler(on ? this : nullptr); !set) {
      failed("common a handler", set.error());
    }
  }
}

void Realm::end_domain() {
  set_handlers(false);
  if (translates()) {
    if (const auto destroyed = domain_->destroy(); !destroyed) {
      failed("destroy", destroyed.error());
    }
  }
  domain_ = nullptr;
}

void Realm::close() {
  if (domain_ == nullptr) {
    return;
  }
  common_.driver.poll(); // events are read while their domains live
  end_domain();
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    give_back(i);
  }
  if (space_ && !ended_.load()) {
    static_cast<void>(space_->end());
  }
  space_.reset();
}

Progress Realm::put(std::size_t cell, const platform::DmaBlock& block, bool writable) {
  const std::uint64_t iova = common_.iova(cell);
  const std::uint64_t size = Common::size(cell);
  if (options_.kind == RealmKind::process) {
    using enum pagetable::Prot;
    return space_->map(iova, block.bus, size, writable ? read | write : read);
  }
  return domain_->map(iova, block.bus, size, writable ? iommu::prot::read_write : iommu::prot::read);
}

Progress Realm::take(std::size_t cell) {
  const std::uint64_t iova = common_.iova(cell);
  const std::uint64_t size = Common::size(cell);
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
  if (!held || !cell.mapped || options_.kind == RealmKind::process) {
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
  if (!visit || !translates() || options_.kind == RealmKind::process) {
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

bool Realm::rebind() {
  const Holding held{*cells_.front()}; // so that the process does not end meanwhile
  if (options_.kind != RealmKind::process || !held || ended_.load() || !guests.take()) {
    return false;
  }
  end_domain();
  make_domain();
  guests.give();
  return true;
}

bool Realm::hold_all() {
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (!cells_[i]->lock.take()) {
      while (i-- > 0) {
        cells_[i]->lock.give();
      }
      return false;
    }
  }
  return true;
}

void Realm::let_all_go() {
  for (const auto& cell : cells_) {
    cell->lock.give();
  }
}

bool Realm::rebirth() {
  if (!translates() || !guests.take()) {
    return false;
  }
  const bool all = hold_all();
  if (all) {
    for (const auto& cell : cells_) {
      if (!cell->deferred) { // else it has begun
        cell->is.begin({});
      }
    }
    if (space_ && !ended_.load()) {
      static_cast<void>(space_->end());
    }
    end_domain();
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      cells_[i]->is.end();
      give_back(i);
    }
    if (space_) {
      space_.reset();
      make_space();
    }
    make_domain();
    let_all_go();
  }
  guests.give();
  return all;
}

bool Realm::end_process() {
  if (options_.kind != RealmKind::process || !hold_all()) {
    return false;
  }
  const bool first = !ended_.exchange(true);
  if (first) {
    for (const auto& cell : cells_) {
      cell->is.begin({.gone = true});
    }
    if (const auto told = space_->end(); !told) {
      failed("the end of a process", told.error());
    }
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      cells_[i]->is.end();
      give_back(i);
    }
  }
  let_all_go();
  return first;
}

bool Realm::serve(bool on) {
  const Visit visit{guests};
  if (!visit || !options_.serves) {
    return false;
  }
  const auto set = domain_->set_page_request_handler(on ? this : nullptr);
  if (!set) {
    failed("common a handler", set.error());
  }
  return true;
}

} // namespace sluice::scenario
