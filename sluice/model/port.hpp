#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/model/ats.hpp>
#include <sluice/model/audit.hpp>
#include <sluice/model/bus.hpp>
#include <sluice/model/smmu.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace sluice::model {

class PortCore;

// 3.1: an untranslated transaction of a client device. It lies in one 4 KB page; Port::transfer splits longer ones.
struct Request {
  std::uint32_t stream_id{};
  std::optional<std::uint32_t> substream_id{};
  std::uint64_t address{};
  std::uint32_t size{1};
  bool write{};
  bool instruction{};
  bool privileged{};
};

// What the client gets to know of its transaction, and for checkers the event behind it.
struct Outcome {
  enum class Kind : std::uint8_t {
    served,
    aborted,
    zeroed,  // 5.5 RAZ/WI: read as zero, write ignored
    stalled, // 3.12.2: no response until software answers; follow_up() tells
  };
  Kind kind{Kind::served};
  std::optional<arch::EventType> event{}; // what the SMMU found (7.3)
  bool recorded{};                        // and wrote to the event queue
  bool by_bus{};                          // the translation was good and the bus aborted
  std::uint16_t stall{};                  // of a stalled access: what follow_up() knows it by, from 1

  bool served() const { return kind == Kind::served; }
};

struct Translation {
  Outcome outcome{};
  std::uint64_t address{}; // PA of the request's first byte, if served
  Attributes attributes{}; // 13.5, if served
};

// How far a longer access came.
struct Transfer {
  std::uint64_t done{}; // bytes before the first piece that was not served
  Outcome outcome{};    // of that piece
};

// A completion with, for checkers, the event behind it.
struct RequestedTranslation {
  TranslationCompletion completion{};
  std::optional<arch::EventType> event{};
  bool recorded{};
};

// What a transaction was translated by.
enum class Stages : std::uint8_t { none, first, second, both };

struct PortCounters {
  std::uint64_t tlb_misses{};    // translations that needed more than the TLB
  std::uint64_t walks{};         // descriptor reads
  std::uint64_t config_reads{};  // words of L1STD, STE, L1CD and CD read
  std::uint64_t faults{};        // transactions not served
  std::uint64_t invalidations{}; // commands applied to this port's caches
  std::uint64_t stalls{};        // transactions that stalled, again after a retry too
  std::uint64_t translation_requests{};
  std::uint64_t translated{}; // translated transactions
  std::uint64_t lost_log{};   // times it fell too far behind and dropped all that it cached
};

// The way of client devices into the SMMU. One thread at a time owns a port and its caches; several StreamIDs may use
// it.
//
// An access covers translation and memory access, because a CMD_SYNC waits for transactions, not for lookups. It puts
// the port online and takes it offline again. In a Burst the port stays online: a CMD_SYNC then waits until its next
// access begins or the Burst ends. Whoever holds a Burst must therefore not wait for anything; Bus::pulse is called
// within it.
class Port {
public:
  explicit Port(Smmu& smmu);
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port();

  // From 1; the same number is not given to two ports of one SMMU.
  std::uint32_t id() const;

  // Reads into or writes from `data`. Events are recorded and interrupts raised before it returns.
  Outcome access(const Request& request, void* data);
  // Page by page, up to the first piece that is not served. `request.size` is not used.
  Transfer transfer(const Request& request, void* data, std::uint64_t size);
  // What has become of an access that stalled, with the same bytes. It holds up neither other accesses nor a CMD_SYNC,
  // and stays `stalled` until a CMD_RESUME or CMD_STALL_TERM, or until SMMUEN is 0. A retried one is a new transaction,
  // which may stall again under the same number. One whose record found no room is retried by each call.
  Outcome follow_up(std::uint16_t stall, void* data);
  // For tools: the answer may be stale when it arrives. Records no event; fills caches as an access does.
  Translation translate(const Request& request);

  // 3.9.1.2, 8. Without IDR0.ATS each request is unsupported, without IDR0.PRI each is refused.
  RequestedTranslation request_translation(const TranslationRequest& request);
  PageRequestFate request_page(const PageRequest& request);

  // For tools: with Knobs::adversary, what the SMMU may do between two accesses; else nothing.
  void idle();

  PortCounters counters() const;

  // For checkers, by the thread that owns the port. The stages that the latest access of these IDs went through, as
  // long as the port remembers; no value for one that met no legal configuration.
  std::optional<Stages> stages_of(const Request& request) const;
  // Walks the tables anew for each translation that is cached and that the TLBI commands in `scope` are about, or for
  // all if there are none, and changes no cache. What has been invalidated by then has left the caches.
  Audit audit(std::span<const arch::Command> scope = {});

  class [[nodiscard]] Burst {
  public:
    explicit Burst(Port& port);
    Burst(const Burst&) = delete;
    Burst& operator=(const Burst&) = delete;
    ~Burst();

    Outcome access(const Request& request, void* data);
    Transfer transfer(const Request& request, void* data, std::uint64_t size);
    Outcome follow_up(std::uint16_t stall, void* data);
    // Good until the next call of this Burst.
    Translation translate(const Request& request);
    // A quiescent state without an access: lets a waiting CMD_SYNC go on.
    void pause();

    RequestedTranslation request_translation(const TranslationRequest& request);
    // 3.9.1.3: a translated transaction; `request.address` is what a completion said. It has been looked up in the
    // client's ATC, or asked for, since the latest call of another function of this Burst: unlike those, this one
    // begins without a quiescent state, because a CMD_SYNC after a CMD_ATC_INV waits for what was found in an ATC.
    // `request.substream_id` does not count without IDR3.PASIDTT. For Knobs::watch_stale, `asked` is the address whose
    // translation it is, which the SMMU itself does not know.
    Outcome access_translated(const Request& request, void* data, std::optional<std::uint64_t> asked = {});

  private:
    PortCore& core_;
  };

private:
  std::unique_ptr<PortCore> core_;
};

} // namespace sluice::model
