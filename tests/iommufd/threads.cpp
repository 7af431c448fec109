#include "fakes.hpp"

#include <sluice/hosted/random.hpp>
#include <sluice/iommufd/access.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

// Several threads on one context: clients, a device that faults, software that pins.
namespace sluice::iommufd::test {
namespace {

// A thread's own place in the caller's memory.
class Calling {
public:
  Calling(Client& client, unsigned thread) : c_{client}, at_{0x8000 + thread * 0x800ULL} {}

  template <class T>
  int call(T& cmd) {
    cmd.size = sizeof cmd;
    std::memcpy(&c_.caller.bytes[at_], &cmd, sizeof cmd);
    const int result = -c_.context.ioctl(u::call(T::nr), at_);
    std::memcpy(&cmd, &c_.caller.bytes[at_], sizeof cmd);
    return result;
  }
  int map(std::uint32_t ioas, std::uint64_t iova, std::uint64_t va) {
    u::IoasMap cmd{.flags = 7, .ioas_id = ioas, .user_va = va, .length = 0x2000, .iova = iova};
    return call(cmd);
  }
  int unmap(std::uint32_t ioas, std::uint64_t iova) {
    u::IoasUnmap cmd{.ioas_id = ioas, .iova = iova, .length = 0x2000};
    return call(cmd);
  }
  int destroy(std::uint32_t id) {
    u::Destroy cmd{.id = id};
    return call(cmd);
  }
  std::uint64_t at() const { return at_; }

private:
  Client& c_;
  std::uint64_t at_;
};

TEST(ContextThreads, CallsOfAllKindsAndFaultsMeetAndNothingIsLeft) {
  constexpr unsigned rounds = 300;
  Client c;
  c.rng.pasids = 16;
  const std::uint32_t ioas = c.ioas();
  Device* const device = *c.context.bind(c.rng, {.reserved = {{0x800'0000, 0x80f'ffff}}});
  const std::uint32_t queue = c.fault_queue();
  QueueFile& file = *c.channels.queue_file;
  constexpr std::uint32_t flags = u::hwpt_pasid | u::hwpt_dirty_tracking | u::hwpt_fault_id_valid;
  ASSERT_EQ(c.hwpt(device->id(), ioas, flags, queue), 0);
  const std::uint32_t table = c.made;
  FakeDomain& domain = *c.unit.last_paging;
  std::atomic<bool> stop{false};
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < 2; ++t) { // areas of their own, and an IOAS that comes and goes
    threads.emplace_back([&, t] {
      Calling client{c, t};
      hosted::Random random{t + 1};
      for (unsigned i = 0; i < rounds; ++i) {
        const std::uint64_t iova = 0x10'0000 * (t + 1) + random.below(4) * 0x2000;
        const int mapped = client.map(ioas, iova, 0x10'0000);
        EXPECT_TRUE(mapped == 0 || mapped == EEXIST);
        u::IoasAlloc alloc{};
        EXPECT_EQ(client.call(alloc), 0);
        u::IoasCopy copy{.flags = 7,
                         .dst_ioas_id = alloc.out_ioas_id,
                         .src_ioas_id = ioas,
                         .length = 0x1000,
                         .dst_iova = 0x5000,
                         .src_iova = iova};
        EXPECT_EQ(client.call(copy), 0);
        const int unmapped = client.unmap(ioas, iova);
        EXPECT_EQ(unmapped, 0);
        EXPECT_EQ(client.destroy(alloc.out_ioas_id), 0);
      }
    });
  }
  threads.emplace_back([&] { // who attaches
    for (unsigned i = 0; i < rounds; ++i) {
      EXPECT_TRUE(c.context.attach(*device, table, i % 3));
      EXPECT_EQ(c.context.attach(*device, table, 99).error(), base::Errc::invalid_argument);
      c.context.detach(*device, (i + 1) % 3);
    }
    for (const std::uint32_t pasid : {0U, 1U, 2U}) {
      c.context.detach(*device, pasid);
    }
  });
  std::jthread faulting{[&] { // the device
    const iommu::PageRequest page{.iova = 0x5000, .read = true};
    while (!stop.load()) {
      const platform::ReadSection section{c.port.sync};
      domain.deliver({.device = &c.rng, .domain = &domain, .pages = {&page, 1}, .ticket = {}});
    }
  }};
  std::jthread answering{[&] { // who reads and answers
    const Calling client{c, 4};
    while (!stop.load()) {
      if (file.read(client.at(), 4 * sizeof(u::HwptPgfault), 0) > 0) {
        u::HwptPgfault record;
        std::memcpy(&record, &c.caller.bytes[client.at()], sizeof record);
        const u::HwptPageResponse response{record.cookie, u::page_response_success};
        std::memcpy(&c.caller.bytes[client.at()], &response, sizeof response);
        const auto written = file.write(client.at(), sizeof response, 0);
        EXPECT_TRUE(written == sizeof response || written == -EINVAL);
      }
    }
  }};
  std::jthread tracking{[&] {
    Calling client{c, 5};
    while (!stop.load()) {
      u::HwptSetDirtyTracking set{.flags = u::dirty_tracking_enable, .hwpt_id = table};
      EXPECT_EQ(client.call(set), 0);
      u::HwptGetDirtyBitmap get{
          .hwpt_id = table, .iova = 0x10'0000, .length = 0x20'0000, .page_size = 4096, .data = client.at() + 0x400};
      EXPECT_EQ(client.call(get), 0);
    }
  }};
  threads.clear();
  stop.store(true);
  faulting.join();
  answering.join();
  tracking.join();
  EXPECT_TRUE(domain.pages.empty());
  EXPECT_EQ(c.limit.charged(false), 0u);
  EXPECT_EQ(c.destroy(table), 0);
  c.context.unbind(*device);
  c.channels.last_queue->open = false;
  EXPECT_EQ(c.destroy(queue), 0);
  EXPECT_EQ(c.destroy(ioas), 0);
  EXPECT_EQ(c.context.objects(), 0u);
}

// One pins and lets go when it is asked to; the client unmaps and maps under it. What is pinned is never gone.
TEST(ContextThreads, AnUnmapWaitsForPinsThatAreUnderWay) {
  struct Pinning final : AccessUser {
    void on_unmap(std::uint64_t, std::uint64_t) override { asked.store(true); }
    std::atomic<bool> asked{false};
  };
  constexpr std::uint64_t iova = 0x1'0000;
  Client c;
  const std::uint32_t ioas = c.ioas();
  Pinning user;
  Access* const access = *c.context.open_access(&user, true);
  ASSERT_TRUE(c.context.attach_access(*access, ioas));
  std::atomic<bool> stop{false};
  std::atomic<unsigned> pinned{0};
  std::jthread pinning{[&] {
    std::array<std::uint64_t, 2> pages{};
    while (!stop.load()) {
      if (c.context.pin(*access, iova, 0x2000, true, pages)) {
        pinned.fetch_add(1);
        EXPECT_EQ(pages[1], FakePages::above + 0x10'1000);
        EXPECT_TRUE(c.context.unpin(*access, iova, 0x2000));
      }
    }
  }};
  Calling client{c, 0};
  unsigned unmapped = 0;
  for (unsigned i = 0; i < 24; ++i) {
    const int mapped = client.map(ioas, iova, 0x10'0000);
    EXPECT_TRUE(mapped == 0 || mapped == EEXIST);
    const unsigned before = pinned.load();
    for (unsigned waits = 0; i % 16 == 0 && waits < 1'000 && pinned.load() == before; ++waits) {
      std::this_thread::yield();
    }
    const int result = client.unmap(ioas, iova);
    EXPECT_TRUE(result == 0 || result == EDEADLK);
    unmapped += result == 0 ? 1 : 0;
  }
  stop.store(true);
  pinning.join();
  static_cast<void>(client.unmap(ioas, iova));
  EXPECT_GT(unmapped, 0u);
  EXPECT_GT(pinned.load(), 0u);
  EXPECT_EQ(c.pages.live, 0);
  EXPECT_TRUE(c.context.close_access(*access));
}

} // namespace
} // namespace sluice::iommufd::test
