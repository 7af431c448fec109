#include <sluice/scenario/world.hpp>

#include <fmt/format.h>

#include <array>

namespace sluice::scenario {

namespace {

// In one leaf of the stream table and in others.
constexpr std::array<std::uint32_t, 3> engine_streams{0x08, 0x10, 0x1f0};
constexpr std::array<std::uint32_t, 2> stalling_streams{0x20, 0x2f1};
constexpr std::array<std::uint32_t, 2> group_streams{0x30, 0x1f8}; // one of each member
constexpr std::size_t all_devices = engine_streams.size() + 2;
// In one leaf of the CD table and in another.
constexpr std::array<std::uint32_t, 3> pasids{1, 2, 1030};
constexpr std::array<Realm::Options, 14> realm_options{{{RealmKind::identity},
                                                        {RealmKind::blocked},
                                                        {RealmKind::stage1},
                                                        {RealmKind::stage1},
                                                        {.kind = RealmKind::stage1, .dirty = true, .serves = true},
                                                        {.kind = RealmKind::stage1, .serves = true},
                                                        {RealmKind::stage2},
                                                        {.kind = RealmKind::stage2, .dirty = true},
                                                        {.kind = RealmKind::stage2, .serves = true},
                                                        {RealmKind::process},
                                                        {RealmKind::process},
                                                        {.kind = RealmKind::process, .shared = true},
                                                        {RealmKind::guest},
                                                        {.kind = RealmKind::guest, .serves = true}}};

// Free threads: one that is off its processor between a store and the invalidation lets the others complete so many
// CMD_SYNCs. What an endpoint then reaches too late is found exactly, by what was announced.
constexpr unsigned syncs_while_away = 1U << 14;

machine::Config config_for(const WorldConfig& options) {
  machine::Config config;
  machine::SmmuConfig& smmu = config.smmus.emplace_back();
  smmu.features.ats = true;
  smmu.features.pri = true;
  smmu.features.httu = 2;
  smmu.features.stall_model = 0;
  smmu.features.stall_max = 16;
  smmu.features.substreamid_bits = 12;
  smmu.features.btm = true;
  smmu.driver.broadcast = driver::Broadcast::el1;
  smmu.driver.guest_events = 0; // each event of a guest's devices is looked at
  smmu.driver.stream_bits = 12;
  smmu.driver.page_request_timeout_us = 20'000; // a handler that forgets must not hold up the run
  smmu.streams.assign(engine_streams.begin(), engine_streams.end());
  smmu.engine.ats.capabilities = {.ats = true, .pasid_bits = World::pasid_bits, .page_requests = 8};
  smmu.engine.ats.page_wait_us = 20'000'000;
  smmu.engine.contexts = pasids.size();
  smmu.knobs.watch_stale = options.watch;
  smmu.knobs.stale_after_syncs = options.seeded ? 2 * options.actors + 2 : syncs_while_away;
  if (options.adverse) {
    smmu.knobs.adversary = {.prefetch = true, .any_order = true, .partial = true, .late = true, .seed = options.seed};
  }
  config.port.arena.size = 128 << 20;
  if (options.seeded) {
    config.port.seeded.emplace().seed = options.seed;
  }
  return config;
}

} // namespace

std::string LongTarget::describe() const {
  const std::string device_name = fmt::format("StreamID {:#x}", device.streams.front());
  return at.is_rid() ? device_name : fmt::format("{} PASID {}", device_name, at.value());
}

WorldSize World::size() {
  WorldSize size;
  size.devices = all_devices;
  size.device_targets = pasids.size() + 1;
  size.targets = size.devices * size.device_targets;
  size.spaces = realm_options.size();
  size.cells = cell_pages.size();
  size.seldom_pasids = 1;
  for (std::uint32_t i = 0; i < size.spaces; ++i) {
    const RealmKind kind = realm_options[i].kind;
    if (kind != RealmKind::process) {
      size.without_pasid.push_back(i);
    }
    if (kind == RealmKind::process || kind == RealmKind::stage1) {
      size.with_pasid.push_back(i);
    }
  }
  return size;
}

std::string World::describe(const Operation& o) {
  const WorldSize all = size();
  const auto target = [&] {
    const std::uint32_t i = o.first % all.targets;
    const std::uint32_t device = i / all.device_targets;
    const std::uint32_t stream = device < engine_streams.size()    ? engine_streams[device]
                                 : device == engine_streams.size() ? stalling_streams[0]
                                                                   : group_streams[0];
    return fmt::format("StreamID {:#x}{}", stream,
                       i % all.device_targets == 0 ? "" : fmt::format(" PASID {}", pasids[i % all.device_targets - 1]));
  };
  const auto realm = [&](std::uint32_t number) {
    const Realm::Options& options = realm_options[number % all.spaces];
    return fmt::format("realm {} ({})", number % all.spaces, name(options.kind));
  };
  using enum Operation::Kind;
  switch (o.kind) {
  case access:
    return fmt::format("{}, cell {}", target(), o.second % all.cells);
  case attach:
    return target() + " to " + realm(o.second);
  case detach:
    return target();
  case map:
  case unmap:
  case defer:
    return fmt::format("cell {} of {}", o.second % all.cells, realm(o.first));
  case remove:
  case add:
    return fmt::format("device {}", o.first % all.devices);
  case finish:
    return "what waits";
  default:
    return realm(o.first);
  }
}

World::World(const WorldConfig& config, Findings& f)
    : findings{f}, machine{config_for(config)}, node{machine.smmu()}, witness{config.actors, f},
      broadcasts{node.model(), machine.port().time, false},
      common{node.driver(), machine.clients(), machine.port().platform(), moments, f, witness} {
  machine.port().log.set_sink([this, on_note = config.on_note](const platform::Note& note) {
    witness.on_note(note);
    if (on_note) {
      on_note(note);
    }
  });
  common.writers = size().targets;
  common.broadcasts = &broadcasts;
  common.guests_streams.assign(engine_streams.begin(), engine_streams.end());
  witness.explain_by([this](const Witness::Announced& a, arch::EventType type) {
    const Answers possible = answers(a.access, a.since, std::min(a.until, moments.next()));
    using enum arch::EventType;
    const bool configuration = type == F_STREAM_DISABLED || type == C_BAD_SUBSTREAMID || type == C_BAD_CD;
    return !possible.known || (type == F_TRANSLATION && possible.unmapped) ||
           (type == F_PERMISSION && possible.read_only) || (configuration && possible.absent);
  });
  make_homes();
  make_devices();
  make_realms();
}

World::~World() { tear_down(); }

void World::make_homes() {
  for (std::size_t i = 0; i < common.homes.size(); ++i) {
    const auto block = machine.clients().alloc(Common::size(i));
    if (!block) {
      throw hosted::SetupError("the machine has no memory left for the endpoints");
    }
    common.homes[i] = {*block, common.new_owner()};
    fill(*block, common.homes[i].owner, common.iova(i), Common::size(i));
  }
}

void World::make_devices() {
  for (std::size_t i = 0; i < all_devices; ++i) {
    auto device = std::make_unique<LongDevice>();
    if (i < engine_streams.size()) {
      device->endpoint = &node.endpoint(i);
      device->device.store(std::exchange(device->endpoint->device, nullptr)); // its life is ours
      device->streams = {engine_streams[i]};
    } else if (i == engine_streams.size()) {
      device->streams.assign(stalling_streams.begin(), stalling_streams.end());
      add(*device);
    } else {
      device->streams.assign(group_streams.begin(), group_streams.end());
      device->group = std::make_unique<iommu::Group>(common.driver);
      add(*device);
    }
    const auto target = [&](iommu::Target at, std::optional<unsigned> context) {
      targets.emplace_back(new LongTarget{*device, at, context, {moments, nullptr}});
    };
    target({}, {});
    for (unsigned context = 0; context < pasids.size(); ++context) {
      if (device->endpoint != nullptr) {
        device->endpoint->engine.set_context(context, pasids[context]);
      }
      target(iommu::Target::pasid(pasids[context]), context);
    }
    devices.push_back(std::move(device));
  }
}

void World::make_realms() {
  for (const Realm::Options& options : realm_options) {
    realms.push_back(std::make_unique<Realm>(common, options, static_cast<std::uint32_t>(realms.size())));
  }
}

Answers World::answers(const Access& access, std::uint64_t first, std::uint64_t last) const {
  Answers all;
  const auto of_content = [&](Realm* realm, const Content& c) {
    if (c.owner != 0 && (c.writable || !access.write)) {
      all.served.push_back({realm, c.owner});
    } else if (c.owner != 0) {
      all.read_only = true;
    } else {
      (c.gone ? all.gone : all.unmapped) = true;
    }
  };
  all.known = access.target->is.between(first, last, [&](Realm* realm, std::uint64_t from, std::uint64_t until) {
    if (realm == nullptr || realm->options().kind == RealmKind::blocked) {
      all.absent = true;
    } else if (realm->options().kind == RealmKind::identity) {
      all.served.push_back({realm, common.homes[access.cell].owner});
    } else if (!realm->content(access.cell).between(from, until, [&](const Content& c, std::uint64_t, std::uint64_t) {
                 of_content(realm, c);
               })) {
      all.known = false;
    }
  });
  return all;
}

// 5.2, 5.4: what belongs to stage 2 alone has no CDs; a process's table is for PASIDs.
World::Refusal World::refusal(const LongTarget& target, const Realm& realm, std::uint64_t first,
                              std::uint64_t last) const {
  const bool rid = target.at.is_rid();
  const bool cd = realm.options().kind == RealmKind::stage1 || realm.options().kind == RealmKind::process;
  // A guest has one name for a device, and so none for one of several StreamIDs.
  const bool no_name = realm.is_guest() && target.device.endpoint == nullptr;
  if ((!rid && !cd) || (rid && realm.options().kind == RealmKind::process) || no_name) {
    return Refusal::certain;
  }
  // 3.21.3: iommu::Gap::cached_below, and every change of a long run is to have no gap.
  const auto of_other_side = [&](const Realm& a, const Realm& b) {
    return a.is_guest() && b.options().kind == RealmKind::stage1;
  };
  if (rid && target.realm != nullptr && (of_other_side(*target.realm, realm) || of_other_side(realm, *target.realm))) {
    return Refusal::certain;
  }
  if (realm.options().kind == RealmKind::process && realm.ended()) {
    return Refusal::possible;
  }
  if (rid && !has_whole_ste(realm.options().kind)) {
    return Refusal::wrong;
  }
  Refusal refusal = Refusal::wrong;
  for (const auto& other : targets) {
    if (&other->device != &target.device || other->at.is_rid() == rid) {
      continue;
    }
    bool conflicts = false;
    bool agrees = false;
    const bool known = other->is.between(first, last, [&](const Realm* r, std::uint64_t, std::uint64_t) {
      const bool conflict = rid ? r != nullptr : r != nullptr && has_whole_ste(r->options().kind);
      (conflict ? conflicts : agrees) = true;
    });
    if (conflicts && !agrees && known) {
      return Refusal::certain;
    }
    refusal = conflicts || !known ? Refusal::possible : refusal;
  }
  return refusal;
}

machine::Remains World::tear_down() {
  for (const auto& device : devices) {
    remove(*device);
  }
  for (const auto& realm : realms) {
    realm->close();
  }
  realms.clear();
  for (Home& home : common.homes) {
    if (home.block.cpu != nullptr) {
      const auto index = static_cast<std::size_t>(&home - common.homes.data());
      const std::string found = strange(home.block, home.owner, home.block.bus, Common::size(index), common.writers);
      if (!found.empty()) {
        findings.add(Rule::bytes, "identity: " + found);
      }
      machine.clients().free(home.block);
      home = {};
    }
  }
  return machine.tear_down();
}

} // namespace sluice::scenario
