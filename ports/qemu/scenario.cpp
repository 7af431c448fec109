#include <ports/qemu/rig.hpp>
#include <ports/qemu/scenario.hpp>
#include <sluice/arch/commands.hpp>
#include <sluice/arch/registers_control.hpp>
#include <sluice/hosted/scratch.hpp>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

namespace sluice::ports::qemu {

bool Report::passed() const {
  return !checks.empty() && std::all_of(checks.begin(), checks.end(), [](const Check& c) { return c.passed(); });
}

namespace {

constexpr std::uint64_t iova_in = 0x1234'5000;
constexpr std::uint64_t iova_out = 0x5678'a000;
constexpr std::size_t offset = 0xff0; // transfers cross from one page to the other
constexpr std::size_t length = 0x123;

std::string access(const iommu::Fault& f) {
  const char* const kind = f.kind == iommu::FaultKind::translation  ? "translation"
                           : f.kind == iommu::FaultKind::permission ? "permission"
                                                                    : "another";
  return std::string{kind} + " fault of StreamID " + hex(f.requester) + ", " + (f.write ? "write" : "read") + " at " +
         hex(f.iova);
}

const char* name(iommu::Stage stage) { return stage == iommu::Stage::first ? "stage 1" : "stage 2"; }

class Run {
public:
  Run(const RunOptions& options, const Progress& progress, Report& report)
      : options_{options}, progress_{progress}, report_{report}, random_{options.seed} {}

  void all();

private:
  // A paging domain and the pages that it maps.
  struct Space {
    iommu::Domain* domain;
    iommu::Stage stage;
    Window in;
    Window out;
  };

  bool check(std::string name, std::string expected, std::string seen);
  bool ok(std::string name, const std::string& seen) { return check(std::move(name), "ok", seen); }
  bool moved(std::string name, const Window& in, const Window& out) {
    const auto wrong = rig_->move(in, out, offset, length);
    return check(std::move(name), "each byte in place", wrong.empty() ? "each byte in place" : wrong);
  }
  platform::Mmio& frame() { return options_.frame ? options_.frame(rig_->machine) : rig_->machine.frame; }
  bool begin();
  bool idle_is_blocked();
  bool make_spaces();
  bool change_to(const Space& space);
  bool through_stage(std::size_t first);
  bool identity();
  bool rounds();
  bool refused(const Space& space);
  bool forbidden(const Space& space);
  bool illegal_command();
  void end();
  void count();

  const RunOptions& options_;
  const Progress& progress_;
  Report& report_;
  std::mt19937_64 random_;
  std::optional<Rig> rig_;
  std::vector<Space> spaces_; // two of each stage that there is
};

bool Run::check(std::string name, std::string expected, std::string seen) {
  report_.checks.push_back({std::move(name), std::move(expected), std::move(seen)});
  if (progress_) {
    progress_(report_.checks.back());
  }
  return report_.checks.back().passed();
}

bool Run::begin() {
  try {
    rig_.emplace(options_.virt);
  } catch (const hosted::SetupError& error) {
    return ok("QEMU starts", error.what());
  }
  if (!ok("QEMU starts", "ok") || !ok("the driver takes the SMMU", text(rig_->take(frame()))) ||
      !ok("edu is found on PCI bus 0", text(rig_->add_edu())) ||
      !ok("edu answers", rig_->edu->alive() ? "ok" : "not the complement of what was written")) {
    return false;
  }
  const auto& c = rig_->smmu->capabilities();
  report_.smmu = "SMMUv3." + std::to_string(arch::minor_version(c.id)) + ", IDR0 " + hex(c.id.idr0.raw()) +
                 (c.stage1 ? ", stage 1" : "") + (c.stage2 ? ", stage 2" : "") + ", " + std::to_string(c.output_bits) +
                 " bits out";
  return true;
}

bool Run::idle_is_blocked() {
  Window target{rig_->machine, 0};
  target.fill(0x5a);
  const auto done = rig_->edu->deliver(0, target.pa(0), 64);
  const bool touched = target.at(0) != 0x5a || target.at(63) != 0x5a;
  rig_->interrupts();
  return check("without a domain the device reaches nothing", "untouched, 0 events",
               !done ? text(done)
                     : (touched ? "written, " : "untouched, ") + std::to_string(rig_->smmu->counters().events) +
                           " events");
}

bool Run::make_spaces() {
  const auto& c = rig_->smmu->capabilities();
  for (const auto stage : {iommu::Stage::first, iommu::Stage::second}) {
    if (!(stage == iommu::Stage::first ? c.stage1 : c.stage2)) {
      continue;
    }
    for (int n = 0; n < 2; ++n) {
      auto made = rig_->domain(stage);
      const auto what = std::string{"a domain of "} + name(stage);
      if (!ok(what + " is made", text(made))) {
        return false;
      }
      spaces_.push_back({*made, stage, Window{rig_->machine, iova_in}, Window{rig_->machine, iova_out}});
      const auto& space = spaces_.back();
      if (!ok(what + " maps for reading", text(space.in.map(**made, iommu::prot::read))) ||
          !ok(what + " maps for reading and writing", text(space.out.map(**made, iommu::prot::read_write)))) {
        return false;
      }
    }
  }
  return true;
}

// Any domain to any other has to be hitless here: the stream table has two levels.
bool Run::change_to(const Space& space) {
  const auto change = rig_->device->attached() == nullptr
                          ? rig_->device->attach(*space.domain, {}, {.require_hitless = true})
                          : rig_->device->replace(*space.domain, {}, {.require_hitless = true});
  report_.changes += change.ok() ? 1 : 0;
  return change && change->hitless && change->confirmed;
}

bool Run::through_stage(std::size_t first) {
  const Space& a = spaces_[first];
  const Space& b = spaces_[first + 1];
  const std::string stage = name(a.stage);
  if (!ok("the device gets a domain of " + stage, change_to(a) ? "ok" : "refused or with a gap") ||
      !moved("it moves bytes through " + stage, a.in, a.out)) {
    return false;
  }
  b.out.fill(0);
  const auto before = a.out.at(offset);
  return ok("another domain of " + stage + " takes its place without a gap",
            change_to(b) ? "ok" : "refused or with a gap") &&
         moved("the same addresses mean the other pages", b.in, b.out) &&
         check("the pages of the domain before are left alone", hex(before), hex(a.out.at(offset)));
}

bool Run::identity() {
  Window in{rig_->machine, 0};
  Window out{rig_->machine, 0};
  const auto change = rig_->device->replace(rig_->smmu->identity(), {}, {.require_hitless = true});
  report_.changes += change.ok() ? 1 : 0;
  if (!ok("identity takes its place without a gap", text(change))) {
    return false;
  }
  in.fill(0xa5);
  out.fill(0);
  const auto done = rig_->transfer(in.pa(0), out.pa(0), length);
  const bool right = out.at(0) == 0xa5 && out.at(length - 1) == 0xa5 && out.at(length) == 0;
  return ok("addresses pass unchanged", !done ? text(done) : right ? "ok" : "bytes are not where they belong");
}

bool Run::rounds() {
  unsigned done = 0;
  std::string wrong;
  for (; done < options_.rounds && wrong.empty(); ++done) {
    const auto& space = spaces_[random_() % spaces_.size()];
    wrong = change_to(space) ? rig_->move(space.in, space.out, offset, length) : "a change was refused or had a gap";
  }
  return check("domains are replaced in any order", std::to_string(options_.rounds) + " times, each byte in place",
               wrong.empty() ? std::to_string(done) + " times, each byte in place" : wrong);
}

bool Run::refused(const Space& space) {
  if (!ok("pages are unmapped", text(space.out.unmap(*space.domain)))) {
    return false;
  }
  rig_->interrupts();
  rig_->faults.clear();
  space.out.fill(0x5a);
  const auto done = rig_->edu->deliver(0, iova_out, 16);
  if (!check("what was unmapped stays untouched", "0x5a", done ? hex(space.out.at(0)) : text(done)) ||
      !ok("the event queue's interrupt is pending", rig_->machine.irq.pending(map::event_queue) ? "ok" : "it is not")) {
    return false;
  }
  rig_->interrupts();
  const auto& faults = rig_->faults.seen();
  const auto rid = hex(rig_->function->rid());
  // QEMU makes the transfer in beats, each of which faults.
  const bool inside = std::all_of(faults.begin(), faults.end(), [](auto& f) { return f.iova - iova_out < 16; });
  return check("its event arrives at the domain",
               "translation fault of StreamID " + rid + ", write at " + hex(iova_out),
               faults.empty() ? "no fault" : access(faults.front())) &&
         ok("and no event of another address", inside ? "ok" : "another address");
}

bool Run::forbidden(const Space& space) {
  rig_->faults.clear();
  const auto before = space.in.at(0);
  const auto done = rig_->edu->deliver(1, iova_in, 4);
  rig_->interrupts();
  const auto& faults = rig_->faults.seen();
  return check("a page mapped for reading stays as it is", hex(before), done ? hex(space.in.at(0)) : text(done)) &&
         check("and the event is of its permission",
               "permission fault of StreamID " + hex(rig_->function->rid()) + ", write at " + hex(iova_in),
               faults.empty() ? "no fault" : access(faults.front())) &&
         ok("pages are mapped again", text(space.out.map(*space.domain, iommu::prot::read_write))) &&
         moved("after the faults bytes move as before", space.in, space.out);
}

bool Run::illegal_command() {
  arch::Command nonsense;
  nonsense.set(arch::Command::Opcode, static_cast<arch::Opcode>(0xff));
  const auto& space = spaces_.front();
  const auto status = rig_->smmu->submit(std::array{nonsense});
  if (!check("an illegal command is told to its sender", "illegal_command", text(status))) {
    return false;
  }
  if (!ok("the error interrupt is pending", rig_->machine.irq.pending(map::global_error) ? "ok" : "it is not")) {
    return false;
  }
  rig_->interrupts();
  return ok("commands after it are executed", text(rig_->smmu->submit(std::array{arch::cmd::cfgi_all()}))) &&
         ok("the driver goes on", rig_->smmu->failed() ? "it has given up" : "ok") &&
         ok("pages can be unmapped", text(space.out.unmap(*space.domain))) &&
         ok("and mapped", text(space.out.map(*space.domain, iommu::prot::read_write))) &&
         ok("and the domain changed", change_to(space) ? "ok" : "refused or with a gap") &&
         moved("and bytes moved", space.in, space.out);
}

void Run::count() {
  if (!rig_) {
    return;
  }
  report_.bytes = rig_->bytes_verified;
  report_.faults = rig_->faults.total();
  report_.accesses = rig_->machine.virt.bus().calls();
  if (rig_->smmu) {
    report_.counters = rig_->smmu->counters();
  }
}

void Run::end() {
  count();
  const auto& c = report_.counters;
  check("no wait ran out and no event was lost", "0 time-outs, 0 overflows, 0 unknown events",
        std::to_string(c.timeouts) + " time-outs, " + std::to_string(c.event_overflows) + " overflows, " +
            std::to_string(c.events_unknown) + " unknown events");
  spaces_.clear();
  ok("all is given back", text(rig_->give_back()));
  const auto cr0 = arch::CR0::from(rig_->machine.frame.read32(arch::CR0::offset));
  ok("the SMMU is off", cr0.raw() == 0 ? "ok" : "CR0 is " + hex(cr0.raw()));
  check("no memory is leaked", "0 blocks", std::to_string(rig_->machine.memory.counts().live()) + " blocks");
  const auto failure = rig_->machine.virt.failure();
  ok("QEMU is well", failure.empty() ? "ok" : failure);
  report_.accesses = rig_->machine.virt.bus().calls();
}

void Run::all() {
  bool good = begin() && idle_is_blocked() && make_spaces();
  for (std::size_t first = 0; good && first < spaces_.size(); first += 2) {
    good = through_stage(first);
  }
  good = good && identity() && rounds();
  for (std::size_t n = 0; good && n < spaces_.size(); n += 2) {
    good =
        ok(std::string{"back to "} + name(spaces_[n].stage), change_to(spaces_[n]) ? "ok" : "refused or with a gap") &&
        refused(spaces_[n]) && forbidden(spaces_[n]);
  }
  good = good && illegal_command();
  if (good) {
    end();
  } else {
    count();
    const auto failure = rig_ ? rig_->machine.virt.failure() : "";
    if (!failure.empty()) {
      ok("QEMU is well", failure);
    }
  }
}

} // namespace

Report run_on_qemu(const RunOptions& options, const Progress& progress) {
  Report report;
  Run run{options, progress, report};
  run.all();
  return report;
}

} // namespace sluice::ports::qemu
