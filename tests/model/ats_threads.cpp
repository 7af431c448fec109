#include "ats.hpp"

#include <array>
#include <map>
#include <mutex>
#include <thread>

// 3.9, 4.5: endpoints with ATCs of their own beside a driver that invalidates.
namespace sluice::model::test {
namespace {

using namespace arch::cmd;

// The endpoints' side of the bus: an ATC for each StreamID, and responses to page requests.
class Endpoints final : public Bus {
public:
  static constexpr std::uint32_t most = 4;

  std::optional<std::uint64_t> find(std::uint32_t sid, std::uint64_t page) {
    const std::lock_guard guard{lock_};
    const auto at = atc_[sid].find(page);
    return at == atc_[sid].end() ? std::nullopt : std::optional{at->second};
  }
  void insert(std::uint32_t sid, std::uint64_t page, std::uint64_t pa) {
    const std::lock_guard guard{lock_};
    atc_[sid][page] = pa;
  }
  std::uint64_t answered(std::uint32_t sid) const { return answered_[sid].load(); }

  // By turns at once, and only when asked after.
  AtcAnswer invalidate_atc(const AtcInvalidation& i) override {
    const std::lock_guard guard{lock_};
    if (++invalidations_ % 2 == 0) {
      drop(i);
      return AtcAnswer::completed;
    }
    pending_[{i.stream_id, i.tag}] = i;
    return AtcAnswer::pending;
  }
  bool atc_completed(std::uint32_t sid, std::uint8_t tag) override {
    const std::lock_guard guard{lock_};
    const auto at = pending_.find({sid, tag});
    if (at != pending_.end()) {
      drop(at->second);
      pending_.erase(at);
    }
    return true;
  }
  void page_response(const PageResponse& response) override { answered_[response.stream_id].fetch_add(1); }

  // Memory is Ram's.
  bool read(const BusAccess&, void*) override { return false; }
  bool write(const BusAccess&, const void*) override { return false; }
  bool read64(std::uint64_t, const Attributes&, std::uint64_t&) override { return false; }
  bool compare_exchange64(std::uint64_t, const Attributes&, std::uint64_t&, std::uint64_t) override { return false; }
  bool message(const BusAccess&, std::uint32_t) override { return false; }
  void pulse(Wire) override {}

private:
  void drop(const AtcInvalidation& i) {
    std::erase_if(atc_[i.stream_id], [&](const auto& entry) {
      return i.log2_size == AtcInvalidation::everything || (entry.first ^ i.address) >> i.log2_size == 0;
    });
  }

  std::mutex lock_;
  std::array<std::map<std::uint64_t, std::uint64_t>, most> atc_;
  std::map<std::pair<std::uint32_t, std::uint8_t>, AtcInvalidation> pending_;
  std::uint64_t invalidations_{0};
  std::array<base::Atomic<std::uint64_t>, most> answered_{};
};

void run(Rig& rig, std::initializer_list<Command> commands) {
  for (const Command& c : commands) {
    rig.submit(c);
  }
  rig.submit(sync());
  while (!rig.drained()) {
    std::this_thread::yield();
  }
}

// Two endpoints read one IOVA by what their ATCs hold, and now and then without them. A driver moves it from page to
// page: descriptor, TLBI, SYNC, ATC_INV, SYNC (4.5.1), then the old page is poisoned. Nobody may read poison.
void nobody_uses_a_translation_that_was_withdrawn(const Adversary& adversary, bool split) {
  AtsRig rig{AtsRig::with_ats(), {.adversary = adversary}};
  Endpoints endpoints;
  rig.ram.behind = &endpoints;
  constexpr std::uint64_t good = 0x600d, poison = 0xbad, iova = 0x1000;
  const std::uint64_t pages[2] = {rig.ram.alloc(4096), rig.ram.alloc(4096)};
  rig.ram.put(pages[0], good);
  const auto s = rig.stage1_stream(1);
  const auto s2 = rig.stage2_tree();
  for (std::uint64_t at = 0; at < 8ULL << 20; at += 1ULL << 21) {
    rig.map(s2, at, at, s2_rw, 2);
  }
  const Ste ste =
      split ? rig.split(rig.nested(rig.stage1_ste(s.cd_at), rig.stage2_ste(s2))) : rig.full(rig.stage1_ste(s.cd_at));
  rig.put_ste(1, ste);
  rig.put_ste(2, ste);
  const auto descriptor = rig.map(s.tree, iova, pages[0], s1_rw);
  run(rig, {cfgi_all(), tlbi_nsnh_all()});

  base::Atomic<bool> stop{false};
  base::Atomic<std::uint64_t> wrong{0}, by_atc{0};
  std::vector<std::jthread> threads;
  for (std::uint32_t sid = 1; sid <= 2; ++sid) {
    threads.emplace_back([&, sid] {
      Port port{*rig.smmu};
      for (unsigned n = 0; !stop.load(); ++n) {
        Port::Burst burst{port};
        std::uint64_t data = good;
        Outcome outcome;
        if (n % 8 == 7) {
          outcome = burst.access({sid, {}, iova, 8, false, false, false}, &data);
        } else {
          auto pa = endpoints.find(sid, iova);
          if (!pa) {
            const auto answer = burst.request_translation({sid, {}, iova, true, false, false});
            if (!answer.completion.succeeded() || !answer.completion.read) {
              wrong.fetch_add(1);
              continue;
            }
            pa = answer.completion.address;
            endpoints.insert(sid, iova, *pa);
          } else {
            by_atc.fetch_add(1);
          }
          outcome = burst.access_translated({sid, {}, *pa, 8, false, false, false}, &data);
        }
        wrong.fetch_add(!outcome.served() || data != good ? 1 : 0);
      }
    });
  }
  const std::uint16_t vmid = split ? 1 : 0;
  for (std::uint64_t i = 1; i <= 20 || by_atc.load() < 100; ++i) {
    const auto now = pages[i % 2];
    rig.ram.put(now, good);
    rig.ram.put(descriptor, now | s1_rw | 3);
    run(rig, {tlbi_nh_va(vmid, 1, iova, true)});
    run(rig, {atc_inv(1, iova, 0), atc_inv(2, 0, 52)});
    rig.ram.put(pages[(i + 1) % 2], poison);
  }
  stop.store(true);
  threads.clear();
  EXPECT_EQ(wrong.load(), 0U);
  EXPECT_EQ(rig.smmu->counters().atc_timeouts, 0U);
}

constexpr Adversary at_its_worst{.prefetch = true, .any_order = true, .partial = true, .late = true};

TEST(AtsThreads, NobodyUsesATranslationThatWasWithdrawn) { nobody_uses_a_translation_that_was_withdrawn({}, false); }

TEST(AtsThreads, NobodyUsesOneFromAnSMMUThatDoesWhatItMay) {
  nobody_uses_a_translation_that_was_withdrawn(at_its_worst, false);
}

TEST(AtsThreads, NobodyUsesAnIPAThatWasWithdrawn) { nobody_uses_a_translation_that_was_withdrawn(at_its_worst, true); }

// 8: in the queue or answered by the SMMU, whatever the queue is like at that moment.
TEST(AtsThreads, EachPageRequestIsAnsweredOnce) {
  AtsRig rig{AtsRig::with_ats(), {.adversary = at_its_worst}};
  Endpoints endpoints;
  rig.ram.behind = &endpoints;
  constexpr unsigned requests = 400;
  base::Atomic<std::uint32_t> done{0};
  std::vector<std::jthread> threads;
  for (std::uint32_t sid = 1; sid <= 3; ++sid) {
    rig.put_ste(sid, rig.full(rig.bypass_ste()));
    threads.emplace_back([&, sid] {
      Port port{*rig.smmu};
      for (unsigned n = 0; n < requests; ++n) {
        port.request_page({.stream_id = sid,
                           .address = n * 0x1000ULL,
                           .read = true,
                           .last = true,
                           .prg_index = static_cast<std::uint16_t>(n & 0x1ff)});
      }
      done.fetch_add(1);
    });
  }
  std::uint64_t queued = 0;
  for (bool last = false; !last;) {
    last = done.load() == 3;
    for (const auto& record : rig.page_requests()) {
      ++queued;
      run(rig,
          {pri_resp(static_cast<std::uint32_t>(record.get(arch::PriRecord::StreamID)),
                    static_cast<std::uint16_t>(record.get(arch::PriRecord::PRGIndex)), arch::PriResponse::success)});
    }
  }
  threads.clear();
  for (std::uint32_t sid = 1; sid <= 3; ++sid) {
    EXPECT_EQ(endpoints.answered(sid), requests) << sid;
  }
  EXPECT_EQ(rig.smmu->counters().page_requests_lost + queued, 3ULL * requests);
}

} // namespace
} // namespace sluice::model::test
