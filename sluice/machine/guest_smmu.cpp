#include <sluice/machine/guest_smmu.hpp>

#include <sluice/hosted/scratch.hpp>
#include <sluice/machine/smmu_parts.hpp>

#include <ctime>

namespace sluice::machine {

namespace {

constexpr std::size_t stale_kept = 16;
// A driver that waits for a handshake looks again within microseconds, and what it waits for comes in bursts: so many
// turns without news before the poller takes naps.
constexpr unsigned busy_turns = 2000;
constexpr long nap_ns = 20'000;

void* frame_memory(hosted::Arena& ram, std::uint64_t at) {
  const auto found = ram.at(at, SharedFrame::bytes);
  if (!found || at % arch::page1 != 0) {
    throw hosted::SetupError{"the register frame has to lie in the guest's RAM, at a multiple of 64 KB"};
  }
  return *found;
}

} // namespace

// A register frame that looks at the ports' caches when invalidations have been completed.
class GuestSmmu::Auditor final : public platform::Mmio {
public:
  Auditor(platform::Mmio& inner, TlbiWatch& watch, model::Smmu& smmu) : inner_{inner}, watch_{watch}, smmu_{smmu} {}

  std::uint32_t read32(std::uint32_t offset) override {
    const std::uint32_t value = inner_.read32(offset);
    if (offset == arch::CMDQ_CONS::offset) {
      audit();
    }
    return value;
  }
  std::uint64_t read64(std::uint32_t offset) override { return inner_.read64(offset); }
  void write32(std::uint32_t offset, std::uint32_t value) override { inner_.write32(offset, value); }
  void write64(std::uint32_t offset, std::uint64_t value) override { inner_.write64(offset, value); }

  void add(CountedPort& port) { ports_.push_back(&port); }
  void fill(GuestSmmuAccount& account) const {
    account.audits = audits_;
    account.compared = compared_;
    account.stale = stale_;
    account.first_stale = first_;
  }

private:
  void audit() {
    const auto scope = watch_.take_completed(smmu_.counters().commands);
    if (scope.empty()) {
      return;
    }
    ++audits_;
    for (CountedPort* port : ports_) {
      const model::Audit found = port->audit(scope);
      compared_ += found.compared;
      stale_ += found.stale.size();
      for (const auto& s : found.stale) {
        if (first_.size() < stale_kept) {
          first_.push_back(s);
        }
      }
    }
  }

  platform::Mmio& inner_;
  TlbiWatch& watch_;
  model::Smmu& smmu_;
  std::vector<CountedPort*> ports_;
  std::uint64_t audits_{}, compared_{}, stale_{};
  std::vector<model::StaleTranslation> first_;
};

GuestSmmu::GuestSmmu(const GuestSmmuConfig& config, hosted::Port& port, GuestInterrupts& interrupts)
    : port_{port}, interrupts_{interrupts}, routes_{port.device_sync, port.time},
      bus_{port.arena, {config.frame, SharedFrame::bytes}, routes_, port.device_sync}, table_bus_{bus_, config.fault,
                                                                                                  [](std::uint64_t) {
                                                                                                    return true;
                                                                                                  }} {
  void* const memory = frame_memory(port.arena, config.frame);
  model_ = make_model({.features = config.features, .knobs = config.knobs}, table_bus_, port, 0);
  table_bus_.set_smmu(*model_);
  mmio_ = std::make_unique<Mmio>(*model_, interleave_);
  spoiled_ = std::make_unique<SpoiledMmio>(*mmio_, port.arena);
  watch_ = std::make_unique<TlbiWatch>(*spoiled_, port.arena, port.device_sync);
  census_ = std::make_unique<CommandCensus>(*watch_, port.arena);
  auditor_ = std::make_unique<Auditor>(*census_, *watch_, *model_);
  frame_ = std::make_unique<SharedFrame>(*auditor_, memory);
  if (config.fault == HostFault::tlbi || config.fault == HostFault::atc) {
    spoiled_->plant(config.fault == HostFault::tlbi ? CommandFault::tlbi : CommandFault::atc);
  }
}

GuestSmmu::~GuestSmmu() { stop(); }

void GuestSmmu::add(CountedPort& port, std::uint32_t stream) {
  auditor_->add(port);
  table_bus_.add_stream(stream);
}

void GuestSmmu::start() {
  poller_ = port_.schedule->start("frame", [this](const std::stop_token& stop) { poll(stop); });
  running_ = true;
}

void GuestSmmu::stop() {
  if (running_) {
    port_.schedule->finish(poller_);
    running_ = false;
  }
}

void GuestSmmu::poll(const std::stop_token& stop) {
  for (unsigned idle = 0; !stop.stop_requested();) {
    const bool signalled = signal();
    const bool news = frame_->poll() || signalled;
    idle = news ? 0 : idle + 1;
    if (idle > busy_turns) {
      const std::timespec nap{0, nap_ns};
      ::nanosleep(&nap, nullptr);
    } else {
      port_.time.relax();
    }
  }
}

// What an interrupt tells of is shown before it.
bool GuestSmmu::signal() {
  const GuestBus::Signals signals = bus_.take_signals();
  if (signals.none()) {
    return false;
  }
  frame_->poll();
  for (const auto wire :
       {model::Wire::event_queue, model::Wire::pri_queue, model::Wire::command_sync, model::Wire::global_error}) {
    if ((signals.wires >> static_cast<unsigned>(wire) & 1) != 0) {
      interrupts_.pulse(wire);
    }
  }
  for (const auto& message : signals.messages()) {
    if (!bus_.deliver(message)) {
      interrupts_.message(message.address, message.data);
    }
  }
  return true;
}

GuestSmmuAccount GuestSmmu::account() const {
  GuestSmmuAccount account{.model = model_->counters(),
                           .registers = model_->snapshot(),
                           .frame_writes = frame_->writes(),
                           .frame_strays = frame_->stray_writes(),
                           .bus_strays = bus_.strays(),
                           .spoiled = spoiled_->spoiled()};
  auditor_->fill(account);
  return account;
}

} // namespace sluice::machine
