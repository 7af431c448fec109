#pragma once

#include <sluice/pcie/copy_engine.hpp>
#include <sluice/pcie/worker.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>

namespace sluice::pcie {

struct CopyCounters {
  std::uint64_t jobs{};
  std::uint64_t bytes{};   // moved
  std::uint64_t aborted{}; // jobs that met an abort
};

// A copy engine that software on the other side of the bus gives jobs by registers in BAR 0, one at a time. Registers
// may be accessed by several threads; a job is done in run(), by whoever calls it.
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

  CopyDevice(Address address, const AtsConfig& ats, platform::Sync& sync, platform::Time& time);

  // Before the function is used.
  void set_worker(Worker* worker) { worker_ = worker; }
  // Does the job that was begun, if one was.
  void run(model::Port& port);

  void reset() override;

  CopyCounters counters() const;

protected:
  std::uint64_t bar_read(unsigned index, std::uint64_t offset, unsigned size) override;
  void bar_write(unsigned index, std::uint64_t offset, unsigned size, std::uint64_t value) override;

private:
  // With lock_ held.
  std::uint64_t* writable(std::uint64_t offset);
  std::uint64_t word(std::uint64_t offset) const;
  bool begin();
  CopyJob job();
  void finish(const CopyReport& report);

  platform::Sync& sync_;
  Worker* worker_{};
  platform::Mutex turn_; // of run() and reset(): no request is under way while it is free

  mutable platform::SpinLock lock_;                         // of what follows
  std::uint64_t source_{}, destination_{}, size_{}, how_{}; // how_: mode and PASID
  State state_{State::idle};
  std::uint32_t ended_{};
  std::uint64_t moved_{}, fault_{};
  CopyCounters counters_{};
};

} // namespace sluice::pcie
