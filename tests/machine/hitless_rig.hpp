#pragma once

#include <sluice/driver/smmu.hpp>
#include <sluice/machine/bus.hpp>
#include <sluice/machine/client_memory.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/machine/function_routes.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/machine/mmio.hpp>
#include <sluice/machine/smmu_parts.hpp>
#include <sluice/model/port.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

// Rule 1 on the model: after each single store of the driver to an STE, a CD or a pointer to a table of them, the SMMU
// fetches whatever it likes, words in any order and parts alone, and each target is tried. What it meets is the old
// configuration's result or the new one's.
namespace sluice::machine::hitless {

using iommu::Target;

// While a change is looked at, walks are not coherent for who stores entries, so that the driver cleans what it has
// stored, store by store. Tables of address spaces are coherent or not for good.
class ToldMemory final : public platform::Memory {
public:
  ToldMemory(platform::Memory& inner, bool coherent, bool atomic128)
      : inner_{inner}, coherent_{coherent}, atomic128_{atomic128} {}

  platform::MemoryFacts facts() const override {
    auto facts = inner_.facts();
    facts.coherent_walks = coherent_ && !stored;
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
  const bool coherent_;
  const bool atomic128_;
};

inline constexpr std::uint32_t stream = 0x20;
inline constexpr std::array targets{Target::rid(), Target::pasid(1), Target::pasid(2), Target::pasid(1030)};

// What a target meets: the letter of a page, or the event of a refusal ('0' for none).
using Result = std::string;
using Results = std::array<Result, targets.size()>;

struct Shape {
  const char* name;
  bool atomic128{};
  bool linear_cds{};
  bool linear_streams{};
  bool coherent{};
  bool ats{}; // the endpoint caches translations, and its accesses go by them
};

class Rig {
public:
  Rig(const Shape& shape, std::uint64_t seed)
      : config_{config(shape, seed)}, memory_{port_.memory, shape.coherent, shape.atomic128},
        platform_{memory_, port_.sync, port_.time, port_.irq, port_.log}, clients_{port_.arena},
        interleave_{nullptr, 0}, routes_{port_.device_sync, port_.time}, bus_{port_.arena, clients_,    port_.irq,
                                                                              0,           interleave_, routes_},
        model_{make_model(config_, bus_, port_, 0)}, mmio_{*model_, interleave_} {
    driver::Config config;
    config.stream_bits = 12;
    config.stream_bits = 12;
    config.linear_cd_tables = shape.linear_cds;
    config.guest_events = 0; // each refusal that is tried is one
    config.linear_stream_table = shape.linear_streams;
    driver_ = std::move(*driver::Smmu::make(platform_, mmio_, config));
    if (shape.ats) {
      endpoint_ = std::move(*Endpoint::make(*driver_, routes_, port_, config_, stream));
      for (unsigned i = 1; i < targets.size(); ++i) {
        endpoint_->engine.set_context(i - 1, targets[i].value());
      }
      device_ = endpoint_->device;
    } else {
      const std::array streams{stream};
      device_ = *driver_->add(nullptr, streams, {.pasid_bits = shape.linear_cds ? 4U : 11U});
    }
    reader_.emplace(*model_);
    identity_page_ = page('I');
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig() {
    memory_.stored = {};
    if (endpoint_) {
      endpoint_.reset();
    } else {
      EXPECT_TRUE(driver_->remove(*device_));
    }
    reader_.reset();
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
  Endpoint* endpoint() { return endpoint_.get(); }
  hosted::Port& port() { return port_; }
  std::uint64_t iova() const { return identity_page_.bus; }
  // Client memory, all of it that letter.
  platform::DmaBlock page(char letter) {
    const auto block = *clients_.alloc(4096);
    const std::string content(4096, letter);
    copy_in(block.cpu, content.data(), content.size());
    return block;
  }
  platform::DmaBlock pages(std::uint64_t bytes) { return *clients_.alloc(bytes); }

  Result read(Target target) {
    if (endpoint_) {
      return by_endpoint(target);
    }
    char byte = 0;
    model::Request request{.stream_id = stream, .address = identity_page_.bus};
    if (!target.is_rid()) {
      request.substream_id = target.value();
    }
    const auto outcome = reader_->access(request, &byte);
    return said(outcome, byte);
  }

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
    met = {};
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
  std::array<std::set<Result>, targets.size()> met; // in the last change

private:
  static SmmuConfig config(const Shape& shape, std::uint64_t seed) {
    SmmuConfig c;
    c.features.coherent = shape.coherent;
    c.features.substreamid_bits = 12;
    c.features.ats = shape.ats;
    c.engine.ats.capabilities = {.ats = shape.ats, .pasid_bits = 11};
    c.engine.contexts = targets.size() - 1;
    c.knobs.adversary = {.prefetch = true, .any_order = true, .partial = true, .late = true, .seed = seed};
    return c;
  }
  static Result said(const model::Outcome& outcome, char byte) {
    return outcome.served() ? std::string(1, byte)
           : outcome.event  ? "event " + std::to_string(static_cast<int>(*outcome.event))
                            : "refused";
  }
  Result by_endpoint(Target target) {
    char byte = 0;
    const auto at = static_cast<unsigned>(std::ranges::find(targets, target) - targets.begin());
    const auto context = at == 0 ? std::nullopt : std::optional{at - 1};
    const auto report = endpoint_->read(*reader_, identity_page_.bus, &byte, 1, context);
    return report.abort ? said(report.abort->outcome, byte) : report.complete() ? std::string(1, byte) : "refused";
  }
  // All that was recorded is read, so that there is room; what is in memory holds.
  Results settled() {
    driver_->poll();
    const Results once = try_all();
    EXPECT_EQ(once, try_all());
    driver_->poll();
    return once;
  }

  const SmmuConfig config_;
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
  std::unique_ptr<Endpoint> endpoint_;
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

} // namespace sluice::machine::hitless
