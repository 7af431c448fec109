#include <sluice/driver/audience.hpp>

#include <sluice/base/check.hpp>

#include <new>

namespace sluice::driver {

using base::Order;

class Audience::Array : public platform::Retired {
public:
  static base::Result<Array*> make(platform::Memory& memory, std::size_t capacity) {
    const std::size_t size = sizeof(Array) + capacity * sizeof(Listener);
    auto room = memory.alloc(size);
    if (!room) {
      return room.error();
    }
    return ::new (*room) Array{memory, size, capacity};
  }
  void destroy() {
    platform::Memory& memory = memory_;
    const std::size_t size = size_;
    this->~Array();
    memory.free(this, size);
  }

  std::span<Listener> all() { return {reinterpret_cast<Listener*>(this + 1), count_}; }
  void append(StreamID sid, std::uint32_t ssid, std::uint32_t users) {
    base::check(count_ < capacity_);
    Listener* l = ::new (reinterpret_cast<Listener*>(this + 1) + count_) Listener{sid, ssid};
    l->users.store(users, Order::relaxed);
    ++count_;
  }

private:
  Array(platform::Memory& memory, std::size_t size, std::size_t capacity)
      : memory_{memory}, size_{size}, capacity_{capacity} {
    free = [](platform::Retired& self) { static_cast<Array&>(self).destroy(); };
  }

  platform::Memory& memory_;
  std::size_t size_;
  std::size_t capacity_;
  std::size_t count_{};
};

Audience::~Audience() {
  if (Array* array = current_.load(Order::relaxed)) {
    array->destroy();
  }
}

namespace {
bool before(const Audience::Listener& l, StreamID sid, std::uint32_t ssid) {
  return l.sid != sid ? l.sid < sid : l.ssid < ssid;
}
} // namespace

base::Result<Audience::Array*> Audience::prepare(std::size_t streams) {
  Array* now = current_.load(Order::relaxed);
  auto made = Array::make(memory_, (now != nullptr ? now->all().size() : 0) + prepared_ + streams);
  if (made) {
    prepared_ += streams;
  }
  return made;
}

void Audience::abandon(Array& array, std::size_t streams) {
  prepared_ -= streams;
  array.destroy();
}

void Audience::publish(Array& array, std::span<const StreamID> streams, std::uint32_t ssid) {
  prepared_ -= streams.size();
  Array* now = current_.load(Order::relaxed);
  const std::span<Listener> old = now != nullptr ? now->all() : std::span<Listener>{};
  std::size_t i = 0;
  const auto keep_old = [&] {
    const std::uint32_t users = old[i].users.load(Order::relaxed);
    if (users != 0) {
      array.append(old[i].sid, old[i].ssid, users);
    }
    ++i;
  };
  for (const StreamID sid : streams) {
    while (i < old.size() && before(old[i], sid, ssid)) {
      keep_old();
    }
    const bool known = i < old.size() && old[i].sid == sid && old[i].ssid == ssid;
    array.append(sid, ssid, 1 + (known ? old[i].users.load(Order::relaxed) : 0));
    i += known ? 1 : 0;
  }
  while (i < old.size()) {
    keep_old();
  }
  current_.store(&array, Order::release);
  if (now != nullptr) {
    sync_.retire(*now);
  }
}

bool Audience::remove(std::span<const StreamID> streams, std::uint32_t ssid) {
  bool left = false;
  for (Listener& l : current_.load(Order::relaxed)->all()) {
    if (l.ssid == ssid) {
      for (const StreamID sid : streams) {
        if (l.sid == sid) {
          l.users.fetch_sub(1, Order::release);
        }
      }
    }
    left = left || l.users.load(Order::relaxed) != 0;
  }
  return !left;
}

std::span<const Audience::Listener> Audience::listeners() const {
  Array* array = current_.load(Order::acquire);
  return array != nullptr ? array->all() : std::span<Listener>{};
}

bool Audience::anybody() const {
  for (const Listener& l : listeners()) {
    if (l.users.load(Order::relaxed) != 0) {
      return true;
    }
  }
  return false;
}

} // namespace sluice::driver
