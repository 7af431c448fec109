#include <sluice/scenario/changer.hpp>

#include <sluice/hosted/errc.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/scenario/stamp.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace sluice::scenario {

namespace {

constexpr std::array spaces{Kind::identity, Kind::stage1, Kind::stage1, Kind::stage1, Kind::stage2, Kind::stage2};
constexpr std::array with_pasids{Kind::process, Kind::process};
constexpr std::uint64_t page = 4096;
constexpr std::uint64_t lease_pages_max = 8;

// Beyond all RAM, so that the identity domain has nothing there either.
std::uint64_t lease_base(std::size_t stream) { return (1ULL << 38) + (static_cast<std::uint64_t>(stream) << 30); }

// What stands on no context descriptor is for requests without PASID, and a process for those with one.
bool takes(const Stream& stream, Kind kind) {
  return stream.endpoint.target.is_rid() ? kind != Kind::process : kind == Kind::stage1 || kind == Kind::process;
}

} // namespace

std::uint64_t ChangeCounts::replaced_in_all() const {
  std::uint64_t sum = 0;
  for (const auto& from : replaced) {
    for (const std::uint64_t n : from) {
      sum += n;
    }
  }
  return sum;
}

Changer::Changer(const Site& site, std::vector<Stream>& streams, EventBook& events, hosted::Random random,
                 Findings& findings)
    : site_{site}, streams_{streams}, events_{events}, random_{random}, findings_{findings}, current_(streams.size()),
      leased_(streams.size()) {
  for (const Kind kind : spaces) {
    const Kind possible = kind == Kind::stage2 && !site_.stage2 ? Kind::stage1 : kind;
    slots_.push_back({make(possible), 0, std::vector<std::uint64_t>(streams_.size())});
  }
  for (std::size_t i = 0; site_.pasids && i < with_pasids.size(); ++i) {
    slots_.push_back({make(with_pasids.at(i)), 0, std::vector<std::uint64_t>(streams_.size())});
  }
  for (Stream& stream : streams_) {
    stream.window = windows_[stream.index];
  }
}

Changer::~Changer() = default;

std::unique_ptr<Space> Changer::make(Kind kind) {
  auto& memory = site_.memory;
  auto& driver = site_.driver;
  const std::uint32_t owner = ++last_owner_;
  if (kind == Kind::identity) {
    auto space = std::make_unique<Space>(memory, driver.identity(), owner, streams_.size());
    windows_ = space->windows();
    driver.identity().set_fault_handler(&events_);
    driver.blocked().set_fault_handler(&events_);
    return space;
  }
  if (kind == Kind::process) {
    return make_process(owner);
  }
  const bool first = kind == Kind::stage1;
  const auto domain =
      driver.make_paging({.stage = first ? iommu::Stage::first : iommu::Stage::second, .pasid = first && site_.pasids});
  if (!domain) {
    throw machine::DriverRefused(fmt::format("no {} domain: {}", name(kind), hosted::name(domain.error())));
  }
  (*domain)->set_fault_handler(&events_);
  return std::make_unique<Space>(memory, **domain, kind, owner, windows_);
}

std::unique_ptr<Space> Changer::make_process(std::uint32_t owner) {
  auto& driver = site_.driver;
  const iommu::Geometry& geometry = slots_.at(1).space->domain().geometry(); // a paging domain's
  pagetable::Config table;
  table.output_bits = static_cast<unsigned>(std::bit_width(geometry.last_output));
  auto process = machine::AddressSpace::make(driver.platform(), table);
  const auto domain = process ? driver.make_sva(**process) : process.error();
  if (!domain) {
    throw machine::DriverRefused(fmt::format("no domain of a process: {}", hosted::name(domain.error())));
  }
  (*domain)->set_fault_handler(&events_);
  return std::make_unique<Space>(site_.memory, std::move(*process), **domain, owner, windows_);
}

void Changer::failed(const Stream& stream, const char* what, base::Errc error) {
  findings_.add(Rule::queues, fmt::format("{}: {} failed: {}", stream.endpoint.describe(), what, hosted::name(error)));
}

void Changer::attach_all() {
  for (Stream& stream : streams_) {
    current_[stream.index] = random_.below(static_cast<std::uint32_t>(slots_.size()));
    while (!takes(stream, slot_of(stream).space->kind())) {
      current_[stream.index] = (current_[stream.index] + 1) % slots_.size();
    }
    Slot& slot = slot_of(stream);
    stream.history.begin(*slot.space);
    const auto change = stream.endpoint.device->attach(slot.space->domain(), stream.endpoint.target);
    stream.history.end();
    stream.history.pass();
    slot.last[stream.index] = stream.history.begun();
    ++slot.attached;
    if (!change) {
      throw machine::DriverRefused(fmt::format("{} cannot be attached to {}: {}", stream.endpoint.describe(),
                                               slot.space->describe(), hosted::name(change.error())));
    }
  }
}

void Changer::step() {
  Stream& stream = streams_[random_.below(static_cast<std::uint32_t>(streams_.size()))];
  bool done = false;
  if (leased_[stream.index].space != nullptr) {
    done = go_on_with_lease(stream);
  } else if (random_.one_in(8)) {
    done = begin_lease(stream);
  } else if (random_.one_in(16)) {
    done = give_birth();
  } else {
    done = replace(stream);
  }
  if (!done) {
    site_.time.relax();
  }
}

bool Changer::replace(Stream& stream) {
  const auto target = random_.below(static_cast<std::uint32_t>(slots_.size()));
  if (target == current_[stream.index] || !takes(stream, slots_[target].space->kind()) || !stream.history.may_begin()) {
    return false;
  }
  Slot& from = slot_of(stream);
  Slot& to = slots_[target];
  stream.history.begin(*to.space);
  const auto change =
      stream.endpoint.device->replace(to.space->domain(), stream.endpoint.target, {.require_hitless = true});
  if (!change) { // then nothing has changed: the stream goes back to where it never left
    stream.history.begin(*from.space);
    stream.history.end();
    from.last[stream.index] = stream.history.begun();
    failed(stream, "replace", change.error());
    return true;
  }
  stream.history.end();
  to.last[stream.index] = stream.history.begun();
  --from.attached;
  ++to.attached;
  current_[stream.index] = target;
  ++counts_.replaced[static_cast<std::size_t>(from.space->kind())][static_cast<std::size_t>(to.space->kind())];
  counts_.hitless += change->hitless ? 1 : 0;
  if (!change->confirmed) {
    findings_.add(Rule::queues, fmt::format("{}: a replacement was not confirmed in time", stream.endpoint.describe()));
  }
  return true;
}

// No traffic can still ask for what this space holds.
bool Changer::left_behind(const Slot& slot) const {
  return slot.attached == 0 && std::all_of(streams_.begin(), streams_.end(), [&](const Stream& stream) {
           return slot.last[stream.index] < stream.history.passed() || slot.last[stream.index] == 0;
         });
}

// The new domain may get the old one's ASID or VMID, and has other memory.
bool Changer::give_birth() {
  Slot& slot = slots_[random_.below(static_cast<std::uint32_t>(slots_.size()))];
  if (slot.space->kind() == Kind::identity || !left_behind(slot)) {
    return false;
  }
  slot.space->retire(findings_);
  auto old = std::move(slot.space); // its memory is freed when the new one has found other
  slot.space = make(old->kind());
  std::fill(slot.last.begin(), slot.last.end(), 0);
  ++counts_.reborn;
  return true;
}

bool Changer::begin_lease(Stream& stream) {
  Space& space = *slot_of(stream).space;
  if (space.kind() == Kind::identity) {
    return false;
  }
  const std::uint64_t size = random_.between(1, lease_pages_max) * page;
  const auto block = site_.memory.alloc(size);
  if (!block) {
    failed(stream, "allocation", block.error());
    return true;
  }
  Leased& leased = leased_[stream.index];
  leased = {*block, &space, lease_base(stream.index) + random_.below(1024) * page, true};
  const std::uint32_t owner = ++last_owner_;
  stamp(leased.block.cpu, owner, leased.iova, size);
  if (const auto mapped = space.map(leased.iova, leased.block.bus, size, iommu::prot::read); !mapped) {
    failed(stream, "map", mapped.error());
  }
  ++counts_.maps;
  stream.lease.offer(leased.iova, size, owner);
  return true;
}

bool Changer::go_on_with_lease(Stream& stream) {
  Leased& leased = leased_[stream.index];
  switch (stream.lease.phase()) {
  case Lease::Phase::warm:
    unmap(leased);
    stream.lease.withdraw();
    return true;
  case Lease::Phase::none:
    site_.memory.free(leased.block);
    leased = {};
    return true;
  case Lease::Phase::offered:
  case Lease::Phase::withdrawn:
    return false;
  }
  return false;
}

bool Changer::nothing_probed() const {
  return std::all_of(streams_.begin(), streams_.end(),
                     [](const Stream& stream) { return stream.lease.phase() != Lease::Phase::withdrawn; });
}

void Changer::unmap(Leased& leased) {
  const auto unmapped = leased.space->unmap(leased.iova, leased.block.size);
  leased.mapped = false;
  ++counts_.unmaps;
  if (!unmapped) {
    findings_.add(Rule::queues,
                  fmt::format("{}: unmap failed: {}", leased.space->describe(), hosted::name(unmapped.error())));
  }
}

void Changer::finish() {
  for (Stream& stream : streams_) {
    Leased& leased = leased_[stream.index];
    if (leased.space != nullptr && leased.mapped) {
      unmap(leased);
    }
    if (leased.space != nullptr) {
      site_.memory.free(leased.block);
      leased = {};
    }
    if (const auto change = stream.endpoint.device->detach(stream.endpoint.target); !change) {
      failed(stream, "detach", change.error());
    }
  }
  site_.driver.poll(); // events are read while their domains live
  for (Slot& slot : slots_) {
    slot.space->retire(findings_);
    slot.space.reset();
  }
  site_.driver.identity().set_fault_handler(nullptr);
  site_.driver.blocked().set_fault_handler(nullptr);
}

} // namespace sluice::scenario
