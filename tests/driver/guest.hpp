#pragma once

#include "machine.hpp"

#include <sluice/driver/nested_domain.hpp>
#include <sluice/driver/viommu.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>

#include <cstring>

namespace sluice::test {

namespace u = uapi::arm_smmuv3;

// Words 0 and 1 of STEs as a guest writes them.
inline u::NestedSte guest_words(const arch::Ste& ste) { return {{ste.w[0], ste.w[1]}}; }
inline arch::Ste guest_stage1(std::uint64_t cd_table = 0x4128'9000) {
  using arch::Ste;
  return Ste{}
      .with(Ste::V, 1)
      .with(Ste::Config, arch::SteConfig::stage1)
      .with(Ste::S1ContextPtr, cd_table)
      .with(Ste::S1DSS, arch::S1Dss::cd0)
      .with(Ste::S1CIR, arch::Cacheability::write_back)
      .with(Ste::S1COR, arch::Cacheability::write_back)
      .with(Ste::S1CSH, arch::Shareability::inner);
}
inline arch::Ste guest_config(arch::SteConfig config) {
  return arch::Ste{}.with(arch::Ste::V, 1).with(arch::Ste::Config, config);
}

// Long enough for a busy machine, where the SMMU is to stop.
inline constexpr std::uint64_t until_it_has_stopped = 300'000;

// A guest with one device, which it knows by another StreamID than the SMMU.
struct Guest : testing::Test {
  explicit Guest(std::uint64_t timeout = 60'000'000) : timeout_us{timeout} {}

  static constexpr StreamID sid = 0x42;
  static constexpr StreamID vsid = 0x900;

  void SetUp() override {
    start();
    set_up_guest();
  }
  void TearDown() override {
    for (auto* d : m.devices) {
      static_cast<void>(d->detach());
      if (viommu != nullptr) {
        static_cast<void>(viommu->vdevice_remove(*d));
      }
    }
    for (auto* d : nested) {
      EXPECT_TRUE(d->destroy());
    }
    if (viommu != nullptr) {
      EXPECT_TRUE(viommu->destroy());
    }
  }

  void start() {
    using namespace arch;
    m.fake.id(m.fake.get<IDR3>().with(IDR3::FWB, 1));
    m.fake.id(m.fake.get<IDR1>().with(IDR1::SSIDSIZE, 8));
    m.fake.id(m.fake.get<IDR0>().with(IDR0::ATS, 1));
    auto config = Machine::quick();
    config.timeout_us = timeout_us;
    ASSERT_TRUE(m.start(config));
  }
  void set_up_guest() {
    device = &m.add({sid});
    parent = &make_parent();
    viommu = make_viommu(*parent);
    ASSERT_TRUE(viommu->vdevice_add(*device, vsid));
    m.fake.forget();
  }
  driver::PagingDomain& make_parent() {
    auto domain = m.try_paging({.nest_parent = true});
    EXPECT_TRUE(domain.ok());
    return static_cast<driver::PagingDomain&>(**domain);
  }
  driver::Viommu* make_viommu(iommu::Domain& on) {
    auto made = m.smmu->viommu_alloc(u::viommu_type, on, {});
    EXPECT_TRUE(made.ok());
    return static_cast<driver::Viommu*>(*made);
  }
  base::Result<iommu::Domain*> try_nested(const u::NestedSte& words) {
    auto made = viommu->nested_alloc(u::hwpt_data_type, std::as_bytes(std::span{&words, 1}));
    if (made) {
      nested.insert(*made);
    }
    return made;
  }
  iommu::Domain& make_nested(const arch::Ste& ste) {
    auto made = try_nested(guest_words(ste));
    EXPECT_TRUE(made.ok());
    return **made;
  }
  // Status and how many were executed.
  std::pair<base::Status, std::uint32_t> invalidate(const std::vector<arch::Command>& commands) {
    iommu::InvalidateRequest request{
        .type = u::invalidate_data_type, .entry_size = 16, .entries = std::as_bytes(std::span{commands}), .done = 99};
    auto status = viommu->invalidate(request);
    return {std::move(status), request.done};
  }
  // What the SMMU was sent, without CMD_SYNCs.
  std::vector<arch::Command> sent() {
    auto all = m.fake.commands();
    std::erase_if(all, [](const auto& c) { return c.get(arch::Command::Opcode) == arch::Opcode::CMD_SYNC; });
    return all;
  }

  std::uint64_t timeout_us;
  Machine m;
  driver::SmmuDevice* device{};
  driver::PagingDomain* parent{};
  driver::Viommu* viommu{};
  std::set<iommu::Domain*> nested;
};

} // namespace sluice::test
