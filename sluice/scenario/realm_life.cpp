#include <sluice/hosted/errc.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/scenario/realm.hpp>

#include <fmt/format.h>

// How realms begin, end, and begin anew.
namespace sluice::scenario {

using base::Progress;

void Realm::make_space() {
  pagetable::Config table;
  table.output_bits = 44; // the model's
  auto made = machine::AddressSpace::make(common_.platform, table);
  if (!made) {
    throw machine::DriverRefused{fmt::format("no address space: {}", hosted::name(made.error()))};
  }
  space_ = std::move(*made);
  if (options_.shared) {
    space_->run_on_processors(common_.new_asid(), *common_.broadcasts);
  }
  ended_.store(false);
}

// Its host's part is made anew more often than the guest.
void Realm::make_guest() {
  if (!guest_) {
    guest_ = std::make_unique<RealmGuest>(common_, options_.serves);
  }
  guest_->join();
  domain_ = &guest_->ste(0);
  set_handlers(true);
}

void Realm::make_domain() {
  auto& driver = common_.driver;
  if (is_guest()) {
    return make_guest();
  }
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
  for (std::size_t i = 0; i < (is_guest() ? 2 : 1); ++i) {
    domain(i).set_fault_handler(on ? &common_.witness : nullptr);
    if (options_.serves) {
      if (const auto set = domain(i).set_page_request_handler(on ? this : nullptr); !set) {
        failed("setting a handler", set.error());
      }
    }
  }
}

void Realm::end_domain() {
  set_handlers(false);
  if (is_guest()) {
    if (const auto left = guest_->leave(); !left) {
      failed("taking a guest's memory away", left.error());
    }
  } else if (translates()) {
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
  guest_.reset();
}

// Under a guest, which does not notice: no device of its is at work.
bool Realm::new_parent() {
  if (!guests.take()) {
    return false;
  }
  const bool all = hold_all();
  if (all) {
    end_domain();
    make_domain();
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const Cell& cell = *cells_[i];
      if (!cell.mapped) {
        continue;
      }
      if (const Progress given = guest_->give(i, cell.block, cell.is.latest().writable); !given) {
        failed("a guest's new memory", given.error());
      }
    }
    let_all_go();
  }
  guests.give();
  return all;
}

bool Realm::rebind() {
  if (is_guest()) {
    return new_parent();
  }
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
    guest_.reset();
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

} // namespace sluice::scenario
