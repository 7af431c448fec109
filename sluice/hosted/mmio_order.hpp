#pragma once

#include <sluice/hosted/explorer.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

// How a machine hands an access to a register to its hardware. At once, but in the explore build, where a write takes
// place some time later: before those that follow and after what a fence kept in front of it.
namespace sluice::hosted {

template <class Write>
void mmio_store(Write write) {
#if defined(SLUICE_EXPLORE)
  if (auto* explorer = Explorer::current()) {
    return explorer->mmio_store(std::move(write));
  }
#endif
  write();
}

template <class Read>
auto mmio_load(Read read) {
#if defined(SLUICE_EXPLORE)
  if (auto* explorer = Explorer::current()) {
    return static_cast<decltype(read())>(explorer->mmio_load([&] { return std::uint64_t{read()}; }));
  }
#endif
  return read();
}

// What hardware does in the thread of software that calls it, as an endpoint without a thread of its own.
template <class Access>
void device_access(Access access) {
#if defined(SLUICE_EXPLORE)
  if (auto* explorer = Explorer::current()) {
    return explorer->as_device(access);
  }
#endif
  access();
}

// Memory is freed: its next owner is not to see stores of the last one.
inline void forget_stores([[maybe_unused]] const void* at, [[maybe_unused]] std::size_t size) {
#if defined(SLUICE_EXPLORE)
  if (auto* explorer = Explorer::current()) {
    explorer->forget(at, size);
  }
#endif
}

// Before hardware goes away that writes may still be on their way to.
inline void mmio_settle() {
#if defined(SLUICE_EXPLORE)
  if (auto* explorer = Explorer::current()) {
    explorer->settle();
  }
#endif
}

} // namespace sluice::hosted
