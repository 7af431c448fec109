#include "guest.hpp"
#include "monitor.hpp"

#include <sluice/hosted/random.hpp>

#include <atomic>
#include <cerrno>
#include <set>
#include <thread>

// A monitor that maps memory when devices ask for it.
namespace sluice::machine::test {
namespace {

using Kind = model::Outcome::Kind;

HostConfig stalling_host() {
  HostConfig config = small_host(0);
  config.smmus[0].features.stall_model = 0;
  config.smmus[0].features.stall_max = 16;
  config.smmus[0].features.substreamid_bits = 8;
  config.engines.push_back(
      {.address = {.device = 8}, .engine = {.ats = {.capabilities = {.pasid_bits = 6}}}, .may_stall = true});
  return config;
}

class FaultClient : public testing::Test, protected Monitor {
protected:
  static constexpr std::uint64_t iova = 0x4000'0000;
  static constexpr std::uint32_t stream = 8 << 3;

  FaultClient() : Monitor{stalling_host(), 64 * page} {
    i::FaultQueueAlloc c;
    EXPECT_EQ(iommu.call(c), 0);
    queue = c.out_fault_id;
    fd = static_cast<int>(c.out_fault_fd);
    table = faulting();
    EXPECT_NE(table, 0U);
  }
  ~FaultClient() override { ::close(fd); }

  std::uint32_t faulting(std::uint32_t flags = i::hwpt_pasid) {
    return iommu.table(engine.id, ioas, flags | i::hwpt_fault_id_valid, queue);
  }
  bool readable(int ms = 5'000) const {
    pollfd p{.fd = fd, .events = POLLIN | POLLOUT, .revents = 0};
    EXPECT_EQ(poll(&p, 1, 0), 1) << "it can always be written";
    p.events = POLLIN;
    return poll(&p, 1, ms) == 1 && (p.revents & POLLIN) != 0;
  }
  std::vector<i::HwptPgfault> take(std::size_t most = 64) {
    std::vector<i::HwptPgfault> records(most);
    const auto bytes = host.queues().find(fd)->read(fd, pointer(records.data()), most * sizeof(i::HwptPgfault));
    EXPECT_GE(bytes, 0);
    records.resize(bytes < 0 ? 0 : static_cast<std::size_t>(bytes) / sizeof(i::HwptPgfault));
    return records;
  }
  std::int64_t answer(std::uint32_t cookie, std::uint32_t code) {
    const i::HwptPageResponse response{cookie, code};
    return host.queues().find(fd)->write(pointer(&response), sizeof response);
  }
  static model::Request request(std::uint64_t at, bool write = true, std::uint32_t pasid = 0) {
    model::Request r{.stream_id = stream, .address = at, .size = 8, .write = write};
    if (pasid != 0) {
      r.substream_id = pasid;
    }
    return r;
  }
  // Waits as long as the transaction does.
  Kind finish(model::Port& port, model::Outcome outcome, void* data) {
    static_cast<void>(platform::wait_until(host.port().time, 10'000'000, [&] {
      if (outcome.kind == Kind::stalled) {
        outcome = port.follow_up(outcome.stall, data);
      }
      return outcome.kind != Kind::stalled;
    }));
    return outcome.kind;
  }
  Kind access(model::Port& port, std::uint64_t at, std::uint32_t pasid = 0) {
    std::uint64_t word = at;
    return finish(port, port.access(request(at, true, pasid), &word), &word);
  }
  driver::Counters counters() const { return host.account().smmus[0].driver; }

  std::uint32_t queue{};
  std::uint32_t table{};
  int fd{-1};
};

TEST_F(FaultClient, ATransactionGoesOnWhenTheClientHasMappedItsPage) {
  ASSERT_EQ(engine.attach(table), 0);
  std::jthread client{[&] {
    ASSERT_TRUE(readable());
    const auto records = take();
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].dev_id, engine.id);
    EXPECT_EQ(records[0].addr & ~0xfffULL, iova);
    EXPECT_EQ(records[0].perm & 3, i::pgfault_write);
    EXPECT_EQ(records[0].flags, i::pgfault_last_page);
    ASSERT_EQ(iommu.map(ioas, iova, ram.at, page), 0);
    EXPECT_EQ(answer(records[0].cookie, i::page_response_success), 8);
  }};
  model::Port port{host.hardware(0)};
  EXPECT_EQ(access(port, iova + 8), Kind::served);
  client.join();
  EXPECT_EQ(ram.get<std::uint64_t>(8), iova + 8);
}

TEST_F(FaultClient, ATransactionEndsWhenTheClientHasNothingThere) {
  ASSERT_EQ(engine.attach(table), 0);
  std::jthread client{[&] {
    ASSERT_TRUE(readable());
    EXPECT_EQ(answer(take().at(0).cookie, i::page_response_invalid), 8);
  }};
  model::Port port{host.hardware(0)};
  EXPECT_EQ(access(port, iova), Kind::aborted);
}

TEST_F(FaultClient, AFaultOfAPasidSaysWhich) {
  ASSERT_EQ(engine.attach(table, 5), 0);
  std::jthread client{[&] {
    ASSERT_TRUE(readable());
    const auto records = take();
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].flags, i::pgfault_last_page | i::pgfault_pasid_valid);
    EXPECT_EQ(records[0].pasid, 5U);
    ASSERT_EQ(iommu.map(ioas, iova, ram.at, page), 0);
    EXPECT_EQ(answer(records[0].cookie, i::page_response_success), 8);
  }};
  model::Port port{host.hardware(0)};
  EXPECT_EQ(access(port, iova, 5), Kind::served);
}

TEST_F(FaultClient, ADetachEndsWhatWaitsAndItsCookieIsUnknown) {
  ASSERT_EQ(engine.attach(table), 0);
  model::Port port{host.hardware(0)};
  std::uint64_t word = 0;
  const auto waiting = port.access(request(iova), &word);
  ASSERT_EQ(waiting.kind, Kind::stalled);
  ASSERT_TRUE(readable());
  ASSERT_EQ(take().size(), 1U);
  ASSERT_EQ(engine.detach(), 0);
  EXPECT_EQ(finish(port, waiting, &word), Kind::aborted);
  EXPECT_EQ(answer(1, i::page_response_success), -EINVAL);
}

TEST_F(FaultClient, WhatWaitsWhenItsTableIsReplacedIsTriedAgainInTheNewOne) {
  ASSERT_EQ(engine.attach(table), 0);
  model::Port port{host.hardware(0)};
  std::uint64_t word = 9;
  const auto waiting = port.access(request(iova), &word);
  ASSERT_EQ(waiting.kind, Kind::stalled);
  ASSERT_TRUE(readable()); // else it would be the new table's
  const std::uint32_t other = iommu.ioas();
  ASSERT_EQ(iommu.map(other, iova, ram.at, page), 0);
  ASSERT_EQ(engine.attach(iommu.table(engine.id, other, i::hwpt_fault_id_valid, queue)), 0);
  EXPECT_EQ(finish(port, waiting, &word), Kind::served);
  EXPECT_EQ(ram.get<std::uint64_t>(0), 9U);
  EXPECT_TRUE(take().empty()) << "and the client need not answer";
}

TEST_F(FaultClient, ADescriptorThatIsClosedLeavesNoTransactionWaitingForLongerThanItsAttachment) {
  ASSERT_EQ(engine.attach(table), 0);
  model::Port port{host.hardware(0)};
  std::uint64_t word = 0;
  const auto waiting = port.access(request(iova), &word);
  ASSERT_EQ(waiting.kind, Kind::stalled);
  ASSERT_TRUE(readable());
  const int copy = dup(fd);
  ::close(std::exchange(fd, -1));
  EXPECT_EQ(iommu.destroy(queue), EBUSY);
  ASSERT_EQ(engine.detach(), 0);
  EXPECT_EQ(finish(port, waiting, &word), Kind::aborted);
  ASSERT_EQ(iommu.destroy(table), 0);
  EXPECT_EQ(iommu.destroy(queue), EBUSY) << "a copy of it is open";
  ::close(copy);
  EXPECT_EQ(iommu.destroy(queue), 0);
}

TEST_F(FaultClient, ADescriptorOutlivesItsContext) {
  ASSERT_EQ(engine.attach(table), 0);
  const auto link = host.queues().find(fd);
  engine.file.reset();
  fds.all.clear();
  iommu.context.reset();
  EXPECT_EQ(link->read(fd, 0, 40), 0);
  EXPECT_EQ(link->write(0, 8), -EINVAL);
  EXPECT_EQ(host.queues().find(fd), nullptr);
  EXPECT_TRUE(host.tear_down().nothing());
}

// A guest that lets its own faults wait: they are its monitor's to hand on.
TEST_F(FaultClient, AStallOfAGuestsOwnStageIsReadWithTheGuestsAddress) {
  namespace a = uapi::arm_smmuv3;
  constexpr std::uint64_t ipa = 0x8000'0000;
  GuestMemory memory{ram.at, ram.size, ipa};
  const std::uint64_t root = memory.alloc();
  const std::uint64_t data = memory.alloc();
  const std::uint64_t cds = memory.cd_table(root, 4);
  const std::uint64_t word = cds + 8 * arch::Cd::S.word;
  memory.put(word, memory.get(word) | arch::Cd::S.mask);
  ASSERT_EQ(iommu.map(ioas, ipa, ram.at, ram.size), 0);
  i::ViommuAlloc viommu;
  viommu.type = a::viommu_type;
  viommu.dev_id = engine.id;
  viommu.hwpt_id = iommu.nest_parent(engine.id, ioas);
  ASSERT_EQ(iommu.call(viommu), 0);
  i::VdeviceAlloc name;
  name.viommu_id = viommu.out_viommu_id;
  name.dev_id = engine.id;
  name.virt_id = 0x900;
  ASSERT_EQ(iommu.call(name), 0);
  const a::NestedSte ste = guest_stage1(cds);
  i::HwptAlloc nested;
  nested.flags = i::hwpt_fault_id_valid;
  nested.dev_id = engine.id;
  nested.pt_id = viommu.out_viommu_id;
  nested.data_type = a::hwpt_data_type;
  nested.data_len = sizeof ste;
  nested.data_uptr = pointer(&ste);
  nested.fault_id = queue;
  ASSERT_EQ(iommu.call(nested), 0);
  ASSERT_EQ(engine.attach(nested.out_hwpt_id), 0);
  std::jthread monitor{[&] {
    ASSERT_TRUE(readable());
    const auto records = take();
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].addr & ~0xfffULL, iova);
    memory.map(root, iova, data);
    EXPECT_EQ(answer(records[0].cookie, i::page_response_success), 8);
  }};
  model::Port port{host.hardware(0)};
  EXPECT_EQ(access(port, iova + 8), Kind::served);
  monitor.join();
  EXPECT_EQ(memory.get(data + 8), iova + 8);
}

// Two threads of accesses; the client serves some, refuses some, leaves some; tables are replaced and detached with
// faults outstanding. Each access comes to an end, and each stall was answered once.
using FaultClientThreads = FaultClient;

TEST_F(FaultClientThreads, EveryStallIsAnsweredOnce) {
  const std::uint32_t second = faulting();
  ASSERT_EQ(engine.attach(table), 0);
  std::atomic<bool> stop{false}, no_more{false};
  std::atomic<std::uint64_t> served{0}, aborted{0}, endless{0}, answered{0};
  std::vector<std::jthread> devices;
  for (unsigned d = 0; d < 2; ++d) {
    devices.emplace_back([&, d] {
      model::Port port{host.hardware(0)};
      for (std::uint64_t n = d; !stop.load(); n += 2) {
        const Kind kind = access(port, iova + n % 32 * page);
        (kind == Kind::served ? served : kind == Kind::stalled ? endless : aborted).fetch_add(1);
      }
    });
  }
  std::jthread client{[&] {
    hosted::Random random{3};
    while (!no_more.load()) {
      if (!readable(1)) {
        continue;
      }
      std::set<std::uint32_t> cookies;
      for (const auto& record : take(1 + random.below(3))) {
        EXPECT_TRUE(cookies.insert(record.cookie).second);
        if (random.below(8) == 0) {
          continue; // the attachment's end answers it
        }
        const bool serve = random.below(3) != 0;
        if (serve) {
          static_cast<void>(iommu.map(ioas, record.addr & ~0xfffULL, ram.at, page)); // may be there
        }
        const auto result = answer(record.cookie, serve ? i::page_response_success : i::page_response_invalid);
        EXPECT_TRUE(result == 8 || result == -EINVAL);
        answered.fetch_add(result == 8 ? 1 : 0);
      }
    }
  }};
  for (unsigned round = 0; round < 40; ++round) {
    const std::uint64_t before = served.load() + aborted.load();
    static_cast<void>(platform::wait_until(host.port().time, 2'000, [&] { return served + aborted > before; }));
    ASSERT_EQ(engine.attach(round % 2 == 0 ? second : table), 0);
    static_cast<void>(iommu.unmap(ioas, iova + round % 32 * page, page));
    if (round % 10 == 9) {
      ASSERT_EQ(engine.detach(), 0);
      ASSERT_EQ(engine.attach(table), 0);
    }
  }
  stop.store(true);
  ASSERT_EQ(engine.detach(), 0);
  devices.clear();
  no_more.store(true);
  client.join();
  EXPECT_EQ(endless.load(), 0U);
  EXPECT_GT(served.load(), 0U);
  EXPECT_GT(answered.load(), 0U);
  EXPECT_TRUE(take().empty());
  const auto c = counters().page_requests;
  EXPECT_EQ(c.groups, c.answered + c.settled);
  EXPECT_EQ(c.late, 0U);
  ASSERT_EQ(iommu.destroy(table), 0);
  ASSERT_EQ(iommu.destroy(second), 0);
}

} // namespace
} // namespace sluice::machine::test
