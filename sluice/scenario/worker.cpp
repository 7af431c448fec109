#include <sluice/scenario/worker.hpp>

#include <sluice/hosted/errc.hpp>
#include <sluice/hosted/scratch.hpp>

#include <fmt/format.h>

#include <utility>

namespace sluice::scenario {

using Step = Operation::Kind;
using Refusal = World::Refusal;

namespace {

constexpr std::uint32_t relax_every = 4; // details

// An Operation of a list that was changed by hand names things that there are.
template <class T>
T& pick(std::vector<std::unique_ptr<T>>& all, std::uint32_t number) {
  return *all[number % all.size()];
}

} // namespace

LongCounts& LongCounts::operator+=(const LongCounts& other) {
  for (std::size_t i = 0; i < done.size(); ++i) {
    done[i] += other.done[i];
  }
  replaced += other.replaced;
  guests += other.guests;
  guests_stes += other.guests_stes;
  refused_attaches += other.refused_attaches;
  hitless += other.hitless;
  served += other.served;
  refused += other.refused;
  stalled += other.stalled;
  during += other.during;
  unknown += other.unknown;
  recorded += other.recorded;
  pages_asked += other.pages_asked;
  pages_served += other.pages_served;
  return *this;
}

// Virtual time passes only where somebody waits; free threads may be held up.
Worker::Worker(World& world, std::uint32_t actor)
    : world_{world}, actor_{actor}, limit_us_{world.machine.schedule().seeded() ? 100'000U : 20'000'000U},
      port_{world.node.model()} {}

void Worker::run(std::span<const Operation> all) {
  for (const Operation& o : all) {
    if (o.actor != actor_) {
      continue;
    }
    if (world_.findings.any()) {
      return;
    }
    try {
      counts_.done[static_cast<std::size_t>(o.kind)] += step(o) ? 1 : 0;
    } catch (const hosted::SetupError& error) { // a domain could not be made anew
      world_.findings.add(Rule::queues, error.what());
    }
    if (waiting_) {
      follow_up();
    }
    if (o.details % relax_every == 0) {
      world_.common.platform.time.relax();
    }
  }
}

bool Worker::step(const Operation& o) {
  const std::size_t cell = o.second % cell_pages.size();
  switch (o.kind) {
  case Step::access:
    return access(o);
  case Step::attach:
    return attach(pick(world_.targets, o.first), pick(world_.realms, o.second), o.details % 2 == 0);
  case Step::detach:
    return detach(pick(world_.targets, o.first));
  case Step::map:
    return pick(world_.realms, o.first).map(cell, o.details % 4 != 0);
  case Step::unmap:
    return pick(world_.realms, o.first).unmap(cell);
  case Step::defer:
    return pick(world_.realms, o.first).defer(cell);
  case Step::flush:
    return pick(world_.realms, o.first).flush();
  case Step::dirty:
    return pick(world_.realms, o.first).read_dirty(o.details % 2 == 0);
  case Step::rebind:
    return pick(world_.realms, o.first).rebind();
  case Step::rebirth:
    return pick(world_.realms, o.first).rebirth();
  case Step::end_process:
    return pick(world_.realms, o.first).end_process();
  case Step::remove:
    return world_.remove(pick(world_.devices, o.first));
  case Step::add:
    return world_.add(pick(world_.devices, o.first));
  case Step::handler:
    return pick(world_.realms, o.first).serve(o.details % 4 != 0);
  case Step::finish:
    wait_for_end();
    return true;
  }
  return false;
}

// A guest's name for a device has to be there before, and goes with the last of its STEs.
bool Worker::may_attach(LongTarget& target, Realm& realm) {
  const bool again = &realm == target.realm;
  const bool between_guests = target.realm != nullptr && target.realm->is_guest() && realm.is_guest() && !again;
  if (target.device.device.load() == nullptr || (again && !realm.is_guest()) || between_guests ||
      !realm.guests.share()) {
    return false;
  }
  if (!again && is_named(target, realm)) {
    if (const auto named = realm.name_device(*target.device.device.load(), target.device.streams.front()); !named) {
      world_.findings.add(Rule::queues, fmt::format("{} has no name in {}: {}", target.describe(), realm.describe(),
                                                    hosted::name(named.error())));
    }
  }
  return true;
}

bool Worker::is_named(const LongTarget& target, const Realm& realm) {
  return realm.is_guest() && target.at.is_rid() && target.device.endpoint != nullptr;
}

// `stay`: at a guest, whose other STE it gets.
bool Worker::attach(LongTarget& target, Realm& wanted, bool stay) {
  LongDevice& device = target.device;
  if (!device.lock.share()) {
    return false;
  }
  Realm& realm = stay && target.realm != nullptr && target.realm->is_guest() ? *target.realm : wanted;
  if (!may_attach(target, realm)) {
    device.lock.unshare();
    return false;
  }
  const std::uint64_t since = world_.moments.next();
  target.is.begin(&realm);
  const std::size_t ste = target.ste + 1;
  const auto change = device.change(realm.domain(ste), target.at, target.realm != nullptr);
  attached(target, realm, change, world_.refusal(target, realm, since, world_.moments.next()));
  if (change) {
    target.is.end();
    target.ste = ste;
  } else {
    target.is.cancel();
  }
  settle_attach(target, realm, change.ok());
  device.lock.unshare();
  return change.ok();
}

void Worker::settle_attach(LongTarget& target, Realm& realm, bool done) {
  Realm* const old = done ? std::exchange(target.realm, &realm) : &realm;
  counts_.replaced += done && old != nullptr ? 1 : 0;
  counts_.guests += done && realm.is_guest() ? 1 : 0;
  counts_.guests_stes += done && realm.is_guest() && old == &realm ? 1 : 0;
  if (old == nullptr) {
    return;
  }
  if (old != target.realm && is_named(target, *old)) {
    world_.leave_guest(target, *old);
  }
  old->guests.unshare();
}

void Worker::attached(const LongTarget& target, const Realm& realm, const base::Result<iommu::Change>& change,
                      Refusal refusal) {
  const auto report = [&](const std::string& what) {
    world_.findings.add(Rule::queues, fmt::format("{} to {}: {}", target.describe(), realm.describe(), what));
  };
  if (!change) {
    ++counts_.refused_attaches;
    if (refusal == Refusal::wrong) {
      report(fmt::format("refused with {}", hosted::name(change.error())));
    }
    return;
  }
  counts_.hitless += change->hitless ? 1 : 0;
  if (refusal == Refusal::certain) {
    report("was not refused");
  }
  if (!change->confirmed) {
    report("was not confirmed in time");
  }
  if (!change->hitless) {
    world_.findings.add(Rule::hitless, fmt::format("{} to {}: not hitless", target.describe(), realm.describe()));
  }
}

bool Worker::detach(LongTarget& target) {
  LongDevice& device = target.device;
  if (!device.lock.share()) {
    return false;
  }
  Realm* const realm = std::exchange(target.realm, nullptr);
  if (realm != nullptr) {
    target.is.begin(nullptr);
    const auto change = device.detach(target.at);
    target.is.end();
    if (is_named(target, *realm)) {
      world_.leave_guest(target, *realm);
    }
    realm->guests.unshare();
    if (!change || !change->confirmed) {
      world_.findings.add(Rule::queues, fmt::format("{}: detach failed: {}", target.describe(),
                                                    change ? "not confirmed" : hosted::name(change.error())));
    }
  }
  device.lock.unshare();
  return realm != nullptr;
}

} // namespace sluice::scenario
