#pragma once

#include <sluice/model/adversary.hpp>
#include <sluice/model/configuration.hpp>
#include <sluice/model/core.hpp>
#include <sluice/model/port.hpp>
#include <sluice/model/stale_watch.hpp>
#include <sluice/model/stream_history.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sluice::model {

// A port's private state. What is in here is touched by its thread only, but for link_.state, which it writes and the
// command side reads.
class PortCore {
public:
  explicit PortCore(Core& core);
  PortCore(const PortCore&) = delete;
  PortCore& operator=(const PortCore&) = delete;
  ~PortCore();

  void go_online();
  void go_offline();
  // In a Burst, before each access: a quiescent state if something is new.
  void quiesce() {
    if (!is_quiescent()) [[unlikely]] {
      catch_up();
    }
  }

  Outcome access(const Request& request, void* data, Core::Recorded& edges);
  Transfer transfer(Request request, void* data, std::uint64_t size, Core::Recorded& edges);
  Translation translate(const Request& request);
  // As those, after a quiescent state if something is new; what was recorded is delivered.
  Translation translate_in_burst(const Request& request);
  Outcome access_in_burst(const Request& request, void* data);
  Outcome follow_up(std::uint16_t ticket, void* data, Core::Recorded& edges);
  void idle(); // by Knobs::adversary
  // port_ats.cpp
  RequestedTranslation request_translation(const TranslationRequest& request, Core::Recorded& edges);
  Outcome access_translated(Request request, void* data, std::optional<std::uint64_t> asked, Core::Recorded& edges);
  PageRequestFate request_page(PageRequest request, Core::Recorded& edges); // port_pri.cpp
  // audit.cpp
  Audit audit(std::span<const arch::Command> scope);
  std::optional<Stages> stages_of(const Request& request) const;

  std::uint32_t id() const { return link_.id; }
  PortCounters counters() const;
  void deliver(const Core::Recorded& edges) { core_.deliver(edges); }

private:
  bool is_quiescent() const { return head_.load(base::Order::acquire) == seen_; }
  [[gnu::noinline]] Translation translate_anew(const Request& request, bool quiescent);
  [[gnu::noinline]] Outcome access_anew(const Request& request, void* data, bool quiescent);

  // What PRIVCFG and INSTCFG make of an access.
  struct Use {
    std::uint8_t right : 3 {}; // that it needs, a number of `rights`
    bool instruction : 1 {};
    bool privileged : 1 {};
  };
  // Where a {StreamID, SubstreamID} leads, as the fast path needs it; `regimes_` holds the rest.
  struct alignas(64) Binding {
    std::uint64_t key{}; // 0: empty
    TlbKey context{};
    TlbKey global_context{};
    std::uint64_t beyond{};    // of a bypass: bits that an address may not have
    MemoryType incoming{};     // of a bypass, or what stage 2 alone combines with
    std::uint8_t ignore_top{}; // bit n: TBI of half n
    bool bypass{};
    bool stage1{};
    bool as_cached{}; // stage 1 made the type, and the client's hints take nothing away
    bool fwb{};
    std::array<Use, 8> uses{}; // by kind()

    static unsigned kind(const Request& r) {
      return unsigned{r.write} | unsigned{r.instruction} << 1 | unsigned{r.privileged} << 2;
    }
    Use use(const Request& r) const { return uses[kind(r)]; }
  };
  static_assert(sizeof(Binding) == 64); // a hit loads one line of it
  struct Audited;
  std::vector<Audited> audited();

  struct Target {
    std::uint64_t pa{};
    MemoryType type{}; // normalised
    bool instruction{};
    bool privileged{};

    Attributes attributes() const { return {type.mair, static_cast<std::uint8_t>(type.sh), instruction, privileged}; }
  };

  static std::uint64_t key_of(const Request& r) {
    return 1ULL << 63 | (r.substream_id ? 1ULL << 52 | std::uint64_t{*r.substream_id} << 32 : 0) | r.stream_id;
  }
  // As Binding::key. With what has to be done at each access besides, a key that the fast path never asks for.
  std::uint64_t stored(std::uint64_t key) const { return key ^ slow_lane_; }
  std::size_t slot(std::uint64_t key) const { return static_cast<std::size_t>(key ^ key >> 32) & binding_mask_; }

  bool resolve_common_hit(const Request& request, Target& target) const;
  bool resolve(const Request& request, Target& target);
  bool resolve_slowly(const Request& request, Target& target);
  bool resolve_watched(const Request& request, Target& target);
  bool resolve_by_caches(const Request& request, Target& target);
  bool bypass_smmu(const Request& request, Target& target);
  bool resolve_bound_hit(const Binding& binding, const Request& request, Target& target) const;
  const Binding* bind(const Request& request);
  static void fill(Binding& binding, const Regime& regime);
  bool resolve_bound(const Binding& binding, const Regime& regime, const Request& request, Target& target);
  const TlbEntry* find(const Binding& binding, std::uint64_t address) const;
  static MemoryType type_of(const Binding& binding, const TlbEntry& entry);
  static void fill(const Binding& binding, const TlbEntry& entry, const Request& request, Target& target);
  static void check_one_page(const Request& r) { base::check(r.size != 0 && (r.address & 0xfff) + r.size <= 0x1000); }
  Outcome pass(const Request& request, void* data, const Target& target) const;
  bool may_merge() const;
  void tell_fault() const;
  Outcome refuse(const Request& request, void* data, Core::Recorded& edges);
  arch::Event event_of(const Request& request) const;
  bool record(const arch::Event& event, Core::Recorded& edges);

  // port_ats.cpp
  bool records_ats_errors() const { return registers_.cr2.get(arch::CR2::REC_CFG_ATS) != 0; }
  RequestedTranslation refuse(const TranslationRequest& request, TranslationCompletion::Status status,
                              Core::Recorded& edges);
  bool permitted(const Regime& regime, const Binding& binding, const Request& request, bool no_write, TlbEntry& entry);
  bool resolve_translated(const Request& request, Target& target);
  const Binding* bind_translated(const Request& request);
  bool find_translated(const Request& request, Regime& regime);
  // port_pri.cpp
  std::optional<PageResponse> automatic_response(const PageRequest& request, PageRequestFate fate,
                                                 Core::Recorded& edges);

  // port_stalls.cpp
  struct Waiting {
    Request request{};
    bool used{};
    Stalled stalled{};
  };
  std::uint16_t free_ticket();
  std::optional<Outcome> stall(const Request& request, Core::Recorded& edges);

  // port_stale.cpp
  void watch_stale(const Request& request);
  void watch_translated(const Request& asked, std::uint64_t used);
  std::optional<StaleWatch::Difference> stale_translation(const Binding& binding, const Regime& regime,
                                                          std::uint64_t address);
  void note_stale(const Request& request, std::optional<StaleWatch::Difference>& found);

  // port_adversary.cpp
  static constexpr std::uint64_t most_prefetched = 256; // 4.2.2: of one command
  void prefetch(const arch::Command& command);
  void prefetch(std::uint32_t sid, std::optional<std::uint32_t> ssid, std::optional<std::uint64_t> address);
  void wander();
  void prefetch_something();

  void catch_up();
  void apply(const arch::Command& command);
  void invalidate_translations(const arch::Command& command);
  std::uint16_t vmid_wildcard() const;
  void load_registers();
  void forget_everything();
  std::span<Binding> bindings() { return {bindings_.get(), binding_mask_ + 1}; }
  void unbind_all();
  template <class Matches>
  void unbind(Matches matches);

  Core& core_;
  const Facts& facts_;
  Bus& bus_;
  const base::Atomic<std::uint64_t>& head_;
  std::uint64_t seen_{0};
  PortLink link_;

  LiveRegisters registers_;
  Choices choices_;
  const std::uint64_t slow_lane_;
  Tlb tlb_;
  Walker walker_;
  Contexts contexts_;
  Configuration configuration_;
  const std::size_t binding_mask_;
  const std::unique_ptr<Binding[]> bindings_;
  const std::unique_ptr<Regime[]> regimes_;
  Fault fault_;
  StreamHistory history_;
  std::unique_ptr<StaleWatch> stale_watch_{};     // with Knobs::watch_stale
  const Regime* fault_regime_{};                  // whose overrides the event shows, if it got that far
  std::vector<std::unique_ptr<Waiting>> waiting_; // by ticket
  std::uint16_t retried_{0};                      // the ticket of the access in hand
  std::array<Request, 8> recent_{};               // of the latest accesses on the slow lane
  std::size_t latest_{};
  PortCounters count_;
};

} // namespace sluice::model
