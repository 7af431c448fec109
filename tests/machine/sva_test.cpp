#include <sluice/driver/sva_domain.hpp>
#include <sluice/machine/address_space.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <thread>

// A device works in a process's address space while the process changes it.
namespace sluice::machine {
namespace {

using iommu::Target;

class SvaThreads : public testing::Test {
protected:
  static constexpr std::uint32_t sid = 0x20;

  static Config config() {
    Config c;
    c.smmus.push_back({});
    c.smmus.back().features.substreamid_bits = 16;
    c.smmus.back().driver.stream_bits = 12;
    c.port.arena.size = 16 << 20;
    return c;
  }
  void SetUp() override {
    const std::array streams{sid};
    auto added = driver().add(nullptr, streams, {.pasid_bits = 9});
    ASSERT_TRUE(added);
    device = *added;
    pagetable::Config table;
    table.output_bits = 44; // the model's
    auto made = AddressSpace::make(machine.port().platform(), table);
    ASSERT_TRUE(made);
    space = std::move(*made);
    page = *machine.clients().alloc(4096);
    std::fill_n(static_cast<char*>(page.cpu), 4096, 'x');
  }
  void TearDown() override { ASSERT_TRUE(driver().remove(*device)); }
  driver::Smmu& driver() { return machine.smmu().driver(); }
  bool map() {
    using enum pagetable::Prot;
    return space->map(address, page.bus, 4096, read | write).ok();
  }
  bool reads(model::Port& port, std::uint32_t pasid) {
    char byte = 0;
    const model::Request request{.stream_id = sid, .substream_id = pasid, .address = address};
    return port.access(request, &byte).served() && byte == 'x';
  }

  static constexpr std::uint64_t address = 0x7f12'3456'7000;
  Machine machine{config()};
  iommu::Device* device{};
  std::unique_ptr<AddressSpace> space;
  platform::DmaBlock page{};
};

TEST_F(SvaThreads, TheDeviceSeesWhatTheProcessHasMappedAndNothingElse) {
  auto domain = driver().make_sva(*space);
  ASSERT_TRUE(domain);
  ASSERT_TRUE(device->attach(**domain, Target::pasid(5)));
  model::Port port{machine.smmu().model()};
  for (int i = 0; i < 200; ++i) {
    EXPECT_FALSE(reads(port, 5)) << "after unmap returned";
    ASSERT_TRUE(map());
    EXPECT_TRUE(reads(port, 5));
    EXPECT_FALSE(reads(port, 6));
    ASSERT_TRUE(space->unmap(address, 4096).ok());
  }
  ASSERT_TRUE(device->detach(Target::pasid(5)));
  EXPECT_TRUE((*domain)->destroy());
  EXPECT_EQ(space->users(), 0U);
}

TEST_F(SvaThreads, WhenTheProcessEndsUnderARunningDeviceThereIsNoStormOfEvents) {
  ASSERT_TRUE(map());
  auto domain = driver().make_sva(*space);
  ASSERT_TRUE(domain);
  ASSERT_TRUE(device->attach(**domain, Target::pasid(5)));
  base::Atomic<std::uint32_t> stop{0};
  base::Atomic<std::uint32_t> served{0};
  base::Atomic<std::uint32_t> refused{0};
  std::thread traffic{[&] {
    model::Port port{machine.smmu().model()};
    while (stop.load() == 0) {
      (reads(port, 5) ? served : refused).fetch_add(1);
    }
  }};
  auto& time = machine.port().time;
  EXPECT_TRUE(platform::wait_until(time, 20'000'000, [&] { return served.load() > 10; }));
  EXPECT_EQ(refused.load(), 0U);
  EXPECT_TRUE(space->end());
  const std::uint32_t before = served.load();
  const std::uint32_t then = refused.load();
  EXPECT_TRUE(platform::wait_until(time, 20'000'000, [&] { return refused.load() > then + 100; }));
  EXPECT_LE(served.load(), before + 1) << "one that was counted late";
  stop.store(1);
  traffic.join();
  driver().poll();
  EXPECT_EQ(driver().counters().events, 0U);
  ASSERT_TRUE(device->detach(Target::pasid(5)));
  EXPECT_TRUE((*domain)->destroy());
}

// Domains come and go while the process maps and unmaps, and while it ends.
TEST_F(SvaThreads, BindingAndUnbindingMeetEveryMomentOfTheProcess) {
  for (int round = 0; round < 20; ++round) {
    auto made = AddressSpace::make(machine.port().platform(), [] {
      pagetable::Config table;
      table.output_bits = 44;
      return table;
    }());
    ASSERT_TRUE(made);
    space = std::move(*made);
    base::Atomic<std::uint32_t> failures{0};
    std::thread process{[&] {
      for (int i = 0; i < 50; ++i) {
        const bool done = map() && space->unmap(address, 4096).ok();
        failures.fetch_add(done ? 0 : 1);
      }
      failures.fetch_add(space->end().ok() ? 0 : 1);
    }};
    for (int i = 0; i < 30; ++i) {
      auto domain = driver().make_sva(*space);
      if (!domain) {
        EXPECT_EQ(domain.error(), base::Errc::not_found) << "it has ended";
        break;
      }
      const auto attached = device->attach(**domain, Target::pasid(7));
      if (attached) {
        EXPECT_TRUE(device->detach(Target::pasid(7)));
      } else {
        EXPECT_EQ(attached.error(), base::Errc::not_found);
      }
      EXPECT_TRUE((*domain)->destroy());
    }
    process.join();
    EXPECT_EQ(failures.load(), 0U);
    EXPECT_EQ(space->users(), 0U);
  }
}

} // namespace
} // namespace sluice::machine
