#pragma once

#include <sluice/model/bus.hpp>

namespace sluice::machine {

// A bus in front of another: all goes on to that, but for what whoever derives from it takes for itself.
class ForwardingBus : public model::Bus {
public:
  explicit ForwardingBus(model::Bus& inner) : inner_{inner} {}

  bool read(const model::BusAccess& access, void* into) override { return inner_.read(access, into); }
  bool write(const model::BusAccess& access, const void* from) override { return inner_.write(access, from); }
  bool read64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& value) override {
    return inner_.read64(address, attributes, value);
  }
  bool compare_exchange64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& expected,
                          std::uint64_t desired) override {
    return inner_.compare_exchange64(address, attributes, expected, desired);
  }
  bool message(const model::BusAccess& access, std::uint32_t data) override { return inner_.message(access, data); }
  void pulse(model::Wire wire) final { inner_.pulse(wire); }
  void send_event() final { inner_.send_event(); }
  model::AtcAnswer invalidate_atc(const model::AtcInvalidation& invalidation) final {
    return inner_.invalidate_atc(invalidation);
  }
  bool atc_completed(std::uint32_t stream, std::uint8_t tag) final { return inner_.atc_completed(stream, tag); }
  void page_response(const model::PageResponse& response) final { inner_.page_response(response); }

protected:
  ~ForwardingBus() = default;
  model::Bus& inner_;
};

} // namespace sluice::machine
