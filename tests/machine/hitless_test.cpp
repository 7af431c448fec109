#include <sluice/driver/smmu.hpp>
#include <sluice/machine/bus.hpp>
#include <sluice/machine/client_memory.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/machine/function_routes.hpp>
#include <sluice/machine/mmio.hpp>
#include <sluice/machine/smmu_parts.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

// Rule 1 on the model: after each single store of the driver to an STE, a CD or a pointer to a table of them, the SMMU
// fetches whatever it likes, words in any order and parts alone, and each target is tried. What it meets is the old
// configuration's result or the new one's.
namespace sluice::machine {
namespace {

using iommu::Target;

// Walks are not coherent, so that the driver cleans what it has stored, store by store.
class ToldMemory final : public platform::Memory {
public:
  explicit ToldMemory(platform::Memory& inner, bool atomic128) : inner_{inner}, atomic128_{atomic128} {}

  platform::MemoryFacts facts() const override {
    auto facts = inner_.facts();
    facts.coherent_walks = false;
    facts.atomic128 = atomic128_;
    return facts;
  }
  base::Result<platform::DmaBlock> dma_alloc(std::size_t size, std::size_t align) override {
    return inner_.dma_alloc(size, align);
  }
  void dma_free(platform::DmaBlock block) override { inner_.dma_free(block); }
  std::uint64_t dma_offset() const override { return inner_.dma_offset(); }
  void clean(const void*, std::size_t) override {
    if (stored) {
      stored();
    }
  }
  void store128(void* at, std::uint64_t low, std::uint64_t high) override { inner_.store128(at, low, high); }
  base::Result<void*> alloc(std::size_t size) override { return inner_.alloc(size); }
  void free(void* at, std::size_t size) override { inner_.free(at, size); }

  std::function<void()> stored;

private:
  platform::Memory& inner_;
  const bool atomic128_;
};

constexpr std::uint32_t stream = 0x20;
constexpr std::array targets{Target::rid(), Target::pasid(1), Target::pasid(2), Target::pasid(1030)};

// What a target meets: the letter of a page, or the event of a refusal ('0' for none).
using Result = std::string;
using Results = std::array<Result, targets.size()>;

struct Shape {
  const char* name;
  bool atomic128;
  bool linear_cds;
  bool linear_streams;
};

class Rig {
public:
  Rig(const Shape& shape, std::uint64_t seed)
      : memory_{port_.memory, shape.atomic128}, platform_{memory_, port_.sync, port_.time, port_.irq, port_.log},
        clients_{port_.arena}, interleave_{nullptr, 0}, routes_{port_.device_sync, port_.time},
        bus_{port_.arena, clients_, port_.irq, 0, interleave_, routes_},
        model_{make_model(config(seed), bus_, port_, 0)}, mmio_{*model_, interleave_} {
    driver::Config config;
    config.stream_bits = 12;
    config.linear_cd_tables = shape.linear_cds;
    config.linear_stream_table = shape.linear_streams;
    driver_ = std::move(*driver::Smmu::make(platform_, mmio_, config));
    const std::array streams{stream};
    device_ = *driver_->add(nullptr, streams, {.pasid_bits = shape.linear_cds ? 4U : 11U});
    reader_.emplace(*model_);
    identity_page_ = page('I');
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig() {
    memory_.stored = {};
    reader_.reset();
    EXPECT_TRUE(driver_->remove(*device_));
    for (auto* domain : domains_) {
      EXPECT_TRUE(domain->destroy());
    }
  }

  iommu::Domain& domain(iommu::Stage stage, char letter) {
    auto* made = *driver_->make_paging({.stage = stage, .pasid = stage == iommu::Stage::first});
    EXPECT_TRUE(made->map(identity_page_.bus, page(letter).bus, 4096, iommu::prot::read));
    domains_.push_back(made);
    return *made;
  }
  driver::Smmu& driver() { return *driver_; }
  iommu::Device& device() { return *device_; }

  Results try_all() {
    Results results;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      results[i] = read(targets[i]);
    }
    return results;
  }

  // One change, with a look after each store. Each target met what it met before or meets afterwards.
  void check(const std::string& what, const std::function<base::Result<iommu::Change>()>& change) {
    const Results before = settled();
    std::array<std::set<Result>, targets.size()> met;
    memory_.stored = [&] {
      ++stores;
      for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < 4; ++i) {
          reader_->idle();
        }
        const Results now = try_all();
        for (std::size_t i = 0; i < now.size(); ++i) {
          met[i].insert(now[i]);
        }
      }
    };
    const auto changed = change();
    memory_.stored = {};
    ASSERT_TRUE(changed.ok()) << what;
    disruptive += changed->hitless ? 0 : 1;
    const Results after = settled();
    for (std::size_t i = 0; i < targets.size(); ++i) {
      for (const Result& result : met[i]) {
        const bool right = result == before[i] || result == after[i];
        neither += right ? 0 : 1;
        EXPECT_TRUE(right || !changed->hitless)
            << what << ", target " << i << ": met " << result << ", before " << before[i] << ", after " << after[i];
      }
      moved += before[i] != after[i] ? 1 : 0;
    }
  }

  static constexpr int rounds = 4;
  std::uint64_t stores{}, disruptive{}, neither{}, moved{};

private:
  static SmmuConfig config(std::uint64_t seed) {
    SmmuConfig c;
    c.features.coherent = false;
    c.features.substreamid_bits = 12;
    c.knobs.adversary = {.prefetch = true, .any_order = true, .partial = true, .late = true, .seed = seed};
    return c;
  }
  platform::DmaBlock page(char letter) {
    const auto block = *clients_.alloc(4096);
    const std::string content(4096, letter);
    copy_in(block.cpu, content.data(), content.size());
    return block;
  }
  Result read(Target target) {
    char byte = 0;
    model::Request request{.stream_id = stream, .address = identity_page_.bus};
    if (!target.is_rid()) {
      request.substream_id = target.value();
    }
    const auto outcome = reader_->access(request, &byte);
    return outcome.served() ? std::string(1, byte)
           : outcome.event  ? "event " + std::to_string(static_cast<int>(*outcome.event))
                            : "refused";
  }
  // All that was recorded is read, so that there is room; what is in memory holds.
  Results settled() {
    driver_->poll();
    const Results once = try_all();
    EXPECT_EQ(once, try_all());
    driver_->poll();
    return once;
  }

  hosted::Port port_{{.arena = {.size = 32 << 20}, .facts = {.atomic128 = true}}};
  ToldMemory memory_;
  platform::Platform platform_;
  ClientMemory clients_;
  Interleave interleave_;
  FunctionRoutes routes_;
  Bus bus_;
  std::unique_ptr<model::Smmu> model_;
  Mmio mmio_;
  platform::Owned<driver::Smmu> driver_;
  iommu::Device* device_{};
  std::optional<model::Port> reader_;
  platform::DmaBlock identity_page_{};
  std::vector<iommu::Domain*> domains_;
};

class HitlessTest : public testing::TestWithParam<Shape> {
protected:
  // Null: nothing is attached.
  void move(Rig& rig, Target target, iommu::Domain* from, iommu::Domain* to, const std::string& what) {
    rig.check(what, [&] {
      return to == nullptr     ? rig.device().detach(target)
             : from == nullptr ? rig.device().attach(*to, target)
                               : rig.device().replace(*to, target);
    });
  }
  // From each of `states` to each, and back.
  void all_pairs(Rig& rig, Target target, const std::vector<std::pair<std::string, iommu::Domain*>>& states) {
    iommu::Domain* now = states.front().second;
    const auto go = [&](const auto& to, const std::string& what) {
      if (now != to.second) {
        move(rig, target, now, to.second, what);
        now = to.second;
      }
    };
    for (const auto& from : states) {
      for (const auto& to : states) {
        go(from, "on the way to " + from.first);
        go(to, from.first + " to " + to.first);
      }
    }
    go(states.front(), "back");
  }
};

constexpr Shape shapes[] = {{"Words", false, false, false},
                            {"DoubleWords", true, false, false},
                            {"LinearCds", false, true, false},
                            {"LinearStreams", false, false, true}};
INSTANTIATE_TEST_SUITE_P(Each, HitlessTest, testing::ValuesIn(shapes),
                         [](const auto& shape) { return std::string{shape.param.name}; });

TEST_P(HitlessTest, EachChangeOfARidWithoutPasids) {
  for (const std::uint64_t seed : {1U, 2U}) {
    Rig rig{GetParam(), seed};
    all_pairs(rig, {},
              {{"nothing", nullptr},
               {"blocked", &rig.driver().blocked()},
               {"identity", &rig.driver().identity()},
               {"stage 1 a", &rig.domain(iommu::Stage::first, 'a')},
               {"stage 1 b", &rig.domain(iommu::Stage::first, 'b')},
               {"stage 2 c", &rig.domain(iommu::Stage::second, 'c')},
               {"stage 2 d", &rig.domain(iommu::Stage::second, 'd')}});
    EXPECT_GT(rig.stores, 60U);
    EXPECT_GT(rig.moved, 60U);
    EXPECT_EQ(rig.disruptive != 0, GetParam().linear_streams);
  }
}

TEST_P(HitlessTest, EachChangeOfARidBesidePasids) {
  Rig rig{GetParam(), 3};
  ASSERT_TRUE(rig.device().attach(rig.domain(iommu::Stage::first, 'p'), Target::pasid(1)));
  all_pairs(rig, {},
            {{"nothing", nullptr},
             {"blocked", &rig.driver().blocked()},
             {"identity", &rig.driver().identity()},
             {"stage 1 a", &rig.domain(iommu::Stage::first, 'a')},
             {"stage 1 b", &rig.domain(iommu::Stage::first, 'b')}});
  EXPECT_GT(rig.moved, 20U);
  EXPECT_EQ(rig.try_all()[1], "p");
}

TEST_P(HitlessTest, EachChangeOfAPasidThatComesFirstAndGoesLast) {
  Rig rig{GetParam(), 4};
  auto& a = rig.domain(iommu::Stage::first, 'a');
  auto& p = rig.domain(iommu::Stage::first, 'p');
  auto& q = rig.domain(iommu::Stage::first, 'q');
  for (iommu::Domain* rid :
       {static_cast<iommu::Domain*>(nullptr), &rig.driver().blocked(), &rig.driver().identity(), &a}) {
    if (rid != nullptr) {
      ASSERT_TRUE(rig.device().attach(*rid));
    }
    all_pairs(rig, Target::pasid(1), {{"nothing", nullptr}, {"p", &p}, {"q", &q}});
    if (rid != nullptr) {
      ASSERT_TRUE(rig.device().detach());
    }
  }
  EXPECT_GT(rig.moved, 20U);
}

TEST_P(HitlessTest, EachChangeOfAPasidBesideOthers) {
  Rig rig{GetParam(), 5};
  auto& p = rig.domain(iommu::Stage::first, 'p');
  auto& q = rig.domain(iommu::Stage::first, 'q');
  ASSERT_TRUE(rig.device().attach(rig.domain(iommu::Stage::first, 'a')));
  ASSERT_TRUE(rig.device().attach(p, Target::pasid(1)));
  all_pairs(rig, Target::pasid(2), {{"nothing", nullptr}, {"p", &p}, {"q", &q}});
  if (!GetParam().linear_cds) { // a leaf that comes and goes
    all_pairs(rig, Target::pasid(1030), {{"nothing", nullptr}, {"p", &p}, {"q", &q}});
  }
  EXPECT_EQ(rig.disruptive, 0U); // a linear table is exchanged as a leaf is
}

// With a linear stream table a change of the stage has to pass by V=0, and it is seen: the look is keen enough.
TEST(HitlessLook, SeesWhatIsDisruptive) {
  Rig rig{{"", false, false, true}, 6};
  auto& one = rig.domain(iommu::Stage::first, 'a');
  auto& two = rig.domain(iommu::Stage::second, 'c');
  ASSERT_TRUE(rig.device().attach(one));
  rig.check("stage 1 to stage 2", [&] { return rig.device().replace(two); });
  EXPECT_EQ(rig.disruptive, 1U);
  EXPECT_NE(rig.neither, 0U);
}

} // namespace
} // namespace sluice::machine
