#pragma once

#include <sluice/arch/event.hpp>
#include <sluice/frame/registers.hpp>
#include <sluice/uapi/iommufd_queues.hpp>
#include <sluice/vsmmu/batch.hpp>
#include <sluice/vsmmu/features.hpp>
#include <sluice/vsmmu/host.hpp>
#include <sluice/vsmmu/seams.hpp>
#include <sluice/vsmmu/stalls.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace sluice::vsmmu {

struct Config {
  int iommufd{-1};
  std::uint32_t parent{};          // the HWPT that is the guest's memory, made with NEST_PARENT
  arch::IdRegisters features{};    // what the guest is told: within what offer() says of each host that it may run on
  bool abort_at_reset{};           // GBPA.ABORT after reset, 6.3.14: the guest's firmware has no use of its devices
  bool reserved_bits_illegal{};    // 4.1.3: a non-zero reserved field of a command is CERROR_ILL
  std::uint32_t event_depth{1024}; // of the host's queue
};

// What has happened since it was made.
struct Counters {
  std::uint64_t commands{};         // consumed
  std::uint64_t syncs{};            // completed
  std::uint64_t command_errors{};   // 7.1
  std::uint64_t invalidations{};    // commands of the guest's that the host was given
  std::uint64_t calls{};            // IOMMU_HWPT_INVALIDATE
  std::uint64_t placed{};           // changes of where a device's requests go, and unchanged ones looked at
  std::uint64_t refused{};          // of those, with an STE that the host does not take
  std::uint64_t failed{};           // of those, for which the host had not what it takes
  std::uint64_t events{};           // recorded
  std::uint64_t events_discarded{}; // 7.2.1, 7.4
  std::uint64_t losses{};           // times that the host said, or showed, that events are missing
  std::uint64_t stalls{};           // recorded: transactions that wait for the guest
  std::uint64_t stalls_answered{};  // by the guest
  std::uint64_t stalls_refused{};   // the guest could not be told of them
};

// The SMMUv3 that a guest sees: a register frame whose stream table, commands and events are the guest's, and whose
// translations are the host's hardware's. Calls take turns: the monitor holds a lock that it has for the device. Each
// is bounded by the size of the guest's command queue and the number of devices. No input of the guest's is an error of
// a call: it gets the outcome that the architecture has for it.
class Vsmmu {
public:
  static constexpr std::size_t max_devices = 4096;

  // Makes no call. `answers` is for a guest that was promised stalls. Errors: bad_hardware (no SMMU says such features
  // of itself), invalid_argument (stalls, and no way to answer them).
  static base::Result<std::unique_ptr<Vsmmu>> make(const Config& config, Ioctl ioctl, GuestMemory& memory,
                                                   Interrupts& interrupts, Answers answers = {});
  Vsmmu(const Config& config, Ioctl ioctl, GuestMemory& memory, Interrupts& interrupts, Answers answers);
  Vsmmu(const Vsmmu&) = delete;
  Vsmmu& operator=(const Vsmmu&) = delete;
  // As close(). Where the monitor has the event descriptor still open, the host keeps the vIOMMU until its /dev/iommu
  // is closed.
  ~Vsmmu();

  // Leaves all devices on the guest's memory, and ends what the host has for the guest. Any number of times. Errors:
  // busy (the monitor still has the descriptor of a queue open: after it has closed it, once more), and the host's.
  base::Status close();

  // The register frame: `offset` counts from page 0. 6.2: other sizes than 4 and 8, unaligned accesses and what is not
  // there read 0 and ignore writes.
  std::uint64_t read(std::uint32_t offset, unsigned size) const { return registers_->read(offset, size); }
  void write(std::uint32_t offset, unsigned size, std::uint64_t value);
  // The machine's: registers as after power-on, devices on the guest's memory or aborting.
  void reset();

  // A device of the SMMU that the first one is behind. Errors: too_large (the StreamID, or too many devices),
  // already_exists, missing_feature (the guest was promised more than this host has: refusal()), and the host's:
  // unsupported (it has no vIOMMUs, or one that cannot invalidate), invalid_argument (behind another SMMU),
  // device_failed (it can be attached nowhere), ... Then
  // nothing has changed.
  base::Status add_device(const DeviceInfo& device);
  // Errors: not_found.
  base::Status remove_device(std::uint32_t stream);
  const std::optional<Refusal>& refusal() const { return refusal_; }

  // Onto another HWPT of the same memory, made with NEST_PARENT: no device has a gap. The event descriptor is still the
  // old one, for what is on its way; when the monitor has taken that and closed it, forget_left() makes it the new one
  // (errors: as close(); then it is the old one still).
  // A fault of a device in the moment in which it has no vDEVICE is the host's, and the guest does not hear of it.
  // Errors: busy (the last move has not been forgotten), unsupported (it would have no events there), and the host's;
  // then all devices are where they were, or abort where the host does not take them back.
  base::Status move_to(std::uint32_t parent);
  base::Status forget_left();

  // Of the host's vEVENTQ, from the first device on; -1 if the host has none. The monitor polls it, reads from it and
  // closes it.
  int event_descriptor() const { return (left_ ? left_ : host_)->event_descriptor(); }
  // What a read of it gave: any number of whole records. Errors: protocol (no such records; those before have been
  // taken).
  base::Status take_events(std::span<const std::byte> records);
  // The same for faults that wait, where the guest was promised stalls: each becomes an event with a STAG, and the
  // guest's CMD_RESUME answers it. -1: there are none.
  int fault_descriptor() const { return (left_ ? left_ : host_)->fault_descriptor(); }
  // Errors: protocol (no whole records; nothing has been taken).
  base::Status take_faults(std::span<const std::byte> records);
  std::size_t stalled() const { return stalls_.waiting(); }

  // All that a guest can tell, for another Vsmmu with the same features, on any host. Errors of restore(): bad_size,
  // unsupported (another version), missing_feature (other features: refusal()), reserved_bits, invalid_argument (a
  // state that no SMMU of ours is in); then nothing has changed. Devices are added before or after.
  std::vector<std::byte> save() const;
  base::Status restore(std::span<const std::byte> state);

  const Counters& counters() const { return counters_; }
  // Where a device's requests go. Nothing: there is no such device.
  std::optional<Place> place_of(std::uint32_t stream) const;

private:
  struct Message {
    std::uint64_t address{};
    std::uint32_t data{};
  };

  base::Status check_promises(std::uint32_t device);
  void power_on();
  void on_cr0();
  void on_gbpa();

  // streams.cpp
  void place_all();
  void place(Assigned& device);
  Placed put(Assigned& device, Place place, const SteWords& words = {});
  void place_by_ste(Assigned& device);
  void report(arch::EventType type, std::uint32_t stream, std::uint64_t fetched);
  void reconfigure(std::uint32_t first, std::uint64_t count, std::uint32_t position);

  // commands.cpp
  void run_commands();
  bool run_command(std::uint32_t position, unsigned log2);
  bool execute(const arch::Command& command, std::uint32_t position);
  bool forward(const arch::Command& command, std::uint32_t position);
  bool sync(const arch::Command& command, std::uint32_t position, unsigned log2);
  bool flush();
  bool stop(std::uint32_t position, arch::Cerror error);
  void consume(std::uint32_t position);

  // faults.cpp
  void take_fault(const uapi::iommufd::HwptPgfault& fault);
  void record_stalls();
  void resume(const arch::Command& command);
  void terminate(std::uint32_t stream);
  void terminate_all();
  void forget_stalls(std::uint32_t stream);
  void answer(std::uint32_t cookie, bool again);

  // events.cpp
  enum class Written : std::uint8_t { done, no_room, failed };
  Written write_event(const arch::Event& event);
  void record(const arch::Event& event);
  void overflow();
  void lost();

  // interrupts.cpp
  bool message(const Message& message);
  void signal_event_queue();
  void signal_gerror();
  void signal_sync(const arch::Command& sync);
  bool raise(std::uint64_t gerror_bit);
  void report_error(std::uint64_t gerror_bit);
  bool active(std::uint64_t gerror_bit) const;

  std::uint64_t queue_address(std::uint64_t base, unsigned log2, std::size_t entry, std::uint32_t index) const;

  const Config config_;
  GuestMemory& memory_;
  Interrupts& interrupts_;
  Answers answers_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<Host> left_; // until the monitor has taken the last of its events
  std::optional<frame::Registers> registers_;
  std::map<std::uint32_t, Assigned> devices_; // by StreamID
  Batch batch_;
  Stalls stalls_;
  std::optional<std::uint32_t> group_; // cookie of a fault whose last page is still to come
  bool hides_stalls_{};                // the host's SMMU can stall, and the guest's is not to
  bool atc_timed_out_{};
  std::optional<std::uint32_t> next_sequence_;
  std::optional<Refusal> refusal_;
  Counters counters_;
};

} // namespace sluice::vsmmu
