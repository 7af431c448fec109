#pragma once

#include "fake_function.hpp"
#include "states.hpp"

#include <map>
#include <string>
#include <vector>

namespace sluice::test {

struct PriSetup {
  bool pasid_in_response{};
  unsigned page_requests{256};
  unsigned per_function{32};
  std::uint64_t timeout_us{10'000'000};
  bool pri{true};
  driver::Wire wire{};
  bool interrupts_may_wait{true};
};

// A function that asks for pages, and all that is done in order: PCI ATS and PRI, ATC invalidations and answers.
struct PriWorld {
  using Command = arch::Command;
  using Opcode = arch::Opcode;
  using PriRecord = arch::PriRecord;
  using Target = iommu::Target;
  using Trace = std::vector<std::string>;
  static constexpr StreamID sid = 0x10;

  explicit PriWorld(const PriSetup& setup = {}) : function{9, true, 40, setup.pasid_in_response} {
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::ATS, 1).with(arch::IDR0::PRI, setup.pri));
    PasidMachine::give_substreams(m.fake);
    m.fake.id(m.fake.get<arch::IDR1>().with(arch::IDR1::PRIQS, 7));
    auto config = Machine::quick();
    config.page_requests = setup.page_requests;
    config.page_requests_per_function = setup.per_function;
    config.page_request_timeout_us = setup.timeout_us;
    config.page_request_wire = setup.wire;
    config.interrupts_may_wait = setup.interrupts_may_wait;
    EXPECT_TRUE(m.start(config));
    device = add(function, sid);
    function.on_ats = [this](bool on) {
      EXPECT_FALSE(function.pri()) << "no page is asked for without ATS";
      trace.emplace_back(on ? "ATS on" : "ATS off");
    };
    function.on_pri = [this](bool on) {
      EXPECT_TRUE(!on || function.ats()) << "PRI on implies ATS on";
      trace.emplace_back(on ? "PRI on" : "PRI off");
    };
    m.fake.on_command = [this](const Command& c) { note(c); };
  }

  struct Keeper : iommu::PageRequestHandler {
    void on_page_requests(const iommu::PageRequestGroup& group) override {
      groups.push_back(group);
      pages.emplace_back(group.pages.begin(), group.pages.end());
    }
    std::vector<iommu::PageRequestGroup> groups;
    std::vector<std::vector<iommu::PageRequest>> pages;
  };
  // Another function behind the same SMMU.
  struct Neighbour {
    Neighbour(PriWorld& world, StreamID stream) : device{world.add(function, stream)}, world_{world} {}
    ~Neighbour() { EXPECT_TRUE(world_.m.remove(*device)); }
    FakeFunction function{9, true, 40};
    driver::SmmuDevice* device;

  private:
    PriWorld& world_;
  };

  driver::SmmuDevice* add(FakeFunction& of, StreamID stream) {
    auto added = m.smmu->add(&of, {&stream, 1});
    EXPECT_TRUE(added.ok());
    m.devices.insert(*added);
    return static_cast<driver::SmmuDevice*>(*added);
  }
  iommu::Domain& plain() { return m.paging(); }
  iommu::Domain& serving() {
    auto made = m.try_paging({.stage = iommu::Stage::first, .page_requests = true});
    EXPECT_TRUE(made.ok());
    EXPECT_TRUE((*made)->set_page_request_handler(&keeper).ok());
    serving_domains.push_back(*made);
    return **made;
  }

  static PriRecord record(std::uint16_t group, std::uint64_t address, bool last) {
    return PriRecord{}
        .with(PriRecord::StreamID, sid)
        .with(PriRecord::R, 1)
        .with(PriRecord::Last, last)
        .with(PriRecord::PRGIndex, group)
        .with(PriRecord::PageAddr, address);
  }
  void put(const PriRecord& r) { EXPECT_TRUE(m.fake.put_page_request(r)); }
  // A group of one page, for which the function waits. PASID 0: none.
  void ask(std::uint16_t group, std::uint32_t pasid = 0) {
    ++function.outstanding;
    ++asked[group];
    put(record(group, 0x7000, true).with(PriRecord::SSV, pasid != 0).with(PriRecord::SubstreamID, pasid));
  }
  void poll() { m.smmu->poll(); }

  void note(const Command& c) {
    const auto opcode = c.get(Command::Opcode);
    if (opcode == Opcode::CMD_PRI_RESP) {
      const auto group = static_cast<std::uint16_t>(c.get(Command::PRGIndex));
      static constexpr const char* codes[] = {" failure", " invalid", " success"};
      trace.push_back("answer " + std::to_string(group) + codes[static_cast<int>(c.get(Command::Resp))]);
      function.outstanding -= std::exchange(asked[group], 0);
    } else if (opcode == Opcode::CMD_ATC_INV) {
      trace.emplace_back("ATC");
    } else if (opcode == Opcode::CMD_SYNC) {
      trace.emplace_back("SYNC");
    } else {
      trace.emplace_back("change");
    }
  }
  Trace take() { return std::exchange(trace, {}); }

  Trace trace;
  std::map<std::uint16_t, unsigned> asked;
  FakeFunction function;
  Keeper keeper;
  Machine m;
  driver::SmmuDevice* device{};
  std::vector<iommu::Domain*> serving_domains;
};
struct Pri : testing::Test, PriWorld {};
struct PriNamed : testing::Test, PriWorld {
  PriNamed() : PriWorld{PriSetup{.pasid_in_response = true}} {}
};
using PriTrace = PriWorld::Trace;

} // namespace sluice::test
