#pragma once

#include <sluice/model/configuration.hpp>
#include <sluice/model/contexts.hpp>
#include <sluice/model/stale_use.hpp>
#include <sluice/model/walker.hpp>

#include <array>
#include <cstdint>

namespace sluice::model {

// A port's comparison of what it uses with what memory holds. The rule is at StaleUse.
class StaleWatch {
public:
  StaleWatch(Bus& bus, const Facts& facts);

  // What was found to differ, as far as a later command may cover it.
  struct Difference {
    StaleUse use{};
    Context context{};     // of a translation
    TlbEntry entry{};      // likewise
    std::uint64_t syncs{}; // when it was first used
    std::uint64_t at_ns{}; // likewise
    bool used{};
    bool reported{};
  };

  // The structures that `cached` has of the stream, against memory's.
  std::optional<Difference> configuration(const LiveRegisters& registers, std::uint32_t sid,
                                          std::optional<std::uint32_t> ssid, const Configuration& cached);
  // A cached translation against the tables, by a configuration that is not stale.
  std::optional<Difference> translation(const Regime& regime, const Context& context, const TlbEntry& entry,
                                        std::uint64_t address);

  // What an ATC has made of `asked`, which is page `used`, against the tables by the structures that memory holds.
  std::optional<Difference> translated(const LiveRegisters& registers, const Request& asked, std::uint64_t used);

  // True if the difference is to be reported now. `syncs`: that have completed.
  bool is_stale(const Difference& difference, std::uint64_t syncs, std::uint64_t now_ns);
  // Whether a CFGI, TLBI or ATC_INV covers it.
  bool covers(const arch::Command& command, const Difference& difference, std::uint16_t any_vmid) const;
  // A command has been applied.
  void applied(const arch::Command& command, std::uint16_t any_vmid);
  void forget() { seen_ = {}; }

private:
  static Facts plain(Facts facts);
  bool drops(const arch::Command& command, const StaleUse& use) const;

  const Facts facts_;
  Tlb tlb_{1, 1};
  Choices choices_{0};
  Walker walker_;
  Contexts contexts_;
  Configuration memory_;
  std::array<Difference, 32> seen_{};
  std::size_t next_{0};
};

} // namespace sluice::model
