#include <sluice/driver/vdevices.hpp>

namespace sluice::driver {

using base::Order;

Vdevice::Vdevice(platform::Memory& from, Viommu& guest, StreamID real, StreamID guests)
    : memory{from}, viommu{guest}, sid{real}, vsid{guests} {
  free = [](platform::Retired& self) {
    auto& v = static_cast<Vdevice&>(self);
    platform::Owned<Vdevice>{v.memory, &v}.reset();
  };
}

Vdevice* Vdevices::find(StreamID vsid) const {
  Vdevice* v = first_[vsid % buckets].load(Order::acquire);
  while (v != nullptr && v->vsid != vsid) {
    v = v->next_in_bucket.load(Order::acquire);
  }
  return v;
}

void Vdevices::add(Vdevice& vdevice) {
  Link& first = first_[vdevice.vsid % buckets];
  vdevice.next_in_bucket.store(first.load(Order::relaxed), Order::relaxed);
  first.store(&vdevice, Order::release);
  ++count_;
}

void Vdevices::remove(Vdevice& vdevice) {
  Link* link = &first_[vdevice.vsid % buckets];
  while (link->load(Order::relaxed) != &vdevice) {
    link = &link->load(Order::relaxed)->next_in_bucket;
  }
  link->store(vdevice.next_in_bucket.load(Order::relaxed), Order::release);
  --count_;
}

} // namespace sluice::driver
