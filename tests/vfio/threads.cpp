#include "rig.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace sluice::vfio::test {
namespace {

// The device's thread delivers, one vCPU answers interrupts as QEMU does, and another one plays with masks.
TEST(VfioThreads, NoInterruptIsLost) {
  constexpr std::uint16_t rounds = 300;
  Rig r;
  ASSERT_EQ(r.bind(), 0);
  Event event;
  ASSERT_EQ(r.intx(event), 0);
  r.start_guest();

  std::atomic<bool> stop{};
  std::thread device{[&] {
    while (!stop.load()) {
      r.guest.rng.run(r.guest.memory);
      std::this_thread::yield();
    }
  }};
  std::thread other{[&] {
    while (!stop.load()) {
      r.guest.status();
      r.guest.rng.config_read(config::status, 2);
      r.guest.rng.delivered();
      std::this_thread::yield();
    }
  }};
  // Buffers are made available while the device is idle: its memory is ordinary memory here.
  std::uint64_t lost = 0;
  for (std::uint16_t i = 0; i < rounds; ++i) {
    r.guest.offer();
    pollfd p{.fd = event.fd, .events = POLLIN, .revents = 0};
    lost += poll(&p, 1, 10000) == 1 ? 0 : 1;
    if (lost != 0) {
      break;
    }
    event.take();
    while (r.guest.isr() == 0) {
    }
    ASSERT_EQ(r.unmask(), 0);
  }
  stop.store(true);
  device.join();
  other.join();
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(r.guest.used(), rounds);
}

// Calls of several vCPUs, a reset among them, and the end of the file while the device works.
TEST(VfioThreads, ResetsInterruptsAndConfigurationMeet) {
  Rig r;
  ASSERT_EQ(r.bind(), 0);
  Event event;
  std::atomic<bool> stop{};
  std::thread device{[&] {
    while (!stop.load()) {
      r.guest.rng.run(r.guest.memory);
      std::this_thread::yield();
    }
  }};
  // Each with memory of its own.
  const auto client = [&](std::uint64_t at, auto step) {
    return std::thread{[at, step] {
      for (int i = 0; i < 200; ++i) {
        step(at, i);
      }
    }};
  };
  const auto put = [&](std::uint64_t at, auto value) { std::memcpy(&r.caller.bytes[at], &value, sizeof value); };
  std::thread resets = client(0x2000, [&](std::uint64_t, int) { r.file->ioctl(u::device_reset, 0); });
  std::thread irqs = client(0x3000, [&](std::uint64_t at, int i) {
    const bool on = i % 2 == 0;
    put(at, u::IrqSet{.argsz = 24,
                      .flags = u::irq_set_action_trigger | (on ? u::irq_set_data_eventfd : u::irq_set_data_none),
                      .index = 0,
                      .start = 0,
                      .count = on ? 1u : 0u});
    put(at + 20, event.fd);
    r.file->ioctl(u::device_set_irqs, at);
  });
  std::thread configuration = client(0x5000, [&](std::uint64_t at, int i) {
    put(at, static_cast<std::uint16_t>(i % 3 == 0 ? 0x6 : 0x406));
    r.file->pwrite(at, 2, Rig::region(u::region_config, config::command));
    r.file->pread(at + 16, 64, Rig::region(u::region_config, 0));
  });
  std::thread bar = client(0x7000, [&](std::uint64_t at, int) {
    put(at, std::uint16_t{0});
    r.file->pwrite(at, 2, Rig::region(0, pcie::VirtioRng::notify_at));
    r.file->pread(at, 1, Rig::region(0, pcie::VirtioRng::isr_at));
    put(at, std::uint8_t{1});
    r.file->pwrite(at, 1, Rig::region(u::region_config, pcie::hook::command));
  });
  for (std::thread* thread : {&resets, &irqs, &configuration, &bar}) {
    thread->join();
  }
  r.file.reset();
  stop.store(true);
  device.join();
  EXPECT_EQ(r.iommufds.context->objects(), 0u);
  EXPECT_FALSE(r.guest.rng.bus_master());
}

// One more would fit when each of them looks, and not when it writes.
TEST(VfioThreads, NobodyWaitsForAnEventfdThatOthersFill) {
  constexpr unsigned signallers = 4;
  Event event{0};
  const auto own = Eventfd::duplicate(event.fd);
  ASSERT_TRUE(own);
  bool waited = false;
  for (int round = 0; round < 200 && !waited; ++round) {
    const std::uint64_t room_for_one = ~0ULL - 2;
    ASSERT_EQ(write(event.fd, &room_for_one, sizeof room_for_one), 8);
    std::atomic<unsigned> ready{};
    std::atomic<unsigned> done{};
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < signallers; ++i) {
      threads.emplace_back([&] {
        ++ready;
        while (ready.load() != signallers) {
        }
        own->signal();
        ++done;
      });
    }
    for (int ms = 0; done.load() != signallers && ms < 5'000; ++ms) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    waited = done.load() != signallers;
    while (done.load() != signallers) { // what waits goes on
      event.take();
    }
    event.take();
  }
  EXPECT_FALSE(waited);
}

} // namespace
} // namespace sluice::vfio::test
