#include <sluice/scenario/realm.hpp>

#include <algorithm>

// What becomes of the pages that devices wait for.
namespace sluice::scenario {

using iommu::PageResponse;

PageResponse Realm::serve_page(std::size_t index, bool write) {
  Cell& cell = *cells_[index];
  if (!cell.lock.take()) { // somebody is at it, and nobody may wait here
    return PageResponse::invalid;
  }
  const bool mapped = cell.mapped || map_held(index, true);
  const bool enough = mapped && (!write || cell.is.latest().writable);
  cell.lock.give();
  return enough ? PageResponse::served : PageResponse::invalid;
}

void Realm::on_page_requests(const iommu::PageRequestGroup& group) {
  PageResponse response = PageResponse::served;
  for (const iommu::PageRequest& page : group.pages) {
    const auto access = common_.witness.on_request(group, page);
    if (!access) {
      response = PageResponse::invalid;
      continue;
    }
    switch (access->choice % 8) {
    case 0: // late
    case 1: {
      const std::lock_guard guard{late_mutex_};
      late_.push_back({group.ticket, access->cell, page.write});
      return;
    }
    case 2:
      response = PageResponse::invalid;
      break;
    default:
      if (serve_page(access->cell, page.write) != PageResponse::served) {
        response = PageResponse::invalid;
      }
    }
  }
  static_cast<void>(domain_->unit().respond(group.ticket, response)); // unless it has ended meanwhile
}

bool Realm::answer_late() {
  Late late;
  {
    const std::lock_guard guard{late_mutex_};
    if (late_.empty()) {
      return false;
    }
    late = late_.front();
    late_.erase(late_.begin());
  }
  static_cast<void>(common_.driver.respond(late.ticket, serve_page(late.cell, late.write)));
  return true;
}

} // namespace sluice::scenario
