#include <sluice/iommufd/backing.hpp>

#include <sluice/iommufd/memory_limit.hpp>
#include <sluice/iommufd/undo.hpp>

namespace sluice::iommufd {

std::shared_ptr<Backing> Backing::memory(Pages& pages, Charge charge, std::uint64_t user_va, std::uint64_t length,
                                         bool writable) {
  return std::shared_ptr<Backing>{new Backing{pages, charge, no_file, user_va, length, writable}};
}

std::shared_ptr<Backing> Backing::file(Pages& pages, Charge charge, int fd, std::uint64_t start, std::uint64_t length,
                                       bool writable) {
  Undo undo{[&] { pages.close(fd); }};
  auto* const made = new Backing{pages, charge, fd, start, length, writable};
  undo.keep();
  return std::shared_ptr<Backing>{made};
}

Backing::~Backing() {
  if (abandoned_ && window_) {
    pages_.abandon(window_.release());
  }
  if (fd_ != no_file) {
    pages_.close(fd_);
  }
}

std::uint64_t Backing::touched_pages() const {
  constexpr std::uint64_t page = 4096;
  return (start_ % page + length_ + page - 1) / page;
}

base::Result<std::uint64_t> Backing::pin(std::uint64_t iova) {
  if (!window_) {
    if (charge_.limit != nullptr && !charge_.limit->charge(touched_pages(), charge_.by_process)) {
      return base::Errc::no_memory;
    }
    Undo undo{[&] {
      if (charge_.limit != nullptr) {
        charge_.limit->release(touched_pages(), charge_.by_process);
      }
    }};
    const WindowPlace place{iova};
    auto window = fd_ == no_file ? pages_.map_memory(start_, length_, writable_, place)
                                 : pages_.map_file(fd_, start_, length_, writable_, place);
    if (!window) {
      return window.error();
    }
    window_.reset(*window);
    undo.keep();
  }
  ++pins_;
  return window_->address();
}

void Backing::unpin() {
  if (--pins_ != 0 || abandoned_) {
    return;
  }
  window_.reset();
  if (charge_.limit != nullptr) {
    charge_.limit->release(touched_pages(), charge_.by_process);
  }
}

} // namespace sluice::iommufd
