#include <sluice/machine/copy.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

// Endpoints that ask for pages, on the model: each group has one answer, or the endpoint would say so (10.5.2.3).
namespace sluice::machine {
namespace {

using iommu::Stage;
using iommu::Target;

constexpr std::uint64_t source = 0x40000000;
constexpr std::uint64_t page_bytes = 4096;

Config asking(unsigned queue_log2, unsigned pages_ahead, bool pasid_in_response) {
  Config c;
  c.smmus.push_back({.streams = {0x8}});
  auto& smmu = c.smmus.back();
  smmu.features.substreamid_bits = 16;
  smmu.features.ats = true;
  smmu.features.pri = true;
  smmu.features.priq_log2 = queue_log2;
  smmu.driver.stream_bits = 12;
  smmu.engine.ats.capabilities = {
      .ats = true, .pasid_bits = 8, .page_requests = 16, .pasid_in_response = pasid_in_response};
  smmu.engine.contexts = 1;
  smmu.engine.pages_ahead = pages_ahead;
  c.port.arena.size = 32 << 20;
  return c;
}

// Maps what is asked for to one page of memory, and says so.
class PagesOnDemand final : public iommu::PageRequestHandler {
public:
  PagesOnDemand(iommu::Domain& domain, std::uint64_t page) : domain_{domain}, page_{page} {}
  void on_page_requests(const iommu::PageRequestGroup& group) override {
    for (const auto& request : group.pages) {
      static_cast<void>(domain_.map(request.iova, page_, page_bytes, iommu::prot::read_write));
      pages.fetch_add(1);
    }
    groups.fetch_add(1);
    static_cast<void>(domain_.unit().respond(group.ticket, iommu::PageResponse::served));
  }
  base::Atomic<std::uint32_t> groups{0}, pages{0};

private:
  iommu::Domain& domain_;
  std::uint64_t page_;
};
struct NeverAnswers final : iommu::PageRequestHandler {
  void on_page_requests(const iommu::PageRequestGroup&) override { groups.fetch_add(1); }
  base::Atomic<std::uint32_t> groups{0};
};

class PriRig {
public:
  explicit PriRig(unsigned queue_log2 = 8, unsigned pages_ahead = 1, bool pasid_in_response = false)
      : machine{asking(queue_log2, pages_ahead, pasid_in_response)} {
    endpoint().engine.set_context(0, 1);
  }
  ~PriRig() {
    EXPECT_FALSE(status(platform::pci::pri_unexpected_index)) << "an answer to what was not asked, or a second one";
    EXPECT_FALSE(status(platform::pci::pri_response_failure));
    static_cast<void>(device().detach());
    static_cast<void>(device().detach(Target::pasid(1)));
    EXPECT_TRUE(status(platform::pci::pri_stopped)) << "all has been answered";
    EXPECT_FALSE(driver().failed());
    for (auto* d : domains) {
      EXPECT_TRUE(d->set_page_request_handler(nullptr).ok() || !d->serves_page_requests());
      EXPECT_TRUE(d->destroy());
    }
    machine.clients().free(page);
    const Remains remains = machine.tear_down();
    EXPECT_TRUE(remains.nothing());
    EXPECT_TRUE(remains.queues_idle);
  }

  Endpoint& endpoint() { return machine.smmu().endpoint(0); }
  iommu::Device& device() { return *endpoint().device; }
  driver::Smmu& driver() { return machine.smmu().driver(); }
  iommu::Domain& domain(Stage stage, bool serves = true) {
    domains.push_back(*driver().make_paging({.stage = stage, .page_requests = serves}));
    return **(domains.end() - 1);
  }
  // Of the PRI capability.
  bool status(std::uint16_t bit) {
    const auto at = platform::pci::find_extended(endpoint().function, platform::pci::pri_id);
    return (endpoint().function.config_read(static_cast<std::uint16_t>(at + platform::pci::pri_status), 2) & bit) != 0;
  }
  bool asks() { return platform::PciTranslation{endpoint().function}.pri_enabled(); }

  // Copies `pages` pages onto the one after them; ends with success, an abort, or no end.
  pcie::CopyReport copy(model::Port& port, std::optional<unsigned> context, std::uint64_t at, std::uint64_t pages) {
    pcie::CopyTask task{{at, at + pages * page_bytes, pages * page_bytes, context}};
    finish(port, task);
    return task.report();
  }
  void finish(model::Port& port, pcie::CopyTask& task) {
    endpoint().advance(port, task);
    static_cast<void>(platform::wait_until(machine.port().time, 5'000'000, [&] {
      if (task.waiting()) {
        endpoint().advance(port, task);
      }
      return !task.waiting();
    }));
  }

  Machine machine;
  platform::DmaBlock page = *machine.clients().alloc(page_bytes);
  std::vector<iommu::Domain*> domains;
};

TEST(PriMachine, ACopyGoesOnWhenTheHandlerHasMappedItsPages) {
  PriRig r;
  for (const auto stage : {Stage::first, Stage::second}) {
    auto& domain = r.domain(stage);
    PagesOnDemand pager{domain, r.page.bus};
    ASSERT_TRUE(domain.set_page_request_handler(&pager));
    ASSERT_TRUE(r.device().attach(domain));
    model::Port port{r.machine.smmu().model()};
    EXPECT_TRUE(r.copy(port, {}, source, 10).complete());
    EXPECT_EQ(pager.pages.load(), 20U);
    ASSERT_TRUE(r.device().detach());
    EXPECT_FALSE(r.asks());
  }
  EXPECT_EQ(r.driver().counters().pages_requested, 40U);
}

TEST(PriMachine, APasidsPagesComeFromItsDomainWhetherItsFunctionWantsItNamedOrNot) {
  for (const bool named : {false, true}) {
    PriRig r{8, 1, named};
    auto& domain = r.domain(Stage::first);
    PagesOnDemand pager{domain, r.page.bus};
    ASSERT_TRUE(domain.set_page_request_handler(&pager));
    ASSERT_TRUE(r.device().attach(domain, Target::pasid(1)));
    model::Port port{r.machine.smmu().model()};
    EXPECT_TRUE(r.copy(port, 0, source, 4).complete());
    EXPECT_EQ(pager.groups.load(), 8U);
  }
}

TEST(PriMachine, PagesThatAreAskedForTogetherAreServedTogether) {
  PriRig r{8, 4};
  auto& domain = r.domain(Stage::first);
  PagesOnDemand pager{domain, r.page.bus};
  ASSERT_TRUE(domain.set_page_request_handler(&pager));
  ASSERT_TRUE(r.device().attach(domain));
  model::Port port{r.machine.smmu().model()};
  EXPECT_TRUE(r.copy(port, {}, source, 8).complete());
  EXPECT_GE(pager.pages.load(), 16U);
  EXPECT_LT(pager.groups.load(), 10U);
}

TEST(PriMachine, ACopyThatNobodyServesEnds) {
  PriRig r;
  ASSERT_TRUE(r.device().attach(r.domain(Stage::first)));
  model::Port port{r.machine.smmu().model()};
  EXPECT_TRUE(r.copy(port, {}, source, 1).abort.has_value());
}

TEST(PriMachine, ACopyThatWaitsGoesOnInTheDomainThatTakesThePlace) {
  PriRig r;
  auto& first = r.domain(Stage::first);
  auto& second = r.domain(Stage::second);
  NeverAnswers never;
  PagesOnDemand pager{second, r.page.bus};
  ASSERT_TRUE(first.set_page_request_handler(&never));
  ASSERT_TRUE(second.set_page_request_handler(&pager));
  ASSERT_TRUE(r.device().attach(first));
  model::Port port{r.machine.smmu().model()};
  pcie::CopyTask task{{source, source + page_bytes, page_bytes, {}}};
  r.endpoint().advance(port, task);
  ASSERT_TRUE(platform::wait_until(r.machine.port().time, 5'000'000, [&] { return never.groups.load() == 1; }));
  ASSERT_TRUE(task.waiting());
  ASSERT_TRUE(r.device().replace(second));
  r.finish(port, task);
  EXPECT_TRUE(task.report().complete());
}

TEST(PriMachine, ACopyThatWaitsEndsWithItsAttachment) {
  PriRig r;
  auto& domain = r.domain(Stage::first);
  NeverAnswers never;
  ASSERT_TRUE(domain.set_page_request_handler(&never));
  ASSERT_TRUE(r.device().attach(domain));
  model::Port port{r.machine.smmu().model()};
  pcie::CopyTask task{{source, source + page_bytes, page_bytes, {}}};
  r.endpoint().advance(port, task);
  ASSERT_TRUE(platform::wait_until(r.machine.port().time, 5'000'000, [&] { return never.groups.load() == 1; }));
  ASSERT_TRUE(r.device().detach());
  r.finish(port, task);
  EXPECT_TRUE(task.report().abort.has_value());
}

// More requests than its allowance, from one that does not keep to it: the SMMU answers what it loses (8.2).
TEST(PriMachine, AnOverflowIsRecoveredAndTheQueueGoesOn) {
  PriRig r{3};
  auto& domain = r.domain(Stage::first);
  PagesOnDemand pager{domain, r.page.bus};
  ASSERT_TRUE(domain.set_page_request_handler(&pager));
  ASSERT_TRUE(r.device().attach(domain));
  model::Port port{r.machine.smmu().model()};
  for (unsigned i = 0; r.driver().counters().page_request_overflows < 3 && i < 1'000'000; ++i) {
    // No page of a group that has an end, so that nobody is answered who has not asked.
    port.request_page({.stream_id = 0x8, .address = source, .read = true, .prg_index = 511});
  }
  EXPECT_GE(r.driver().counters().page_request_overflows, 3U);
  EXPECT_TRUE(platform::wait_until(r.machine.port().time, 5'000'000, [&] {
    r.driver().poll();
    return r.copy(port, {}, source, 4).complete();
  }));
}

// Two threads copy, with and without PASID, what is mapped when it is asked for and unmapped at any time, and domains
// with handlers that serve, that do not, that go, and domains that serve nothing are exchanged under them.
TEST(PriThreads, EachGroupIsAnsweredOnceAndEachCopyComesToAnEnd) {
  PriRig r{8, 3};
  auto& one = r.domain(Stage::first);
  auto& two = r.domain(Stage::second);
  auto& plain = r.domain(Stage::first, false);
  auto& of_pasid = r.domain(Stage::first);
  PagesOnDemand serves_one{one, r.page.bus}, serves_two{two, r.page.bus}, serves_pasid{of_pasid, r.page.bus};
  NeverAnswers never;
  ASSERT_TRUE(one.set_page_request_handler(&serves_one));
  ASSERT_TRUE(two.set_page_request_handler(&serves_two));
  ASSERT_TRUE(of_pasid.set_page_request_handler(&serves_pasid));
  ASSERT_TRUE(r.device().attach(one));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> served{0}, aborted{0}, endless{0};
  std::vector<std::jthread> clients;
  for (unsigned t = 0; t < 2; ++t) {
    clients.emplace_back([&, t] {
      model::Port port{r.machine.smmu().model()};
      for (std::uint64_t i = 0; !stop.load(); ++i) {
        const std::optional<unsigned> context = t == 0 ? std::optional<unsigned>{} : 0U;
        const auto report = r.copy(port, context, source + i % 16 * 4 * page_bytes, 2);
        (report.waiting ? endless : report.complete() ? served : aborted).fetch_add(1);
      }
    });
  }
  iommu::Domain* all[] = {&two, &one, &plain, &one};
  for (unsigned i = 0; i < 80; ++i) {
    const std::uint64_t before = served.load() + aborted.load();
    static_cast<void>(
        platform::wait_until(r.machine.port().time, 2'000, [&] { return served.load() + aborted.load() > before; }));
    if (i % 20 == 10) { // not beside stage 2
      ASSERT_TRUE(r.device().replace(one).ok());
      ASSERT_TRUE(r.device().attach(of_pasid, Target::pasid(1)));
    }
    const bool pasid = i % 20 >= 10;
    ASSERT_TRUE(r.device().replace(pasid && i % 4 == 0 ? plain : *all[i % 4]));
    for (auto* domain : r.domains) {
      static_cast<void>(domain->unmap(source + i % 64 * page_bytes, page_bytes));
    }
    if (i % 10 == 4) {
      ASSERT_TRUE(one.set_page_request_handler(&never));
    }
    if (i % 10 == 6) {
      ASSERT_TRUE(one.set_page_request_handler(nullptr));
    }
    if (i % 10 == 8) {
      ASSERT_TRUE(one.set_page_request_handler(&serves_one));
    }
    if (i % 20 == 19) {
      ASSERT_TRUE(r.device().detach(Target::pasid(1)));
      ASSERT_TRUE(r.device().detach());
      ASSERT_TRUE(r.device().attach(one));
    }
  }
  stop.store(true);
  ASSERT_TRUE(one.set_page_request_handler(nullptr)); // what waits for one that never answers ends
  clients.clear();
  EXPECT_EQ(endless.load(), 0U);
  EXPECT_GT(served.load(), 0U);
  const auto c = r.driver().counters().page_requests;
  EXPECT_GT(c.answered, 0U);
  EXPECT_EQ(c.groups, c.answered + c.settled);
  EXPECT_EQ(c.overflowed + c.late + c.unfinished, 0U);
  EXPECT_EQ(r.driver().counters().page_request_overflows, 0U) << "nobody asks for more than there is room for";
}

} // namespace
} // namespace sluice::machine
