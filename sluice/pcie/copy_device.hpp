#pragma once

#include <sluice/pcie/copy_engine.hpp>
#include <sluice/pcie/copy_ring.hpp>
#include <sluice/pcie/worker.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>

namespace sluice::pcie {

struct CopyCounters {
  std::uint64_t jobs{};
  std::uint64_t bytes{};   // moved
  std::uint64_t aborted{}; // jobs that met an abort
};

// A copy engine that software on the other side of the bus gives jobs by registers in BAR 0, one at a time, and with
// memory for it by a CopyRing in BAR 2. Registers may be accessed by several threads; jobs are done in run(), by
// whoever calls it.
class CopyDevice final : public CopyEngine {
public:
  // BAR 0; the 64-bit registers also by halves. While a job is under way only STATUS may be read for something certain,
  // and writes have no effect.
  static constexpr std::uint64_t source_at = 0x00;
  static constexpr std::uint64_t destination_at = 0x08;
  static constexpr std::uint64_t size_at = 0x10;     // 32 bits
  static constexpr std::uint64_t doorbell_at = 0x14; // 32 bits; any value begins a job
  static constexpr std::uint64_t status_at = 0x18;   // 32 bits, read-only, as is all that follows
  static constexpr std::uint64_t jobs_at = 0x1c;     // 32 bits: jobs that have ended
  static constexpr std::uint64_t moved_at = 0x20;
  static constexpr std::uint64_t fault_at = 0x28; // IOVA of the access that aborted
  static constexpr std::uint64_t mode_at = 0x30;  // 32 bits, for software again: `untranslated`
  static constexpr std::uint64_t pasid_at = 0x34; // 32 bits: a PASID of 20 bits, and `with_pasid`
  static constexpr std::uint64_t bar_bytes = 0x1000;
  static constexpr std::uint32_t longest = 1u << 20;
  static constexpr std::uint32_t untranslated = 1;      // the job does not use the ATC
  static constexpr std::uint32_t with_pasid = 1u << 31; // the job's accesses have the PASID
  static constexpr std::uint32_t pasid_bits = 0x000f'ffff;

  enum class State : std::uint32_t {
    idle,
    busy,
    done,
    read_aborted,
    write_aborted,
    no_master, // 7.5.1.1.3 Bus Master Enable is 0
    bad_size,  // 0, or longer than `longest`
    no_pasid,  // PASIDs are not enabled, or have fewer bits
  };

  static constexpr unsigned ring_bar = 2;

  CopyDevice(Address address, const AtsConfig& ats, platform::Sync& sync, platform::Time& time);
  // `ring` has CopyRing::bytes and outlives the function.
  CopyDevice(Address address, const AtsConfig& ats, platform::Sync& sync, platform::Time& time, BarMemory& ring);

  // Before the function is used.
  void set_worker(Worker* worker) { worker_ = worker; }
  // Does the job that was begun, if one was, and the next few of the ring. True: the ring may have more.
  bool run(model::Port& port);
  // Software may fill the ring and tell nobody, so that somebody has to call run() all the time.
  bool unobserved() const { return ring_ && any_bar_mapped(); }

  void reset() override;

  CopyCounters counters() const;

protected:
  std::uint64_t bar_read(unsigned index, std::uint64_t offset, unsigned size) override;
  void bar_write(unsigned index, std::uint64_t offset, unsigned size, std::uint64_t value) override;
  void on_bar_mapping() override { tell_worker(); } // that it has to look, or to look for the last time

private:
  static constexpr unsigned jobs_at_once = 16; // of the ring, for which a reset may have to wait

  // With lock_ held.
  std::uint64_t* writable(std::uint64_t offset);
  std::uint64_t word(std::uint64_t offset) const;
  bool begin();
  void finish(const CopyReport& report);
  void count(const CopyReport& report);

  // With turn_ held.
  CopyJob job(std::uint64_t source, std::uint64_t destination, std::uint64_t size, bool is_untranslated,
              std::uint32_t pasid);
  void run_registers(model::Port& port);
  bool run_ring(model::Port& port);
  void tell_worker();

  platform::Sync& sync_;
  Worker* worker_{};
  platform::Mutex turn_; // of run() and reset(): no request is under way while it is free
  std::optional<CopyRing> ring_;

  mutable platform::SpinLock lock_;                         // of what follows
  std::uint64_t source_{}, destination_{}, size_{}, how_{}; // how_: mode and PASID
  State state_{State::idle};
  std::uint32_t ended_{};
  std::uint64_t moved_{}, fault_{};
  CopyCounters counters_{};
};

} // namespace sluice::pcie
