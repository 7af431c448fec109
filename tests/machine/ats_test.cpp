#include <sluice/machine/copy.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>

// An endpoint that caches translations, while the domains of its RID and its PASIDs are exchanged and unmapped.
namespace sluice::machine {
namespace {

using iommu::Target;

class AtsTrafficThreads : public testing::Test {
protected:
  static Config config() {
    Config c;
    c.smmus.push_back({.streams = {0x8}});
    auto& smmu = c.smmus.back();
    smmu.features.substreamid_bits = 16;
    smmu.features.ats = true;
    smmu.driver.stream_bits = 12;
    smmu.engine.ats.capabilities = {.ats = true, .pasid_bits = 8};
    smmu.engine.contexts = 2;
    c.port.arena.size = 16 << 20;
    return c;
  }
  void SetUp() override {
    identity_page = page('I');
    iova = identity_page.bus;
    for (unsigned context : {0U, 1U}) {
      endpoint().engine.set_context(context, context + 1);
    }
  }
  Endpoint& endpoint() { return machine.smmu().endpoint(0); }
  iommu::Device& device() { return *endpoint().device; }
  driver::Smmu& driver() { return machine.smmu().driver(); }
  platform::DmaBlock page(char letter) {
    const auto block = *machine.clients().alloc(4096);
    std::fill_n(static_cast<char*>(block.cpu), 4096, letter);
    return block;
  }
  iommu::Domain& domain(char letter) {
    auto made = driver().make_paging({.pasid = true});
    EXPECT_TRUE(made);
    EXPECT_TRUE((*made)->map(iova, page(letter).bus, 4096, iommu::prot::read).ok());
    domains.push_back(*made);
    return **made;
  }
  // 0: refused.
  char read(model::Port& port, std::optional<unsigned> context) {
    char byte = 0;
    return endpoint().read(port, iova, &byte, 1, context).complete() ? byte : '\0';
  }
  void TearDown() override {
    static_cast<void>(device().detach());
    for (const std::uint32_t pasid : {1U, 2U}) {
      static_cast<void>(device().detach(Target::pasid(pasid)));
    }
    for (auto* d : domains) {
      EXPECT_TRUE(d->destroy());
    }
  }

  Machine machine{config()};
  platform::DmaBlock identity_page{};
  std::uint64_t iova{};
  std::vector<iommu::Domain*> domains;
};

TEST_F(AtsTrafficThreads, WhatWasUnmappedIsUsedNoMoreByAnyTarget) {
  auto& d = domain('d');
  ASSERT_TRUE(device().attach(d));
  ASSERT_TRUE(device().attach(d, Target::pasid(1)));
  ASSERT_TRUE(device().attach(d, Target::pasid(2)));
  model::Port port{machine.smmu().model()};
  const std::optional<unsigned> targets[] = {std::nullopt, 0, 1};
  const auto other = page('e');
  for (int i = 0; i < 100; ++i) {
    for (const auto& target : targets) {
      EXPECT_EQ(read(port, target), i == 0 ? 'd' : 'e');
      EXPECT_EQ(read(port, target), i == 0 ? 'd' : 'e');
    }
    ASSERT_TRUE(d.unmap(iova, 4096).ok());
    for (const auto& target : targets) {
      EXPECT_EQ(read(port, target), '\0');
    }
    ASSERT_TRUE(d.map(iova, other.bus, 4096, iommu::prot::read).ok());
  }
}

TEST_F(AtsTrafficThreads, AReplacedDomainsTranslationsAreUsedNoMore) {
  auto& a = domain('a');
  auto& b = domain('b');
  model::Port port{machine.smmu().model()};
  ASSERT_TRUE(device().attach(a));
  ASSERT_TRUE(device().attach(a, Target::pasid(1)));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(read(port, {}), 'a');
    EXPECT_EQ(read(port, 0), 'a');
    ASSERT_TRUE(device().replace(b));
    EXPECT_EQ(read(port, {}), 'b');
    EXPECT_EQ(read(port, 0), 'a') << "a PASID keeps what it has";
    ASSERT_TRUE(device().replace(b, Target::pasid(1)));
    EXPECT_EQ(read(port, 0), 'b');
    ASSERT_TRUE(device().replace(driver().identity()));
    EXPECT_EQ(read(port, {}), 'I');
    ASSERT_TRUE(device().detach(Target::pasid(1)));
    EXPECT_EQ(read(port, 0), '\0');
    EXPECT_EQ(read(port, {}), 'I') << "and ATS is off";
    ASSERT_TRUE(device().replace(a));
    ASSERT_TRUE(device().attach(a, Target::pasid(1)));
  }
}

TEST_F(AtsTrafficThreads, UnderTrafficEachRequestMeetsTheOldDomainOrTheNewOne) {
  auto& a = domain('a');
  auto& b = domain('b');
  auto& p = domain('p');
  ASSERT_TRUE(device().attach(a));
  ASSERT_TRUE(device().attach(p, Target::pasid(1)));
  base::Atomic<std::uint32_t> stop{0};
  base::Atomic<std::uint32_t> rounds{0};
  std::string of_rid;
  std::string of_pasid;
  std::thread traffic{[&] {
    model::Port port{machine.smmu().model()};
    for (; stop.load() == 0; rounds.fetch_add(1)) {
      const auto note = [](std::string& seen, char c) {
        seen += seen.find(c) == std::string::npos ? std::string(1, c) : "";
      };
      note(of_rid, read(port, {}));
      note(of_pasid, read(port, 0));
    }
  }};
  iommu::Domain* all[] = {&b, &driver().identity(), &a, &driver().identity()};
  for (int i = 0; i < 200; ++i) {
    const auto change = device().replace(*all[i % 4], {}, {.require_hitless = true});
    EXPECT_TRUE(change.ok() && change->hitless && change->confirmed);
    if (i % 5 == 0) { // with each of the domains
      const std::uint32_t before = rounds.load();
      EXPECT_TRUE(platform::wait_until(machine.port().time, 20'000'000, [&] { return rounds.load() - before >= 2; }));
    }
  }
  stop.store(1);
  traffic.join();
  EXPECT_EQ(of_pasid, "p");
  EXPECT_EQ(of_rid.find_first_not_of("abI"), std::string::npos);
  EXPECT_GE(of_rid.size(), 2U);
  EXPECT_EQ(driver().counters().events, 0U);
}

} // namespace
} // namespace sluice::machine
