#pragma once

#include "fake_smmu.hpp"

#include <sluice/driver/code.hpp>
#include <sluice/driver/device.hpp>
#include <sluice/driver/paging_domain.hpp>
#include <sluice/driver/smmu.hpp>
#include <sluice/hosted/port.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <set>

namespace sluice::base {
inline void PrintTo(Errc e, std::ostream* os) { *os << "Errc " << static_cast<int>(e); }
} // namespace sluice::base

namespace sluice::test {

using base::Errc;
using driver::StreamID;

struct Machine {
  explicit Machine(const hosted::PortConfig& config = {}) : port{config}, fake{port.arena} {}
  ~Machine() {
    for (auto* device : devices) {
      static_cast<void>(smmu->remove(*device));
    }
    for (auto* domain : domains) {
      static_cast<void>(domain->destroy());
    }
  }

  base::Status start(driver::Config config = quick()) {
    auto made = driver::Smmu::make(port.platform(), fake, config);
    if (!made) {
      return made.error();
    }
    smmu = std::move(*made);
    return {};
  }
  static driver::Config quick() {
    driver::Config config;
    config.timeout_us = 2000; // the fake answers at once or never
    return config;
  }
  driver::SmmuDevice& add(std::initializer_list<StreamID> sids, const driver::DeviceFacts& facts = {}) {
    const std::vector<StreamID> all{sids};
    auto device = smmu->add(nullptr, all, facts);
    EXPECT_TRUE(device.ok());
    devices.insert(*device);
    return static_cast<driver::SmmuDevice&>(**device);
  }
  base::Status remove(iommu::Device& device) {
    devices.erase(&device);
    return smmu->remove(device);
  }
  base::Result<iommu::Domain*> try_paging(const iommu::PagingOptions& options) {
    auto domain = smmu->make_paging(options);
    if (domain) {
      domains.insert(*domain);
    }
    return domain;
  }
  driver::PagingDomain& paging(iommu::Stage stage = iommu::Stage::first) {
    auto domain = try_paging({.stage = stage});
    EXPECT_TRUE(domain.ok());
    return static_cast<driver::PagingDomain&>(**domain);
  }
  base::Status destroy(iommu::Domain& domain) {
    const auto status = domain.destroy();
    if (status) {
      domains.erase(&domain);
    }
    return status;
  }
  bool logged(driver::Code code) {
    const auto notes = port.log.notes();
    return std::ranges::any_of(notes, [&](const auto& n) { return n.code == static_cast<std::uint16_t>(code); });
  }

  // What the SMMU finds for a StreamID, by its own two reads; nothing if there is no STE.
  std::optional<arch::Ste> ste(StreamID sid) {
    using namespace arch;
    const auto cfg = fake.get<STRTAB_BASE_CFG>();
    std::uint64_t table = fake.get<STRTAB_BASE>().get(STRTAB_BASE::ADDR);
    std::uint64_t index = sid;
    if (cfg.get(STRTAB_BASE_CFG::FMT) == StreamTableFormat::two_level) {
      const auto split = static_cast<unsigned>(cfg.get(STRTAB_BASE_CFG::SPLIT));
      const L1Std l1 = words<L1Std>(table + 8 * (sid >> split));
      if (l1std_entries(l1.get(L1Std::Span)) == 0) {
        return std::nullopt;
      }
      table = l1.get(L1Std::L2Ptr);
      index = sid & ((1U << split) - 1);
    }
    return words<Ste>(table + Ste::byte_size * index);
  }
  std::optional<arch::Cd> cd(StreamID sid, std::uint32_t ssid = 0) {
    using namespace arch;
    const auto s = ste(sid);
    if (!s || !translates_stage1(s->get(Ste::Config)) || (ssid >> s->get(Ste::S1CDMax)) != 0) {
      return std::nullopt;
    }
    std::uint64_t table = s->get(Ste::S1ContextPtr);
    if (const unsigned split = cd_split(s->get(Ste::S1Fmt)); split != 0 && s->get(Ste::S1CDMax) != 0) {
      const L1Cd l1 = words<L1Cd>(table + L1Cd::byte_size * (ssid >> split));
      if (l1.get(L1Cd::V) == 0) {
        return std::nullopt;
      }
      table = l1.get(L1Cd::L2Ptr);
      ssid &= (1U << split) - 1;
    }
    return words<Cd>(table + Cd::byte_size * ssid);
  }
  template <class S>
  S words(std::uint64_t bus) {
    S s;
    const auto at = port.arena.at(bus, S::byte_size);
    EXPECT_TRUE(at.has_value());
    const auto* from = static_cast<const base::DmaWord*>(*at);
    for (std::size_t i = 0; i < S::word_count; ++i) {
      s.w[i] = from[i].load();
    }
    return s;
  }

  hosted::Port port;
  FakeSmmu fake;
  platform::Owned<driver::Smmu> smmu;
  std::set<iommu::Device*> devices;
  std::set<iommu::Domain*> domains;
};

} // namespace sluice::test
