#include <sluice/scenario/guest_pages.hpp>

#include <sluice/base/atomic.hpp>
#include <sluice/hosted/scratch.hpp>

namespace sluice::scenario {

GuestPages::GuestPages(machine::ClientMemory& clients, platform::Memory& objects)
    : clients_{clients}, objects_{objects} {
  const auto block = clients.alloc(pages * page);
  if (!block) {
    throw hosted::SetupError("the machine has no memory left for a guest");
  }
  block_ = *block;
  for (std::uint64_t i = pages; i-- > 0;) {
    free_.push_back(i);
  }
}

base::Result<platform::DmaBlock> GuestPages::dma_alloc(std::size_t size, std::size_t align) {
  const std::lock_guard guard{mutex_};
  if (size > page || align > page || free_.empty()) {
    return base::Errc::no_memory;
  }
  const std::uint64_t at = free_.back() * page;
  free_.pop_back();
  auto* words = block_.as<base::DmaWord>() + at / 8;
  for (std::uint64_t i = 0; i < page / 8; ++i) {
    words[i].store(0, base::Order::relaxed);
  }
  return platform::DmaBlock{words, ipa + at, size};
}

void GuestPages::dma_free(platform::DmaBlock block) {
  const std::lock_guard guard{mutex_};
  free_.push_back((block.bus - ipa) / page);
}

} // namespace sluice::scenario
