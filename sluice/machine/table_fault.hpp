#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/machine/host.hpp>
#include <sluice/model/bus.hpp>
#include <sluice/model/smmu.hpp>

#include <cstdint>
#include <functional>
#include <vector>

namespace sluice::machine {

// A bus on which the SMMU reads other tables than there are: HostFault::s1, s2, walk and cd.
class TableFaultBus final : public model::Bus {
public:
  // Where the tables are that HostFault::walk is about.
  using InTables = std::function<bool(std::uint64_t address)>;

  TableFaultBus(model::Bus& inner, HostFault fault, InTables in_tables)
      : inner_{inner}, fault_{fault}, in_tables_{std::move(in_tables)} {}

  // The SMMU that reads, and the streams whose STEs count. Before there is traffic.
  void set_smmu(model::Smmu& smmu) { smmu_ = &smmu; }
  void add_stream(std::uint32_t stream) { streams_.push_back(stream); }

  bool read(const model::BusAccess& access, void* into) override { return inner_.read(access, into); }
  bool write(const model::BusAccess& access, const void* from) override { return inner_.write(access, from); }
  bool read64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& value) override;
  bool compare_exchange64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& expected,
                          std::uint64_t desired) override {
    return inner_.compare_exchange64(address, attributes, expected, desired);
  }
  bool message(const model::BusAccess& access, std::uint32_t data) override { return inner_.message(access, data); }
  void pulse(model::Wire wire) override { inner_.pulse(wire); }
  model::AtcAnswer invalidate_atc(const model::AtcInvalidation& invalidation) override {
    return inner_.invalidate_atc(invalidation);
  }
  bool atc_completed(std::uint32_t stream, std::uint8_t tag) override { return inner_.atc_completed(stream, tag); }
  void page_response(const model::PageResponse& response) override { inner_.page_response(response); }

private:
  bool is_first_word_of_an_ste(std::uint64_t address);
  bool is_first_word_of_a_cd(std::uint64_t address);
  std::uint64_t ste_of(std::uint32_t stream);

  model::Bus& inner_;
  HostFault fault_;
  InTables in_tables_;
  model::Smmu* smmu_{};
  std::vector<std::uint32_t> streams_;
};

} // namespace sluice::machine
