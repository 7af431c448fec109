#include <sluice/differential/ours.hpp>

#include <sluice/base/check.hpp>

#include <cstring>

namespace sluice::differential {

// All that the model sees.
class Ours::Image final : public model::Bus {
public:
  explicit Image(Ram& ram) : ram_{ram} {}

  void begin(Answer& answer, const Overlay& overlay) {
    answer_ = &answer;
    overlay_ = &overlay;
  }
  void end() { answer_ = nullptr; }

  bool read(const model::BusAccess& a, void* into) override {
    const bool clients = a.initiator.stream != model::Initiator::smmu_itself;
    if (!reachable(a.address, clients)) {
      return false;
    }
    std::memcpy(into, ram_.at(a.address), a.size);
    return true;
  }
  bool write(const model::BusAccess& a, const void* from) override {
    if (a.initiator.stream == model::Initiator::smmu_itself) {
      base::check(area::is_ram(a.address));
      std::memcpy(ram_.at(a.address), from, a.size);
      return true;
    }
    answer_->strayed = answer_->strayed || (area::is_ram(a.address) && !area::is_target(a.address));
    return reachable(a.address, true);
  }
  bool read64(std::uint64_t address, const model::Attributes&, std::uint64_t& value) override {
    if (!reachable(address, false)) {
      return false;
    }
    value = ram_.get(address);
    if (answer_ != nullptr) {
      const auto changed = overlay_->find(address);
      value = changed != overlay_->end() ? changed->second : value;
      answer_->fetches.push_back({address, value});
    }
    return true;
  }
  bool compare_exchange64(std::uint64_t, const model::Attributes&, std::uint64_t&, std::uint64_t) override {
    return false; // neither has HTTU
  }
  bool message(const model::BusAccess&, std::uint32_t) override { return false; }
  void pulse(model::Wire) override {}

private:
  bool reachable(std::uint64_t address, bool clients) {
    if (answer_ == nullptr) {
      return area::is_ram(address);
    }
    if (clients) {
      answer_->pa = address;
    }
    answer_->strayed = answer_->strayed || (!area::is_ram(address) && !area::is_hole(address));
    return area::is_ram(address);
  }

  Ram& ram_;
  Answer* answer_{};
  const Overlay* overlay_{};
};

class Ours::Frame final : public platform::Mmio {
public:
  explicit Frame(model::Smmu& smmu) : smmu_{smmu} {}

  std::uint32_t read32(std::uint32_t offset) override { return static_cast<std::uint32_t>(smmu_.read(offset, 4)); }
  void write32(std::uint32_t offset, std::uint32_t value) override { smmu_.write(offset, 4, value); }
  std::uint64_t read64(std::uint32_t offset) override { return smmu_.read(offset, 8); }
  void write64(std::uint32_t offset, std::uint64_t value) override { smmu_.write(offset, 8, value); }

private:
  model::Smmu& smmu_;
};

Ours::Ours(const model::Features& features, const model::Knobs& knobs, Ram& ram)
    : image_{std::make_unique<Image>(ram)} {
  auto made = model::Smmu::make(features, knobs, *image_, sync_, time_);
  base::check(made.ok());
  smmu_ = std::move(*made);
  frame_ = std::make_unique<Frame>(*smmu_);
  software_ = std::make_unique<Frontend>(*frame_, ram, area::queues + 0x1'0000);
  port_ = std::make_unique<model::Port>(*smmu_);
  software_->start();
}

Ours::~Ours() = default;

Answer Ours::run(const Case& c, const Overlay& overlay) {
  Answer answer;
  image_->begin(answer, overlay);
  software_->prepare(c);
  std::uint32_t data = c.write ? marker : 0;
  // A PCIe transaction without a PASID is data and unprivileged (3.14).
  answer.outcome = port_->access({c.stream_id, {}, c.iova, sizeof data, c.write, false, false}, &data);
  image_->end();
  answer.seen.events = software_->events();
  const bool arrived = answer.outcome.served();
  if (c.write) {
    answer.seen.landed = arrived ? answer.pa : std::nullopt;
  } else {
    answer.seen.value = arrived ? data : 0;
  }
  return answer;
}

} // namespace sluice::differential
