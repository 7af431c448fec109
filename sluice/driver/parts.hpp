#pragma once

#include <sluice/driver/capabilities.hpp>
#include <sluice/driver/command_queue.hpp>
#include <sluice/driver/config.hpp>
#include <sluice/driver/entries.hpp>
#include <sluice/driver/event_shares.hpp>
#include <sluice/driver/global_errors.hpp>
#include <sluice/driver/handshake.hpp>
#include <sluice/driver/health.hpp>
#include <sluice/driver/held.hpp>
#include <sluice/driver/invalidation.hpp>
#include <sluice/driver/page_request_queue.hpp>
#include <sluice/driver/page_responder.hpp>
#include <sluice/driver/ste_writer.hpp>
#include <sluice/driver/stream_table.hpp>
#include <sluice/driver/tags.hpp>

#include <array>

namespace sluice::driver {

class SmmuDevice;
class PagingDomain;
class StaticDomain;
class SvaDomain;

// What the driver of one SMMU consists of, for its domains and devices.
struct Parts {
  Parts(const platform::Platform& p, platform::Mmio& mmio, const Config& c)
      : platform{p}, config{c}, health{p.log}, registers{mmio}, errors{registers, p.sync}, handshake{registers, p.time,
                                                                                                     health,
                                                                                                     c.timeout_us},
        commands{p, registers, errors, health, c.timeout_us}, streams{p.memory}, writer{streams, commands, p.memory},
        asids{p.memory, p.sync}, vmids{p.memory, p.sync}, responder{commands}, page_requests{p, responder},
        page_request_queue{p, registers, health, capabilities, streams, page_requests} {}

  Tags& tags(pagetable::Stage stage) { return stage == pagetable::Stage::one ? asids : vmids; }
  // 3.17: address spaces have the ASIDs that processors know them by.
  bool shares_asids() const {
    const bool regime =
        config.broadcast == Broadcast::el1 || (config.broadcast == Broadcast::el2_e2h && capabilities.hyp);
    return regime && facts.coherent && has(capabilities.id, arch::Feature::btm);
  }
  void count(Way way) {
    auto& n = changes[static_cast<std::size_t>(way)];
    n.store(n.load(base::Order::relaxed) + 1, base::Order::relaxed); // with the unit's mutex held
  }

  platform::Platform platform;
  Config config;
  Capabilities capabilities;
  EntryFacts facts;
  Health health;
  Registers registers;
  GlobalErrors errors;
  Handshake handshake;
  CommandQueue commands;
  StreamTable streams;
  SteWriter writer;
  Tags asids, vmids;
  HeldObjects held;
  EventShares shares;
  base::Atomic<SmmuDevice*> due{nullptr};       // to be blocked by whoever holds the unit's mutex next
  SmmuDevice* devices{};                        // with the unit's mutex held
  PagingDomain* first_stages{};                 // likewise
  SvaDomain* sva{};                             // with the unit's mutex held
  base::Atomic<std::uint64_t> cut_off{0};       // devices, so far
  base::Atomic<std::uint32_t> subscriptions{0}; // of address spaces that may still call
  InvalidationCounts invalidations;
  base::Atomic<std::uint64_t> asids_moved{0};
  PageResponder responder;
  iommu::PageRequests page_requests;
  PageRequestQueue page_request_queue;
  StaticDomain* idle{};                                 // where requests of devices go that are attached to nothing
  std::array<base::Atomic<std::uint64_t>, 5> changes{}; // by Way
};

} // namespace sluice::driver
