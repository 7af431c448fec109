#pragma once

#include "../model/ats.hpp"

#include <sluice/pcie/copy_engine.hpp>

namespace sluice::pcie {

// A copy engine with ATS, PASIDs and PRI behind an SMMU with tables written by hand.
class AtsEngine : public model::Bus, public platform::PciFunction {
public:
  static constexpr std::uint32_t sid = 3;
  static CopyEngineConfig config(std::size_t entries = 16) {
    CopyEngineConfig c;
    c.ats.capabilities = {.ats = true, .pasid_bits = 8, .page_requests = 8};
    c.ats.atc_entries = entries;
    c.contexts = 16;
    return c;
  }

  explicit AtsEngine(const CopyEngineConfig& c = config()) : engine{{sid, sid}, c, rig.sync, rig.time} {
    rig.ram.behind = this;
    engine.config_write(config::command, 2, config::command_bus_master);
    tree = rig.ats_stream(sid);
  }
  void enable_ats() { base::check(driver().enable_ats(12).ok()); }
  platform::PciTranslation driver() { return platform::PciTranslation{*this}; }

  // What model::Bus and the driver see of the engine.
  model::AtcAnswer invalidate_atc(const model::AtcInvalidation& i) override {
    return i.stream_id == sid ? engine.invalidate_atc(i) : model::AtcAnswer::unsupported;
  }
  bool atc_completed(std::uint32_t, std::uint8_t tag) override { return engine.atc_completed(tag); }
  void page_response(const model::PageResponse& r) override {
    ++responses;
    engine.page_response(r);
  }
  platform::PciFacts facts() const override { return {.ats_allowed = true}; }
  std::uint32_t config_read(std::uint16_t offset, unsigned size) override { return engine.config_read(offset, size); }
  void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    engine.config_write(offset, size, value);
  }
  bool read(const model::BusAccess&, void*) override { return false; }
  bool write(const model::BusAccess&, const void*) override { return false; }
  bool read64(std::uint64_t, const model::Attributes&, std::uint64_t&) override { return false; }
  bool compare_exchange64(std::uint64_t, const model::Attributes&, std::uint64_t&, std::uint64_t) override {
    return false;
  }
  bool message(const model::BusAccess&, std::uint32_t) override { return false; }
  void pulse(model::Wire) override {}

  CopyReport read(std::uint64_t iova, std::uint64_t& value, std::optional<unsigned> context = {}) {
    return engine.read(*rig.port, iova, &value, sizeof value, context);
  }
  CopyReport write(std::uint64_t iova, std::uint64_t value, std::optional<unsigned> context = {}) {
    return engine.write(*rig.port, iova, &value, sizeof value, context);
  }

  model::test::AtsRig rig;
  CopyEngine engine;
  model::test::Tree tree;
  unsigned responses{};
};

} // namespace sluice::pcie
