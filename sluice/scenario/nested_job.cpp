#include <sluice/scenario/nested_job.hpp>

#include <sluice/scenario/nested_parts.hpp>
#include <sluice/scenario/nested_verdict.hpp>
#include <sluice/scenario/run_length.hpp>
#include <sluice/scenario/verdict.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>

namespace sluice::scenario {

namespace {

constexpr std::string_view the_guest = "the guest: ";
constexpr std::size_t guest_threads = 2;
constexpr std::uint64_t report_every = 256; // steps
constexpr std::uint64_t plug_every = 16;
constexpr std::uint64_t restore_every = 64;
constexpr std::uint64_t new_parent_every = 128;
constexpr std::uint64_t turns_max = 1ULL << 40;

// One run, from machine to verdict.
class NestedJob {
public:
  explicit NestedJob(const NestedJobOptions& options);

  NestedJobReport run(const std::function<void(const MainJobProgress&)>& progress);

private:
  void add_streams();
  void add_stalling();
  std::vector<EventBook::Requester> requesters() const;
  void disturb(std::uint64_t step);
  void start_hostile();
  void stop_hostile();
  void change(const std::function<void(const MainJobProgress&)>& progress);
  bool goes_on(std::uint64_t now) const;
  void compare_counters();
  void look_at_host();
  void end_guest();

  NestedJobOptions options_;
  Findings findings_;
  hosted::Random random_;
  machine::Host host_;
  Descriptors descriptors_;
  std::unique_ptr<VirtualMachine> vm_;
  std::unique_ptr<machine::ClientMemory> memory_; // of the guest, for its devices
  platform::Owned<driver::Smmu> driver_;          // the guest's
  std::optional<Site> site_;
  std::vector<Stream> streams_;
  std::optional<EventBook> events_;
  std::unique_ptr<Changer> changer_;
  Team team_;
  iommu::Device* stalling_{};
  std::unique_ptr<StallTraffic> stalls_;
  hosted::ActorId stalls_actor_{};
  std::unique_ptr<VirtualMachine> other_;
  std::unique_ptr<HostileGuest> hostile_;
  hosted::ActorId hostile_actor_{};
  std::uint64_t begin_ns_{};
  std::uint64_t parent_due_{new_parent_every}; // step from which the guest's memory is to have another HWPT
  NestedJobReport report_;
};

NestedJob::NestedJob(const NestedJobOptions& options)
    : options_{options}, random_{options.seed}, host_{nested::host(options)},
      descriptors_{host_}, vm_{std::make_unique<VirtualMachine>(host_, descriptors_, nested::guest(options))},
      memory_{std::make_unique<machine::ClientMemory>(vm_->arena)}, driver_{nested::make_driver(*vm_)},
      team_{*host_.port().schedule, findings_} {
  site_.emplace(
      Site{*driver_, host_.hardware(0), *memory_, host_.port().time, host_.port().schedule->seeded(), false, true});
  add_streams();
  events_.emplace(requesters(), findings_);
  changer_ = std::make_unique<Changer>(*site_, streams_, *events_, random_.fork(), findings_);
  add_stalling();
}

// The guest's last device.
void NestedJob::add_stalling() {
  const std::size_t last = vm_->devices() - 1;
  const auto device = driver_->add(&vm_->function(last), std::span{&nested::stalling_stream, 1}, {.may_stall = true});
  if (!device) {
    throw machine::DriverRefused{"the guest's driver refuses a device that may stall"};
  }
  stalling_ = *device;
  stalls_ = std::make_unique<StallTraffic>(
      *driver_, **device, host_.hardware(0), host_.engine(vm_->device(last).engine).stream(), *memory_,
      [this] { return vm_->disturbances(); }, random_.fork(), findings_);
}

void NestedJob::add_streams() {
  const auto targets = nested::targets();
  streams_ = std::vector<Stream>(targets.size());
  std::map<unsigned, iommu::Device*> known;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const nested::Target& t = targets[i];
    if (!known.contains(t.device)) {
      const auto device = driver_->add(&vm_->function(t.device), std::span{&t.stream, 1});
      if (!device) {
        throw machine::DriverRefused{fmt::format("the guest's driver refuses StreamID {:#x}", t.stream)};
      }
      known[t.device] = *device;
    }
    pcie::CopyEngine& engine = host_.engine(vm_->device(t.device).engine);
    if (t.context) {
      engine.set_context(*t.context, t.target.value());
    }
    streams_[i].index = i;
    streams_[i].endpoint = {&engine, known[t.device], t.stream, t.target, t.context};
  }
}

std::vector<EventBook::Requester> NestedJob::requesters() const {
  std::vector<EventBook::Requester> all;
  for (const Stream& stream : streams_) {
    all.emplace_back(stream.endpoint.stream, stream.endpoint.target);
  }
  return all;
}

void NestedJob::start_hostile() {
  if (!options_.hostile) {
    return;
  }
  other_ = std::make_unique<VirtualMachine>(host_, descriptors_, nested::hostile());
  const Engine engine{&host_.engine(other_->device(0).engine), nullptr, nested::hostile_stream};
  hostile_ = std::make_unique<HostileGuest>(*other_, engine, host_.hardware(0), host_.port().time, random_.fork(),
                                            options_.storm.has_value());
  hostile_actor_ =
      host_.port().schedule->start("hostile guest", [this](const std::stop_token& stop) { hostile_->run(stop); });
}

void NestedJob::stop_hostile() {
  if (!hostile_) {
    return;
  }
  if (!host_.port().schedule->finish(hostile_actor_)) {
    findings_.add(Rule::queues, "the hostile guest hangs");
  }
  report_.hostile = hostile_->counts();
  report_.other = other_->counters();
  hostile_.reset();
  other_.reset();
}

bool NestedJob::goes_on(std::uint64_t now) const {
  const std::uint64_t replaced = changer_->counts().replaced_in_all();
  const bool enough = options_.changes != 0 && replaced >= options_.changes;
  const double elapsed = static_cast<double>(now - begin_ns_) * 1e-9;
  const bool late = !options_.seeded && long_enough(elapsed, options_.seconds, replaced);
  return !enough && !late && !findings_.any();
}

void NestedJob::change(const std::function<void(const MainJobProgress&)>& progress) {
  for (std::uint64_t step = 0; step < turns_max; ++step) {
    const std::uint64_t now = host_.port().time.now_ns();
    if (!goes_on(now)) {
      return;
    }
    if (progress && step % report_every == 0) {
      progress({static_cast<double>(now - begin_ns_) * 1e-9, changer_->counts().replaced_in_all(),
                changer_->counts().unmaps, team_.moved()});
    }
    disturb(step);
    changer_->step();
  }
}

// What a monitor may do while its guest runs.
void NestedJob::disturb(std::uint64_t step) {
  if (step % plug_every == 0) {
    vm_->plug_memory();
  }
  if (step % restore_every == restore_every / 2) {
    vm_->save_and_restore();
  }
  if (step >= parent_due_ && changer_->nothing_probed()) { // an event that is awaited has to find its guest
    vm_->replace_parent();
    parent_due_ = step + new_parent_every;
  }
}

// The guest's driver and its SMMU.
void NestedJob::compare_counters() {
  const driver::Counters driver = driver_->counters();
  report_.guest = vm_->counters();
  report_.commands = {driver.commands, report_.guest.commands};
  report_.syncs = {driver.syncs, report_.guest.syncs};
  report_.events = {driver.events, report_.guest.events};
  report_.events_expected = events_->expected();
  report_.events_unexpected = events_->unexpected();
  judge_counts(findings_, {{"commands", report_.commands}, {"SYNCs", report_.syncs}, {"events", report_.events}},
               the_guest);
  judge_events(findings_, driver, report_.guest.events_discarded + report_.guest.losses,
               events_->expected() + events_->unexpected() + driver.page_requests.groups + driver.page_requests.refused,
               the_guest);
  judge_queues(findings_, Rule::queues, driver, report_.guest.command_errors, 0, the_guest);
  if (report_.guest.refused + report_.guest.failed != 0) {
    findings_.add(Rule::queues, fmt::format("the host refused {} STEs of the guest's, and could not place {}",
                                            report_.guest.refused, report_.guest.failed));
  }
}

// Whatever its guests do, the host goes on.
void NestedJob::look_at_host() {
  const machine::Account account = host_.account();
  report_.host = account.smmus.front().driver;
  report_.hardware = account.smmus.front().model;
  report_.spoiled = account.smmus.front().spoiled;
  const driver::Counters& h = report_.host;
  judge_queues(findings_, Rule::host, h, report_.hardware.command_errors, h.event_overflows, "the host: ");
  if (h.changes_disruptive != 0) {
    findings_.add(Rule::hitless, fmt::format("{} changes of the host's were disruptive", h.changes_disruptive));
  }
  if (h.commands != report_.hardware.commands && report_.spoiled == 0) {
    findings_.add(Rule::host, fmt::format("the host's driver sent {} commands, its SMMU has consumed {}", h.commands,
                                          report_.hardware.commands));
  }
}

void NestedJob::end_guest() {
  static_cast<void>(driver_->remove(*stalling_));
  for (Stream& stream : streams_) {
    if (stream.endpoint.target.is_rid()) {
      static_cast<void>(driver_->remove(*stream.endpoint.device));
    }
  }
  driver_.reset();
  vm_->sync.reclaim();
  const auto counts = vm_->memory.counts();
  machine::Remains guests;
  guests.client_bytes = memory_->live_bytes();
  guests.driver_dma = counts.dma_bytes;
  guests.driver_plain = counts.plain_bytes;
  guests.driver_blocks = counts.live();
  judge_remains(findings_, guests, the_guest);
  report_.plugged = vm_->plugged();
  report_.parents_replaced = vm_->parents_replaced();
  report_.restored = vm_->restored();
  vm_.reset();
}

NestedJobReport NestedJob::run(const std::function<void(const MainJobProgress&)>& progress) {
  changer_->attach_all();
  start_hostile();
  begin_ns_ = host_.port().time.now_ns();
  team_.start(*site_, streams_, guest_threads, *events_, random_);
  stalls_actor_ =
      host_.port().schedule->start("stalling device", [this](const std::stop_token& stop) { stalls_->run(stop); });
  change(progress);
  if (!host_.port().schedule->finish(stalls_actor_)) {
    findings_.add(Rule::stalls, "the device that waits hangs");
  }
  report_.stalls = stalls_->counts();
  report_.traffic = team_.stop();
  report_.seconds = static_cast<double>(host_.port().time.now_ns() - begin_ns_) * 1e-9;
  stop_hostile();
  changer_->finish();
  report_.changes = changer_->counts();
  team_.clear(); // and their ports
  const bool cut_short = findings_.any();
  compare_counters();
  changer_.reset();
  stalls_.reset();
  end_guest();
  look_at_host();
  report_.remains = host_.tear_down();
  judge_remains(findings_, report_.remains, "the host: ");
  if (!cut_short) {
    judge_work(report_, options_.hostile, findings_);
  }
  report_.checks = cut_short ? checks_of(findings_, {Rule::stale, Rule::software, Rule::work})
                             : checks_of(findings_, {Rule::stale, Rule::software});
  report_.seed = options_.seed;
  report_.seeded = options_.seeded;
  return report_;
}

} // namespace

NestedJobReport run_nested_job(const NestedJobOptions& options,
                               const std::function<void(const MainJobProgress&)>& progress) {
  return NestedJob{options}.run(progress);
}

} // namespace sluice::scenario
