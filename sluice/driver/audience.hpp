#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/driver/config.hpp>
#include <sluice/platform/memory.hpp>
#include <sluice/platform/sync.hpp>

#include <span>

namespace sluice::driver {

// Who may hold translations of a domain: the StreamIDs and SubstreamIDs that it is attached to, sorted, in an array
// that map and unmap read without a lock. Attaching publishes a new array before the first entry is stored; detaching
// counts down in the array that is there, because it may not allocate. The next array leaves out what nobody uses.
class Audience {
public:
  struct Listener {
    StreamID sid{};
    std::uint32_t ssid{};
    base::Atomic<std::uint32_t> users{0};
  };
  class Array;

  Audience(platform::Memory& memory, platform::Sync& sync) : memory_{memory}, sync_{sync} {}
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;
  ~Audience();

  // With the unit's mutex held, from prepare to publish or abandon:
  // Room for `streams` more, after all that are prepared already: they are published in this order. Errors: no_memory.
  base::Result<Array*> prepare(std::size_t streams);
  void abandon(Array& array, std::size_t streams);
  // `streams` are sorted, each once.
  void publish(Array& array, std::span<const StreamID> streams, std::uint32_t ssid);
  // True if nobody is left.
  bool remove(std::span<const StreamID> streams, std::uint32_t ssid);

  // In a read section, after the change that they must learn of and a full_fence.
  std::span<const Listener> listeners() const;
  bool anybody() const;

private:
  platform::Memory& memory_;
  platform::Sync& sync_;
  base::Atomic<Array*> current_{nullptr};
  std::size_t prepared_{}; // streams between prepare and publish
};

} // namespace sluice::driver
