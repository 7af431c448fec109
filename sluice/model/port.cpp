#include <sluice/model/port.hpp>
#include <sluice/model/port_path.hpp>

namespace sluice::model {

namespace {

// Interrupts come after the port is offline again.
class Online {
public:
  explicit Online(PortCore& core) : core_{core} { core_.go_online(); }
  Online(const Online&) = delete;
  Online& operator=(const Online&) = delete;
  ~Online() {
    core_.go_offline();
    core_.deliver(edges);
  }

  Core::Recorded edges;

private:
  PortCore& core_;
};

} // namespace

Port::Port(Smmu& smmu) : core_{std::make_unique<PortCore>(*smmu.core_)} {}
Port::~Port() = default;

std::uint32_t Port::id() const { return core_->id(); }
PortCounters Port::counters() const { return core_->counters(); }
std::optional<Stages> Port::stages_of(const Request& request) const { return core_->stages_of(request); }

Audit Port::audit(std::span<const arch::Command> scope) {
  Online online{*core_};
  return core_->audit(scope);
}

Outcome Port::access(const Request& request, void* data) {
  Online online{*core_};
  return core_->access(request, data, online.edges);
}

Transfer Port::transfer(const Request& request, void* data, std::uint64_t size) {
  Online online{*core_};
  return core_->transfer(request, data, size, online.edges);
}

Outcome Port::follow_up(std::uint16_t stall, void* data) {
  Online online{*core_};
  return core_->follow_up(stall, data, online.edges);
}

RequestedTranslation Port::request_translation(const TranslationRequest& request) {
  Online online{*core_};
  return core_->request_translation(request, online.edges);
}

PageRequestFate Port::request_page(const PageRequest& request) {
  Online online{*core_};
  return core_->request_page(request, online.edges);
}

Translation Port::translate(const Request& request) {
  Online online{*core_};
  return core_->translate(request);
}

void Port::idle() {
  Online online{*core_};
  core_->idle();
}

Port::Burst::Burst(Port& port) : core_{*port.core_} { core_.go_online(); }
Port::Burst::~Burst() { core_.go_offline(); }

Outcome Port::Burst::access(const Request& request, void* data) { return core_.access_in_burst(request, data); }

Transfer Port::Burst::transfer(const Request& request, void* data, std::uint64_t size) {
  core_.quiesce();
  Core::Recorded edges;
  const Transfer t = core_.transfer(request, data, size, edges);
  core_.deliver(edges);
  return t;
}

Outcome Port::Burst::follow_up(std::uint16_t stall, void* data) {
  core_.quiesce();
  Core::Recorded edges;
  const Outcome outcome = core_.follow_up(stall, data, edges);
  core_.deliver(edges);
  return outcome;
}

Translation Port::Burst::translate(const Request& request) { return core_.translate_in_burst(request); }

RequestedTranslation Port::Burst::request_translation(const TranslationRequest& request) {
  core_.quiesce();
  Core::Recorded edges;
  const RequestedTranslation result = core_.request_translation(request, edges);
  core_.deliver(edges);
  return result;
}

Outcome Port::Burst::access_translated(const Request& request, void* data, std::optional<std::uint64_t> asked) {
  Core::Recorded edges;
  const Outcome outcome = core_.access_translated(request, data, asked, edges);
  core_.deliver(edges);
  return outcome;
}

void Port::Burst::pause() {
  core_.quiesce();
  core_.idle();
}

} // namespace sluice::model
