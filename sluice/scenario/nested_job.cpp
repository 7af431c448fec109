#include <sluice/scenario/nested_job.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

namespace sluice::scenario {

namespace {

constexpr std::size_t guest_threads = 2;
// The guest's names for its devices: in one leaf of its stream table and in others, and none the host's.
constexpr std::array<std::uint32_t, 4> guest_streams{0x100, 0x101, 0x1ff, 0x3402};
constexpr std::uint32_t hostile_stream = 0x12;

// What its devices can do, and the PASIDs that they work with, as contexts 0, 1, ... of their engines.
struct Ability {
  bool ats{};
  std::array<std::uint32_t, 2> pasids{}; // 0: none
};
constexpr std::array<Ability, guest_streams.size()> abilities{Ability{}, Ability{false, {1, 77}}, Ability{true, {}},
                                                              Ability{true, {1, 300}}};
constexpr unsigned pasid_bits = 9;

constexpr std::uint64_t report_every = 256; // steps
constexpr std::uint64_t plug_every = 16;
constexpr std::uint64_t restore_every = 64;
constexpr std::uint64_t new_parent_every = 128;
constexpr std::uint64_t turns_max = 1ULL << 40;

machine::HostConfig host_for(const NestedJobOptions& options) {
  machine::HostConfig config;
  config.fault = options.fault;
  machine::SmmuConfig& smmu = config.smmus.emplace_back();
  smmu.driver.stream_bits = 16;
  smmu.features.ats = true;
  smmu.features.substreamid_bits = 16;
  config.port.arena.size = 32 << 20;
  for (std::uint8_t device = 1; device <= guest_streams.size() + 1; ++device) {
    // The hostile guest's has everything.
    const Ability ability = device <= abilities.size() ? abilities.at(device - 1U) : Ability{true, {1, 2}};
    machine::EngineConfig& engine = config.engines.emplace_back();
    engine.address.device = device;
    engine.show_pasid = true;
    engine.engine.ats.capabilities.ats = ability.ats;
    if (ability.pasids[0] != 0) {
      engine.engine.ats.capabilities.pasid_bits = pasid_bits;
      engine.engine.contexts = ability.pasids.size();
    }
  }
  if (options.seeded) {
    config.port.seeded.emplace().seed = options.seed;
  }
  return config;
}

VirtualMachine::Config guest_config() {
  VirtualMachine::Config config;
  for (unsigned i = 0; i < guest_streams.size(); ++i) {
    config.devices.push_back({i, guest_streams[i]});
  }
  return config;
}

VirtualMachine::Config hostile_config() {
  VirtualMachine::Config config;
  config.name = "hostile guest";
  config.ram = 2 << 20;
  config.devices.push_back({guest_streams.size(), hostile_stream});
  config.own.command_queue_log2 = 6;
  return config;
}

driver::Config driver_config() {
  driver::Config config;
  config.event_wire = {true, GuestLines::line(vsmmu::Wire::event_queue)};
  config.gerror_wire = {true, GuestLines::line(vsmmu::Wire::global_error)};
  config.stream_bits = 16;
  return config;
}

std::size_t stream_count() {
  std::size_t count = 0;
  for (const Ability& ability : abilities) {
    count += 1 + static_cast<std::size_t>(std::count_if(ability.pasids.begin(), ability.pasids.end(),
                                                        [](std::uint32_t pasid) { return pasid != 0; }));
  }
  return count;
}

platform::Owned<driver::Smmu> make_driver(VirtualMachine& vm) {
  auto made = driver::Smmu::make(vm.platform(), vm.frame(), driver_config());
  if (!made) {
    throw machine::DriverRefused{"the driver does not come up on the virtual SMMU"};
  }
  return std::move(*made);
}

// One run, from machine to verdict.
class NestedJob {
public:
  explicit NestedJob(const NestedJobOptions& options);

  NestedJobReport run(const std::function<void(const MainJobProgress&)>& progress);

private:
  void add_streams(std::size_t device, iommu::Device& known);
  std::vector<EventBook::Requester> requesters() const;
  void disturb(std::uint64_t step);
  void start_hostile();
  void stop_hostile();
  void change(const std::function<void(const MainJobProgress&)>& progress);
  bool goes_on(std::uint64_t now) const;
  void compare_counters();
  void look_at_host();
  void end_guest();
  void judge_work();

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
  std::size_t added_{}; // of them
  std::optional<EventBook> events_;
  std::unique_ptr<Changer> changer_;
  Team team_;
  std::unique_ptr<VirtualMachine> other_;
  std::unique_ptr<HostileGuest> hostile_;
  hosted::ActorId hostile_actor_{};
  std::uint64_t begin_ns_{};
  std::uint64_t parent_due_{new_parent_every}; // step from which the guest's memory is to have another HWPT
  NestedJobReport report_;
};

NestedJob::NestedJob(const NestedJobOptions& options)
    : options_{options}, random_{options.seed}, host_{host_for(options)},
      descriptors_{host_}, vm_{std::make_unique<VirtualMachine>(host_, descriptors_, guest_config())},
      memory_{std::make_unique<machine::ClientMemory>(vm_->arena)}, driver_{make_driver(*vm_)},
      team_{*host_.port().schedule, findings_} {
  site_.emplace(
      Site{*driver_, host_.hardware(0), *memory_, host_.port().time, host_.port().schedule->seeded(), false, true});
  std::vector<iommu::Device*> known;
  for (std::size_t i = 0; i < guest_streams.size(); ++i) {
    const auto device = driver_->add(&vm_->function(i), std::span{&guest_streams.at(i), 1});
    if (!device) {
      throw machine::DriverRefused{fmt::format("the guest's driver refuses StreamID {:#x}", guest_streams.at(i))};
    }
    known.push_back(*device);
  }
  streams_ = std::vector<Stream>(stream_count());
  for (std::size_t i = 0; i < known.size(); ++i) {
    add_streams(i, *known[i]);
  }
  events_.emplace(requesters(), findings_);
  changer_ = std::make_unique<Changer>(*site_, streams_, *events_, random_.fork(), findings_);
}

// First what has no PASID, so that each device has a domain when its PASIDs get theirs.
void NestedJob::add_streams(std::size_t device, iommu::Device& known) {
  pcie::CopyEngine& engine = host_.engine(vm_->device(device).engine);
  const auto add = [&](iommu::Target target, std::optional<unsigned> context) {
    Stream& stream = streams_.at(added_);
    stream.index = added_++;
    stream.endpoint = {&engine, &known, guest_streams.at(device), target, context};
  };
  add({}, {});
  const auto& pasids = abilities.at(device).pasids;
  for (unsigned context = 0; context < pasids.size() && pasids.at(context) != 0; ++context) {
    engine.set_context(context, pasids.at(context));
    add(iommu::Target::pasid(pasids.at(context)), context);
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
  other_ = std::make_unique<VirtualMachine>(host_, descriptors_, hostile_config());
  const Engine engine{&host_.engine(other_->device(0).engine), nullptr, hostile_stream};
  hostile_ = std::make_unique<HostileGuest>(*other_, engine, host_.hardware(0), host_.port().time, random_.fork());
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
  const bool enough = options_.changes != 0 && changer_->counts().replaced_in_all() >= options_.changes;
  const bool late = !options_.seeded && static_cast<double>(now - begin_ns_) * 1e-9 >= options_.seconds;
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
  for (const auto& [what, sides] : {std::pair{"commands", report_.commands}, std::pair{"SYNCs", report_.syncs},
                                    std::pair{"events", report_.events}}) {
    if (sides.driver != sides.smmu) {
      findings_.add(Rule::counts,
                    fmt::format("{}: the guest's driver counts {}, its SMMU {}", what, sides.driver, sides.smmu));
    }
  }
  if (driver.events != events_->expected() + events_->unexpected()) {
    findings_.add(Rule::quiet, fmt::format("the guest's driver read {} events and handed on {}", driver.events,
                                           events_->expected() + events_->unexpected()));
  }
  if (report_.guest.events_discarded + report_.guest.losses + driver.event_overflows != 0) {
    findings_.add(Rule::quiet, fmt::format("{} events of the guest's were lost, and {} times some on their way to it",
                                           report_.guest.events_discarded, report_.guest.losses));
  }
  if (driver.timeouts + driver.command_errors + report_.guest.command_errors + driver.global_errors != 0) {
    findings_.add(Rule::queues, fmt::format("the guest: {} waits ran out, {} commands were in error, {} global errors",
                                            driver.timeouts, report_.guest.command_errors, driver.global_errors));
  }
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
  if (h.timeouts + h.command_errors + report_.hardware.command_errors + h.global_errors + h.event_overflows != 0) {
    findings_.add(Rule::host,
                  fmt::format("{} waits ran out, {} commands were in error, {} global errors, {} overflows", h.timeouts,
                              report_.hardware.command_errors, h.global_errors, h.event_overflows));
  }
  if (h.changes_disruptive != 0) {
    findings_.add(Rule::hitless, fmt::format("{} changes of the host's were disruptive", h.changes_disruptive));
  }
  if (h.commands != report_.hardware.commands && report_.spoiled == 0) {
    findings_.add(Rule::host, fmt::format("the host's driver sent {} commands, its SMMU has consumed {}", h.commands,
                                          report_.hardware.commands));
  }
}

void NestedJob::end_guest() {
  for (Stream& stream : streams_) {
    if (stream.endpoint.target.is_rid()) {
      static_cast<void>(driver_->remove(*stream.endpoint.device));
    }
  }
  driver_.reset();
  vm_->sync.reclaim();
  const auto counts = vm_->memory.counts();
  const std::uint64_t left = memory_->live_bytes();
  if (left + counts.dma_bytes + counts.plain_bytes + counts.live() != 0) {
    findings_.add(Rule::leaks, fmt::format("in the guest {} bytes of its devices' memory, {} bytes of tables and "
                                           "queues and {} bytes of objects are left",
                                           left, counts.dma_bytes, counts.plain_bytes));
  }
  report_.plugged = vm_->plugged();
  report_.parents_replaced = vm_->parents_replaced();
  report_.restored = vm_->restored();
  vm_.reset();
}

// A run that did nothing would hold every rule.
void NestedJob::judge_work() {
  const auto missing = [&](Kind from, Kind to) {
    if (report_.changes.replaced[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)] == 0) {
      findings_.add(Rule::work, fmt::format("{} was never replaced by {}", name(from), name(to)));
    }
  };
  missing(Kind::stage1, Kind::stage1);
  missing(Kind::stage1, Kind::identity);
  missing(Kind::identity, Kind::stage1);
  missing(Kind::stage1, Kind::process);
  missing(Kind::process, Kind::stage1);
  missing(Kind::process, Kind::process);
  const ChangeCounts& c = report_.changes;
  if (report_.traffic.during == 0 || report_.traffic.refused == 0 || c.unmaps == 0 || c.reborn == 0) {
    findings_.add(Rule::work,
                  "no access met a change, nothing was unmapped and read again, or no domain was made anew");
  }
  if (report_.traffic.refused_ats == 0 || report_.hardware.atc_invalidations == 0 || report_.parents_replaced == 0 ||
      report_.restored == 0) {
    findings_.add(Rule::work, "no device cached a translation, or the guest never had another HWPT or SMMU under it");
  }
  if (report_.guest.invalidations == 0 || report_.host.events_of_guests == 0 || report_.plugged == 0) {
    findings_.add(Rule::work,
                  "the host had nothing to invalidate, no event for the guest, or its memory never changed");
  }
  const HostileCounts& h = report_.hostile;
  if (options_.hostile && (h.registers == 0 || h.stes == 0 || h.dma == 0 || report_.other.command_errors == 0 ||
                           report_.other.invalidations == 0)) {
    findings_.add(Rule::work, "the hostile guest did not do everything that it can");
  }
}

NestedJobReport NestedJob::run(const std::function<void(const MainJobProgress&)>& progress) {
  changer_->attach_all();
  start_hostile();
  begin_ns_ = host_.port().time.now_ns();
  team_.start(*site_, streams_, guest_threads, *events_, random_);
  change(progress);
  report_.traffic = team_.stop();
  report_.seconds = static_cast<double>(host_.port().time.now_ns() - begin_ns_) * 1e-9;
  stop_hostile();
  changer_->finish();
  report_.changes = changer_->counts();
  team_.clear(); // and their ports
  const bool cut_short = findings_.any();
  compare_counters();
  changer_.reset();
  end_guest();
  look_at_host();
  report_.remains = host_.tear_down();
  if (!report_.remains.nothing() || !report_.remains.queues_idle) {
    findings_.add(Rule::leaks, fmt::format("on the host {} windows, {} contexts, {} bytes of tables and queues and {} "
                                           "bytes of objects are left",
                                           report_.remains.windows, report_.remains.contexts,
                                           report_.remains.driver_dma, report_.remains.driver_plain));
  }
  if (!cut_short) {
    judge_work();
  }
  report_.checks = findings_.checks();
  if (cut_short) {
    std::erase_if(report_.checks, [](const Check& c) { return c.rule == Rule::work; });
  }
  report_.seed = options_.seed;
  report_.seeded = options_.seeded;
  return report_;
}

} // namespace

bool NestedJobReport::holds() const {
  return !checks.empty() && std::all_of(checks.begin(), checks.end(), [](const Check& c) { return c.holds(); });
}

NestedJobReport run_nested_job(const NestedJobOptions& options,
                               const std::function<void(const MainJobProgress&)>& progress) {
  return NestedJob{options}.run(progress);
}

} // namespace sluice::scenario
