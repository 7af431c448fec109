#pragma once

#include <sluice/driver/config.hpp>
#include <sluice/platform/object.hpp>
#include <sluice/platform/sync.hpp>

#include <array>

namespace sluice::driver {

class SmmuDevice;
class Viommu;

// The StreamID that a guest knows a device by. Freed when nobody can be reading it any more.
struct Vdevice : platform::Retired {
  Vdevice(platform::Memory& from, Viommu& guest, StreamID real, StreamID guests);

  platform::Memory& memory;
  Viommu& viommu;
  const StreamID sid;
  const StreamID vsid;
  base::Atomic<Vdevice*> next_in_bucket{nullptr};
};

// Those of one guest, by the guest's StreamIDs. Changed with the unit's mutex held.
class Vdevices {
public:
  // In a read section or with the mutex held. Null: no such name.
  Vdevice* find(StreamID vsid) const;
  bool empty() const { return count_ == 0; }
  template <class Visit>
  void for_each(Visit visit) const {
    for (const Link& first : first_) {
      for (const Vdevice* v = first.load(base::Order::acquire); v != nullptr;
           v = v->next_in_bucket.load(base::Order::acquire)) {
        visit(*v);
      }
    }
  }

  void add(Vdevice& vdevice);
  // Who has found it may still be reading it.
  void remove(Vdevice& vdevice);

private:
  using Link = base::Atomic<Vdevice*>;
  static constexpr std::size_t buckets = 16;

  std::array<Link, buckets> first_{};
  std::size_t count_{};
};

} // namespace sluice::driver
