#include <sluice/driver/audience.hpp>

namespace sluice::driver {

using base::Order;

void Audience::add(Listener& listener) {
  Listener* next = first_.load(Order::relaxed);
  listener.next_.store(next, Order::relaxed);
  listener.at_ = &first_;
  if (next != nullptr) {
    next->at_ = &listener.next_;
  }
  if (listener.has_atc()) {
    atcs_.store(atcs_.load(Order::relaxed) + 1, Order::relaxed);
  }
  first_.store(&listener, Order::release);
}

bool Audience::remove(Listener& listener) {
  Listener* next = listener.next_.load(Order::relaxed);
  if (next != nullptr) {
    next->at_ = listener.at_;
  }
  listener.at_->store(next, Order::release); // its own link stays for those who are at it
  if (listener.has_atc()) {
    atcs_.store(atcs_.load(Order::relaxed) - 1, Order::relaxed);
  }
  return !anybody();
}

} // namespace sluice::driver
