#include <sluice/machine/machine.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <thread>

// A device makes requests with and without PASIDs while all that they are attached to is exchanged under it.
namespace sluice::machine {
namespace {

using iommu::Target;

constexpr std::uint32_t stream = 0x20;

Config with_substreams(bool linear) {
  Config config;
  config.smmus.push_back({});
  auto& smmu = config.smmus.back();
  smmu.features.substreamid_bits = 16;
  smmu.driver.stream_bits = 12;
  smmu.driver.linear_cd_tables = linear;
  config.port.arena.size = 16 << 20;
  return config;
}

// Each page holds the letter of the domain that maps it at the one IOVA that everybody uses, which is the address of
// the page of identity.
class Pages {
public:
  explicit Pages(Machine& machine) : machine_{machine} {
    EXPECT_TRUE(page('I') != nullptr);
    iova = bus_;
  }
  iommu::Domain& domain(char letter) {
    EXPECT_TRUE(page(letter) != nullptr);
    auto made = machine_.smmu().driver().make_paging({.pasid = true});
    EXPECT_TRUE(made);
    EXPECT_TRUE((*made)->map(iova, bus_, 4096, iommu::prot::read).ok());
    return **made;
  }

  std::uint64_t iova{};

private:
  void* page(char letter) {
    const auto block = *machine_.clients().alloc(4096);
    const std::string content(4096, letter);
    copy_in(content.data(), static_cast<std::byte*>(block.cpu), content.size());
    bus_ = block.bus;
    return block.cpu;
  }
  static void copy_in(const char* from, std::byte* to, std::size_t size) {
    std::copy_n(reinterpret_cast<const std::byte*>(from), size, to);
  }

  Machine& machine_;
  std::uint64_t bus_{};
};

// Between two passes of the traffic at least, so that there is some during each part of a test.
void wait_for(const base::Atomic<std::uint32_t>& rounds, platform::Time& time) {
  const std::uint32_t before = rounds.load();
  EXPECT_TRUE(platform::wait_until(time, 20'000'000, [&] { return rounds.load() - before >= 2; }));
}

struct Tally {
  std::uint64_t reads{};
  std::uint64_t aborted{};
  std::map<char, std::uint64_t> letters;
};

class PasidTrafficThreads : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Tables, PasidTrafficThreads, testing::Bool(),
                         [](const auto& tables) { return tables.param ? "Linear" : "OfTwoLevels"; });

TEST_P(PasidTrafficThreads, EachRequestMeetsTheOldDomainOrTheNewOne) {
  Machine machine{with_substreams(GetParam())};
  auto& driver = machine.smmu().driver();
  const std::array streams{stream};
  auto device = driver.add(nullptr, streams, {.pasid_bits = 9});
  ASSERT_TRUE(device);
  auto& d = **device;
  Pages pages{machine};
  auto& a = pages.domain('a');
  auto& b = pages.domain('b');
  auto& p = pages.domain('p');
  auto& q = pages.domain('q');
  ASSERT_TRUE(d.attach(driver.identity()));
  ASSERT_TRUE(d.attach(p, Target::pasid(1)));
  ASSERT_TRUE(d.attach(p, Target::pasid(2)));

  const std::optional<std::uint32_t> requesters[] = {std::nullopt, 1, 2};
  std::array<Tally, 3> tallies;
  base::Atomic<std::uint32_t> stop{0};
  base::Atomic<std::uint32_t> rounds{0};
  std::thread traffic{[&] {
    model::Port port{machine.smmu().model()};
    for (; stop.load(base::Order::relaxed) == 0; rounds.fetch_add(1)) {
      for (std::size_t i = 0; i < tallies.size(); ++i) {
        char byte = 0;
        const auto outcome =
            port.access({.stream_id = stream, .substream_id = requesters[i], .address = pages.iova}, &byte);
        tallies[i].reads += 1;
        tallies[i].aborted += outcome.served() ? 0 : 1;
        tallies[i].letters[byte] += 1;
      }
    }
  }};
  iommu::Domain* of_rid[] = {&a, &b, &driver.identity(), &b, &a, &driver.identity()};
  for (int i = 0; i < 300; ++i) {
    const auto change = d.replace(*of_rid[i % 6], {}, {.require_hitless = true});
    EXPECT_TRUE(change.ok() && change->hitless && change->confirmed);
    EXPECT_TRUE(d.replace(i % 2 == 0 ? q : p, Target::pasid(2), {.require_hitless = true}).ok());
    if (i % 16 == 0) {
      wait_for(rounds, machine.port().time);
    }
    const auto third = Target::pasid(i % 3 == 0 ? 3 : 300); // beside the others, and in a leaf of its own
    EXPECT_TRUE(d.attach(q, third).ok());
    EXPECT_TRUE(d.detach(third).ok());
  }
  stop.store(1);
  traffic.join();
  for (const auto& tally : tallies) {
    EXPECT_GT(tally.reads, 0U);
    EXPECT_EQ(tally.aborted, 0U);
  }
  const auto only = [](const Tally& tally, const std::string& expected) {
    for (const auto& [letter, count] : tally.letters) {
      EXPECT_NE(expected.find(letter), std::string::npos) << count << " times " << letter;
    }
  };
  only(tallies[0], "Iab");
  only(tallies[1], "p");
  only(tallies[2], "pq");
  EXPECT_EQ(driver.counters().changes_disruptive, 0U);
  EXPECT_EQ(driver.counters().events, 0U);
  ASSERT_TRUE(driver.remove(d));
  for (auto* domain : {&a, &b, &p, &q}) {
    EXPECT_TRUE(domain->destroy());
  }
}

// The first PASID comes and the last goes under the RID's requests.
TEST_P(PasidTrafficThreads, TheRidDoesNotNoticeTheFirstPasidNorTheLast) {
  Machine machine{with_substreams(GetParam())};
  auto& driver = machine.smmu().driver();
  const std::array streams{stream};
  auto device = driver.add(nullptr, streams, {.pasid_bits = 9});
  ASSERT_TRUE(device);
  auto& d = **device;
  Pages pages{machine};
  auto& a = pages.domain('a');
  auto& p = pages.domain('p');
  for (iommu::Domain* rid : {&driver.identity(), &a}) {
    ASSERT_TRUE(d.attach(*rid));
    Tally tally;
    base::Atomic<std::uint32_t> stop{0};
    base::Atomic<std::uint32_t> rounds{0};
    std::thread traffic{[&] {
      model::Port port{machine.smmu().model()};
      for (; stop.load(base::Order::relaxed) == 0; rounds.fetch_add(1)) {
        char byte = 0;
        tally.aborted += port.access({.stream_id = stream, .address = pages.iova}, &byte).served() ? 0 : 1;
        tally.letters[byte] += 1;
      }
    }};
    model::Port port{machine.smmu().model()};
    for (std::uint32_t i = 1; i < 300; ++i) {
      EXPECT_TRUE(d.attach(p, Target::pasid(i)).ok());
      char byte = 0;
      if (i % 32 == 1) {
        wait_for(rounds, machine.port().time);
      }
      const model::Request request{.stream_id = stream, .substream_id = i, .address = pages.iova};
      EXPECT_TRUE(port.access(request, &byte).served());
      EXPECT_EQ(byte, 'p');
      EXPECT_TRUE(d.detach(Target::pasid(i)).ok());
      EXPECT_FALSE(port.access(request, &byte).served());
    }
    stop.store(1);
    traffic.join();
    EXPECT_EQ(tally.aborted, 0U);
    EXPECT_EQ(tally.letters.size(), 1U);
    EXPECT_EQ(tally.letters.begin()->first, rid == &a ? 'a' : 'I');
    ASSERT_TRUE(d.detach());
  }
  ASSERT_TRUE(driver.remove(d));
  for (auto* domain : {&a, &p}) {
    EXPECT_TRUE(domain->destroy());
  }
}

} // namespace
} // namespace sluice::machine
