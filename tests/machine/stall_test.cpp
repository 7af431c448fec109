#include <sluice/machine/copy.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

// Faults that wait, on the model: the driver's answers have to reach the transactions.
namespace sluice::machine {
namespace {

using Kind = model::Outcome::Kind;

constexpr std::uint32_t stream = 0x20;
constexpr std::uint64_t base_iova = 0x40000000;

Config stalling(unsigned stall_model) {
  Config config;
  config.smmus.push_back({});
  auto& smmu = config.smmus.back();
  smmu.features.stall_model = stall_model;
  smmu.features.stall_max = 16;
  smmu.driver.stream_bits = 12;
  config.port.arena.size = 32 << 20;
  return config;
}

// Maps what is asked for, one page of memory for all of it, in the call or later.
class Pager final : public iommu::PageRequestHandler {
public:
  Pager(iommu::Domain& domain, std::uint64_t page) : domain_{domain}, page_{page} {}
  void on_page_requests(const iommu::PageRequestGroup& group) override {
    for (const auto& request : group.pages) {
      static_cast<void>(domain_.map(request.iova & ~0xfffULL, page_, 4096, iommu::prot::read_write));
    }
    groups.fetch_add(1);
    static_cast<void>(domain_.unit().respond(group.ticket, iommu::PageResponse::served));
  }
  base::Atomic<std::uint32_t> groups{0};

private:
  iommu::Domain& domain_;
  std::uint64_t page_;
};
struct Idler final : iommu::PageRequestHandler {
  void on_page_requests(const iommu::PageRequestGroup&) override { groups.fetch_add(1); }
  base::Atomic<std::uint32_t> groups{0};
};

class StallTest : public testing::TestWithParam<unsigned> {
protected:
  StallTest() {
    const std::array streams{stream};
    device = *driver().add(nullptr, streams, {.may_stall = true});
  }
  ~StallTest() override {
    EXPECT_TRUE(driver().remove(*device));
    for (auto* domain : domains) {
      EXPECT_TRUE(domain->destroy());
    }
    machine.clients().free(page);
    const Remains remains = machine.tear_down();
    EXPECT_TRUE(remains.nothing());
    EXPECT_TRUE(remains.queues_idle);
  }
  driver::Smmu& driver() { return machine.smmu().driver(); }
  iommu::Domain& paging(iommu::Stage stage) {
    domains.push_back(*driver().make_paging({.stage = stage, .page_requests = true}));
    return *domains.back();
  }
  model::Outcome finish(model::Port& port, model::Outcome outcome, void* data) {
    static_cast<void>(platform::wait_until(machine.port().time, 5'000'000, [&] {
      if (outcome.kind == Kind::stalled) {
        outcome = port.follow_up(outcome.stall, data);
      }
      return outcome.kind != Kind::stalled;
    }));
    return outcome;
  }

  Machine machine{stalling(GetParam())};
  platform::DmaBlock page = *machine.clients().alloc(4096);
  iommu::Device* device{};
  std::vector<iommu::Domain*> domains;
};
INSTANTIATE_TEST_SUITE_P(, StallTest, testing::Values(0U, 2U),
                         [](const auto& p) { return p.param == 0 ? std::string{"Optional"} : std::string{"Forced"}; });

TEST_P(StallTest, AnAccessGoesOnWhenTheHandlerHasMappedItsPage) {
  for (const auto stage : {iommu::Stage::first, iommu::Stage::second}) {
    auto& domain = paging(stage);
    Pager pager{domain, page.bus};
    ASSERT_TRUE(domain.set_page_request_handler(&pager));
    ASSERT_TRUE(device->attach(domain));
    {
      model::Port port{machine.smmu().model()};
      for (std::uint64_t i = 0; i < 40; ++i) {
        std::uint64_t word = i;
        const model::Request request{.stream_id = stream, .address = base_iova + i * 4096, .size = 8, .write = true};
        EXPECT_TRUE(finish(port, port.access(request, &word), &word).served());
        EXPECT_EQ(page.as<std::uint64_t>()[0], i);
      }
    }
    EXPECT_EQ(pager.groups.load(), 40U);
    ASSERT_TRUE(domain.set_page_request_handler(nullptr));
    ASSERT_TRUE(device->detach());
  }
}

TEST_P(StallTest, AnAccessThatNobodyServesEnds) {
  ASSERT_TRUE(device->attach(paging(iommu::Stage::first)));
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 0;
  const auto o = port.access({.stream_id = stream, .address = base_iova, .size = 8}, &word);
  EXPECT_EQ(finish(port, o, &word).kind, Kind::aborted);
}

TEST_P(StallTest, AnAccessThatWaitsGoesOnInTheDomainThatTakesThePlace) {
  auto& first = paging(iommu::Stage::first);
  auto& second = paging(iommu::Stage::second);
  Idler idler;
  ASSERT_TRUE(first.set_page_request_handler(&idler));
  ASSERT_TRUE(second.map(base_iova, page.bus, 4096, iommu::prot::read_write));
  ASSERT_TRUE(device->attach(first));
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 7;
  const auto o = port.access({.stream_id = stream, .address = base_iova, .size = 8, .write = true}, &word);
  ASSERT_TRUE(platform::wait_until(machine.port().time, 5'000'000, [&] { return idler.groups.load() == 1; }));
  ASSERT_EQ(port.follow_up(o.stall, &word).kind, Kind::stalled);
  ASSERT_TRUE(device->replace(second));
  EXPECT_TRUE(finish(port, o, &word).served());
  EXPECT_EQ(page.as<std::uint64_t>()[0], 7U);
}

TEST_P(StallTest, AnAccessThatWaitsEndsWithItsAttachment) {
  auto& domain = paging(iommu::Stage::first);
  Idler idler;
  ASSERT_TRUE(domain.set_page_request_handler(&idler));
  ASSERT_TRUE(device->attach(domain));
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 0;
  const auto o = port.access({.stream_id = stream, .address = base_iova, .size = 8}, &word);
  ASSERT_TRUE(platform::wait_until(machine.port().time, 5'000'000, [&] { return idler.groups.load() == 1; }));
  ASSERT_TRUE(device->detach());
  EXPECT_EQ(finish(port, o, &word).kind, Kind::aborted);
}

// 7.2.2: the record is lost, but not the transaction.
TEST_P(StallTest, AnAccessWhoseRecordIsLostEndsAndTheNextIsServed) {
  auto& domain = paging(iommu::Stage::first);
  Pager pager{domain, page.bus};
  ASSERT_TRUE(domain.set_page_request_handler(&pager));
  ASSERT_TRUE(device->attach(domain));
  using Base = arch::EVENTQ_BASE;
  const auto queue = Base::from(machine.smmu().mmio().read64(Base::offset));
  machine.smmu().bus().plant(queue.get(Base::ADDR), arch::event_size << queue.get(Base::LOG2SIZE), Whose::smmu);
  model::Port port{machine.smmu().model()};
  std::uint64_t word = 0;
  const model::Request request{.stream_id = stream, .address = base_iova, .size = 8};
  const auto lost = port.access(request, &word);
  ASSERT_EQ(lost.kind, Kind::stalled);
  machine.smmu().bus().plant(0, 0, Whose::smmu);
  ASSERT_EQ(port.follow_up(lost.stall, &word).kind, Kind::stalled) << "nobody knows of it";
  driver().poll();
  EXPECT_EQ(finish(port, lost, &word).kind, Kind::aborted);
  EXPECT_TRUE(finish(port, port.access(request, &word), &word).served());
  EXPECT_EQ(pager.groups.load(), 1U);
  ASSERT_TRUE(domain.set_page_request_handler(nullptr));
}

// Two threads make accesses to pages that are mapped when they are asked for and unmapped at any time, and domains with
// handlers that serve, that do not, and that go, are replaced under them. Each access comes to an end.
class StallThreads : public StallTest {};
INSTANTIATE_TEST_SUITE_P(, StallThreads, testing::Values(0U, 2U),
                         [](const auto& p) { return p.param == 0 ? std::string{"Optional"} : std::string{"Forced"}; });

TEST_P(StallThreads, EachAccessComesToAnEnd) {
  auto& one = paging(iommu::Stage::first);
  auto& two = paging(iommu::Stage::second);
  Pager serves_one{one, page.bus}, serves_two{two, page.bus};
  Idler idler;
  ASSERT_TRUE(one.set_page_request_handler(&serves_one));
  ASSERT_TRUE(two.set_page_request_handler(&serves_two));
  ASSERT_TRUE(device->attach(one));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> served{0}, others{0}, endless{0};
  std::vector<std::jthread> clients;
  for (unsigned t = 0; t < 2; ++t) {
    clients.emplace_back([&, t] {
      model::Port port{machine.smmu().model()};
      for (std::uint64_t i = t; !stop.load(); i += 2) {
        std::uint64_t word = 0;
        const std::uint64_t iova = base_iova + i % 64 * 4096;
        const auto o = finish(port, port.access({.stream_id = stream, .address = iova, .size = 8}, &word), &word);
        (o.served() ? served : o.kind == Kind::stalled ? endless : others).fetch_add(1);
      }
    });
  }
  for (unsigned i = 0; i < 150; ++i) {
    // Something happens in between, unless all wait for the idler.
    const std::uint64_t before = served.load() + others.load();
    static_cast<void>(
        platform::wait_until(machine.port().time, 2'000, [&] { return served.load() + others.load() > before; }));
    ASSERT_TRUE(device->replace(i % 2 == 0 ? two : one));
    for (auto* domain : domains) {
      static_cast<void>(domain->unmap(base_iova + i % 64 * 4096, 4096));
    }
    if (i % 10 == 4) {
      ASSERT_TRUE(one.set_page_request_handler(&idler));
    }
    if (i % 10 == 6) {
      ASSERT_TRUE(one.set_page_request_handler(nullptr));
    }
    if (i % 10 == 8) {
      ASSERT_TRUE(one.set_page_request_handler(&serves_one));
    }
    if (i % 10 == 9) {
      ASSERT_TRUE(device->detach());
      ASSERT_TRUE(device->attach(one));
    }
  }
  stop.store(true);
  // What waits for the idler ends with the attachment.
  ASSERT_TRUE(device->detach());
  clients.clear();
  EXPECT_EQ(endless.load(), 0U);
  EXPECT_GT(served.load(), 0U);
  const auto c = driver().counters().page_requests;
  EXPECT_GT(c.answered, 0U);
  EXPECT_EQ(c.groups, c.answered + c.settled);
  ASSERT_TRUE(one.set_page_request_handler(nullptr));
  ASSERT_TRUE(two.set_page_request_handler(nullptr));
}

} // namespace
} // namespace sluice::machine
