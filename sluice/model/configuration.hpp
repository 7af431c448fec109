#pragma once

#include <sluice/arch/l1.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/model/adversary.hpp>
#include <sluice/model/config_cache.hpp>
#include <sluice/model/contexts.hpp>
#include <sluice/model/stale_use.hpp>
#include <sluice/model/walker.hpp>

#include <cstdint>
#include <optional>

namespace sluice::model {

// The registers that configuration lookup goes by, as they were when the log said so.
struct LiveRegisters {
  bool smmuen{};
  bool atschk{};
  arch::STRTAB_BASE base{};
  arch::STRTAB_BASE_CFG cfg{};
  arch::CR1 cr1{};
  arch::CR2 cr2{};
  arch::GBPA gbpa{};
};

// A port's way from {StreamID, SubstreamID} to a Regime, and its caches of L1STD, STE, L1CD and CD.
class Configuration {
public:
  // `choices`: of Knobs::adversary.
  Configuration(Bus& bus, const Facts& facts, Walker& walker, Contexts& contexts, Choices& choices);

  // 7.3.22 up to and including C_BAD_CD. False with the fault set.
  bool resolve(const LiveRegisters& registers, std::uint32_t sid, std::optional<std::uint32_t> ssid, Regime& regime,
               Fault& fault);
  // Its steps. Up to and including C_BAD_STE; false without an event for an STE that aborts silently.
  bool find_stream(const LiveRegisters& registers, std::uint32_t sid, arch::Ste& ste, Fault& fault);
  // C_BAD_SUBSTREAMID and F_STREAM_DISABLED; whether the transaction is for stage 1.
  bool check_substream(const arch::Ste& ste, std::optional<std::uint32_t> ssid, bool& stage1, Fault& fault) const;
  // What the STE alone says, for a transaction that is for stage 1 or not.
  void apply_stream(const LiveRegisters& registers, const arch::Ste& ste, bool stage1, Regime& regime);
  // And from the CD on, for one that is.
  bool apply_context(const LiveRegisters& registers, const arch::Ste& ste, std::uint32_t sid,
                     std::optional<std::uint32_t> ssid, Regime& regime, Fault& fault);

  // 5.2, 3.9.2: what EATS comes to, by the ATSCHK of when the STE was fetched.
  arch::Eats eats(const LiveRegisters& registers, std::uint32_t sid, const arch::Ste& ste) const;

  // 4.3
  void invalidate(const arch::Command& cfgi);
  void clear();
  // 3.21.3: what is cached may go at any time, as a whole or in part.
  void lose_something();

  std::uint64_t reads() const { return reads_; }

  // The first structure on the way of {sid, index} that both have cached and that is not the same.
  struct Differs {
    StaleKind kind{};
    std::uint64_t cached{}, memory{}; // the first words that differ
  };
  std::optional<Differs> differs(const Configuration& memory, std::uint32_t sid, std::uint32_t index) const;

private:
  // An STE or CD as far as its words have been fetched.
  template <class S>
  struct Fetched {
    S value{};
    std::uint64_t at{};  // PA
    std::uint8_t have{}; // bit n: word n

    bool whole() const { return have == (1U << S::word_count) - 1; }
  };
  struct L1StdOf { // by first-level index
    arch::L1Std value;
    unsigned split;
  };
  struct L1CdOf { // by StreamID and first-level index
    arch::L1Cd value;
    unsigned split;
  };

  World world_of(const LiveRegisters& registers, const arch::Ste& ste) const;
  std::uint16_t vmid_of(const LiveRegisters& registers, const arch::Ste& ste) const;
  bool find_ste(const LiveRegisters& registers, std::uint32_t sid, arch::Ste& ste, Fault& fault);
  bool ste_address(const LiveRegisters& registers, std::uint32_t sid, std::uint64_t& address, Fault& fault);
  bool find_cd(const Regime& regime, const arch::Ste& ste, std::uint32_t sid, std::uint32_t index, arch::Cd& cd,
               Fault& fault);
  bool cd_address(const Regime& regime, const arch::Ste& ste, std::uint32_t sid, std::uint32_t index,
                  std::uint64_t& address, Fault& fault);
  bool to_pa(const Regime& regime, const arch::Ste& ste, std::uint64_t address, std::uint64_t& pa, Attributes& attr,
             Fault& fault);
  template <class S>
  bool fetch(std::uint64_t address, const Attributes& attributes, S& structure, std::uint8_t have = 0);
  template <class S>
  bool complete(ConfigCache<Fetched<S>>& cache, std::uint64_t key, std::uint64_t at, const Attributes& attributes,
                S& structure);

  static std::uint64_t key(std::uint32_t sid, std::uint32_t index) { return std::uint64_t{index} << 32 | sid; }

  Bus& bus_;
  const Facts& facts_;
  Walker& walker_;
  Contexts& contexts_;
  Choices& choices_;
  ConfigCache<Fetched<arch::Ste>> stes_;
  ConfigCache<bool> atschk_;
  ConfigCache<L1StdOf> l1stds_;
  ConfigCache<Fetched<arch::Cd>> cds_;
  ConfigCache<L1CdOf> l1cds_;
  std::uint64_t reads_{0};
};

} // namespace sluice::model
