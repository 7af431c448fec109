#include <sluice/iommufd/backing.hpp>

namespace sluice::iommufd {

std::shared_ptr<Backing> Backing::memory(Pages& pages, std::uint64_t user_va, std::uint64_t length, bool writable) {
  return std::shared_ptr<Backing>{new Backing{pages, no_file, user_va, length, writable}};
}

std::shared_ptr<Backing> Backing::file(Pages& pages, int fd, std::uint64_t start, std::uint64_t length, bool writable) {
  return std::shared_ptr<Backing>{new Backing{pages, fd, start, length, writable}};
}

Backing::~Backing() {
  if (abandoned_) {
    static_cast<void>(window_.release());
  }
  if (fd_ != no_file) {
    pages_.close(fd_);
  }
}

base::Result<std::uint64_t> Backing::pin(std::uint64_t iova) {
  if (!window_) {
    const WindowPlace place{iova};
    auto window = fd_ == no_file ? pages_.map_memory(start_, length_, writable_, place)
                                 : pages_.map_file(fd_, start_, length_, writable_, place);
    if (!window) {
      return window.error();
    }
    window_.reset(*window);
  }
  return window_->address();
}

} // namespace sluice::iommufd
