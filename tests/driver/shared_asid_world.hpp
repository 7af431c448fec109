#pragma once

#include "fake_function.hpp"
#include "fake_space.hpp"
#include "states.hpp"

#include <sluice/driver/sva_domain.hpp>

#include <vector>

namespace sluice::test {

// Address spaces under the processors' ASIDs behind one SMMU. 3.17
struct AsidWorld {
  using Cd = arch::Cd;
  using Command = arch::Command;
  using Opcode = arch::Opcode;
  using Broadcast = driver::Broadcast;

  struct Setup {
    Broadcast broadcast{Broadcast::el1};
    bool btm{true};
    bool hyp{true};
    bool long_asids{true};
    std::uint64_t timeout_us{2000};
  };
  AsidWorld() : AsidWorld{Setup{}} {}
  explicit AsidWorld(const Setup& setup) {
    PasidMachine::give_substreams(m.fake);
    m.fake.id(m.fake.get<arch::IDR0>()
                  .with(arch::IDR0::ATS, 1)
                  .with(arch::IDR0::BTM, setup.btm)
                  .with(arch::IDR0::Hyp, setup.hyp)
                  .with(arch::IDR0::ASID16, setup.long_asids));
    auto config = Machine::quick();
    config.broadcast = setup.broadcast;
    config.timeout_us = setup.timeout_us;
    EXPECT_TRUE(m.start(config));
    const StreamID sid = 0x10;
    device = *m.smmu->add(&function, {&sid, 1});
    m.devices.insert(device);
  }
  ~AsidWorld() {
    m.fake.on_command = nullptr;
    m.fake.stopped = false;
    EXPECT_TRUE(m.remove(*device));
    for (auto* d : made) {
      EXPECT_TRUE(d->destroy());
    }
  }
  base::Result<iommu::Domain*> try_sva(FakeSpace& of) {
    auto domain = m.smmu->make_sva(of);
    if (domain) {
      made.push_back(*domain);
    }
    return domain;
  }
  driver::SvaDomain& sva(std::uint16_t asid) {
    space.known_as = asid;
    auto domain = try_sva(space);
    EXPECT_TRUE(domain.ok());
    return static_cast<driver::SvaDomain&>(**domain);
  }
  Cd cd(std::uint32_t pasid = 0, StreamID sid = 0x10) { return m.cd(sid, pasid).value_or(Cd{}); }
  std::vector<Opcode> opcodes() {
    std::vector<Opcode> all;
    for (const auto& c : m.fake.commands()) {
      all.push_back(c.get(Command::Opcode));
    }
    return all;
  }

  FakeSpace space;
  FakeFunction function;
  Machine m;
  iommu::Device* device{};
  std::vector<iommu::Domain*> made;
};
struct SharedAsids : testing::Test, AsidWorld {};

} // namespace sluice::test
