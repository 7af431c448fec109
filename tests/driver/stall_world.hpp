#pragma once

#include "machine.hpp"

#include <vector>

namespace sluice::test {

// Transactions that the SMMU holds until software answers, as the driver sees them.
struct StallWorld {
  using Command = arch::Command;
  using Event = arch::Event;
  using Opcode = arch::Opcode;
  using StallModel = arch::StallModel;
  using Stage = iommu::Stage;
  static constexpr StreamID sid = 0x42;

  struct Keeper : iommu::PageRequestHandler {
    void on_page_requests(const iommu::PageRequestGroup& group) override {
      groups.push_back(group);
      pages.insert(pages.end(), group.pages.begin(), group.pages.end());
    }
    std::vector<iommu::PageRequestGroup> groups;
    std::vector<iommu::PageRequest> pages;
  };
  struct Recorder : iommu::FaultHandler {
    void on_fault(const iommu::Fault& f) override { faults.push_back(f); }
    std::vector<iommu::Fault> faults;
  };

  void start(StallModel model, driver::Config config = Machine::quick()) {
    m.fake.id(m.fake.get<arch::IDR0>().with(arch::IDR0::STALL_MODEL, model));
    ASSERT_TRUE(m.start(config));
  }
  driver::PagingDomain& paging(Stage stage = Stage::first, bool serves = true) {
    auto domain = m.try_paging({.stage = stage, .page_requests = serves});
    EXPECT_TRUE(domain.ok());
    if (serves) {
      EXPECT_TRUE((*domain)->set_page_request_handler(&keeper).ok());
    }
    return static_cast<driver::PagingDomain&>(**domain);
  }
  driver::SmmuDevice& device(StreamID stream = sid, bool may_stall = true) {
    const std::array streams{stream};
    auto made = m.smmu->add(nullptr, streams, {.may_stall = may_stall});
    EXPECT_TRUE(made.ok());
    m.devices.insert(*made);
    return static_cast<driver::SmmuDevice&>(**made);
  }
  static Event record(std::uint16_t stag, StreamID stream = sid) {
    return Event{}
        .with(Event::Type, arch::EventType::F_TRANSLATION)
        .with(Event::StreamID, stream)
        .with(Event::Stall, 1)
        .with(Event::STAG, stag)
        .with(Event::RnW, 1)
        .with(Event::InputAddr, 0x7000);
  }
  void stall(std::uint16_t stag, StreamID stream = sid) {
    ASSERT_TRUE(m.fake.put_event(record(stag, stream).w));
    m.smmu->poll();
  }
  // The answers to a STAG, in order.
  std::vector<Command> answers(std::uint16_t stag) {
    std::vector<Command> all;
    for (const Command& c : m.fake.commands()) {
      if (c.get(Command::Opcode) == Opcode::CMD_RESUME && c.get(Command::STAG) == stag) {
        all.push_back(c);
      }
    }
    return all;
  }
  void expect_one(std::uint16_t stag, const Command& answer) {
    const auto all = answers(stag);
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0], answer);
  }
  static Command retry(std::uint16_t stag, StreamID stream = sid) { return arch::cmd::resume_retry(stream, stag); }
  static Command end(std::uint16_t stag, StreamID stream = sid) {
    return arch::cmd::resume_terminate(stream, stag, true);
  }

  Machine m;
  Keeper keeper;
};
struct Stalled : testing::Test, StallWorld {
  void SetUp() override { start(StallModel::stall_or_terminate); }
};
struct ForcedStalls : testing::Test, StallWorld {
  void SetUp() override { start(StallModel::stall); }
};

} // namespace sluice::test
