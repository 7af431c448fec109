#pragma once

#include <sluice/hosted/arena.hpp>
#include <sluice/machine/forwarding_bus.hpp>
#include <sluice/machine/host.hpp>
#include <sluice/model/smmu.hpp>

#include <cstdint>
#include <functional>
#include <vector>

namespace sluice::machine {

// A bus on which the SMMU reads other tables than there are: HostFault::s1, s2, walk and cd.
class TableFaultBus final : public ForwardingBus {
public:
  // Where the tables are that HostFault::walk is about.
  using InTables = std::function<bool(std::uint64_t address)>;

  TableFaultBus(model::Bus& inner, HostFault fault, InTables in_tables)
      : ForwardingBus{inner}, fault_{fault}, in_tables_{std::move(in_tables)} {}

  // The SMMU that reads, and the streams whose STEs count. Before there is traffic.
  void set_smmu(model::Smmu& smmu) { smmu_ = &smmu; }
  void add_stream(std::uint32_t stream) { streams_.push_back(stream); }

  bool read64(std::uint64_t address, const model::Attributes& attributes, std::uint64_t& value) override;

private:
  bool is_first_word_of_an_ste(std::uint64_t address);
  bool is_first_word_of_a_cd(std::uint64_t address);
  std::uint64_t ste_of(std::uint32_t stream);

  HostFault fault_;
  InTables in_tables_;
  model::Smmu* smmu_{};
  std::vector<std::uint32_t> streams_;
};

} // namespace sluice::machine
