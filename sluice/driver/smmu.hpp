#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/base/result.hpp>
#include <sluice/driver/capabilities.hpp>
#include <sluice/driver/config.hpp>
#include <sluice/driver/counters.hpp>
#include <sluice/driver/domain.hpp>
#include <sluice/driver/output_queue.hpp>
#include <sluice/driver/parts.hpp>
#include <sluice/driver/support.hpp>
#include <sluice/iommu/device.hpp>
#include <sluice/iommu/unit.hpp>
#include <sluice/platform/platform.hpp>

#include <span>

namespace sluice::driver {

class SmmuDevice;

// One SMMUv3, Non-secure interface.
class Smmu final : public iommu::Unit, private RecordReader<arch::Event> {
public:
  // Probes, resets and enables. `mmio` outlives the Smmu. Errors: bad_hardware, missing_feature (see decode),
  // no_memory, timed_out (a handshake; the log says which), illegal_command, command_abort, smmu_failed (the first
  // commands), not_found, already_exists (a wire). After an error the SMMU is off, and aborts what it gets if it was on
  // before.
  static base::Result<platform::Owned<Smmu>> make(const platform::Platform& platform, platform::Mmio& mmio,
                                                  const Config& config = {});
  Smmu(const platform::Platform& platform, platform::Owned<Parts> parts);
  // Blocks all traffic, then switches the SMMU off. All devices are removed and all paging domains destroyed by then.
  ~Smmu();

  const Capabilities& capabilities() const { return parts_->capabilities; }
  Why why_not(Facility facility) const {
    return driver::why_not(parts_->capabilities, parts_->facts.coherent, facility);
  }
  const Config& config() const { return parts_->config; }
  Counters counters() const;
  // A wait ran out, or the SMMU reported that it failed: nothing is sent any more.
  bool failed() const { return parts_->health.failed(); }

  iommu::Domain& identity() override { return identity_; }
  iommu::Domain& blocked() override { return blocked_; }
  bool can_track_dirty() const override { return why_not(Facility::dirty) == Why::available; }
  base::Result<iommu::Domain*> make_paging(const iommu::PagingOptions& options) override;
  base::Result<iommu::Domain*> make_sva(iommu::AddressSpace& space) override;

  // Type arm_smmuv3.
  base::Result<iommu::HwInfo> hw_info(std::uint32_t type, std::span<std::byte> into) override;
  // Type arm_smmuv3. Errors: unsupported (another type, or an SMMU without both stages and S2FWB), other_smmu,
  // invalid_argument (`parent` was not made for nesting), no_memory, smmu_failed.
  base::Result<iommu::Viommu*> viommu_alloc(std::uint32_t type, iommu::Domain& parent,
                                            std::span<const std::byte> data) override;

  // A requester with all its StreamIDs; the same one twice is one. `function` is null where there is no PCI. Its
  // requests go to the idle domain. Errors: invalid_argument (no StreamID), too_large (beyond the stream table),
  // shares_stream (another device has it), no_memory, timed_out, smmu_failed.
  base::Result<iommu::Device*> add(platform::PciFunction* function, std::span<const StreamID> streams,
                                   const DeviceFacts& facts = {});
  // Detaches and blocks the device, then frees it. Errors: busy (in a group, or a guest has a name for it).
  base::Status remove(iommu::Device& device);

  // Does what interrupts do: reads events and page requests, looks at global errors; and what nobody else does: gives
  // up what has waited too long for its handler, blocks devices whose endpoints do not answer, terminates what has
  // stalled when records of it may be lost, and lets functions ask for pages again when requests were lost. Any thread,
  // but not in a read section.
  void poll();
  base::Status respond(iommu::PageTicket ticket, iommu::PageResponse response) override {
    return parts_->page_requests.answer(ticket, response);
  }

  // Commands as they are, and waits for their completion. For tools and tests. Errors: illegal_command, command_abort,
  // atc_timed_out, timed_out, smmu_failed.
  base::Status submit(std::span<const arch::Command> commands) { return parts_->commands.submit(commands); }

private:
  // Each wire runs poll's half that it stands for.
  class Handler final : public platform::IrqHandler {
  public:
    Handler(Smmu& smmu, void (Smmu::*run)()) : smmu_{smmu}, run_{run} {}
    void on_irq() override { (smmu_.*run_)(); }
    base::Status connect(const Wire& wire);
    void disconnect();
    bool connected() const { return connected_; }

  private:
    Smmu& smmu_;
    void (Smmu::*run_)();
    bool connected_{};
    platform::IrqLine line_{};
  };

  base::Status allocate();
  base::Status start();
  base::Status start_commands();
  base::Status start_interrupts();
  template <class Cfg0, class Cfg1, class Cfg2>
  base::Status start_interrupt(Handler& handler, const Wire& wire);
  bool fits(const base::Result<platform::IrqMessage>& message, const Wire& wire);
  void program_attributes();
  bool stop();

  base::Status add_locked(SmmuDevice& device);
  // Devices whose endpoints have not answered somebody who could not wait for the mutex, which is held now.
  void block_failed();
  base::Status link_leaves(std::span<const StreamID> sids);

  void settle_page_requests(const iommu::Domain& domain) override {
    parts_->page_requests.settle(domain, iommu::PageResponse::failed);
  }

  void on_event_wire() { read_events(parts_->config.interrupts_may_wait); }
  void read_events(bool may_wait);
  void settle_shares();
  void look_at_errors();
  void read_page_requests();
  bool on_record(const arch::Event& event, bool may_wait) override;
  bool wants_answer(const arch::Event& event) const override;
  void report(SmmuDevice& device, iommu::Fault& fault, const arch::Event& event);
  void expire_page_requests();
  void restart_page_requests();
  // With the unit's mutex held.
  void end_stalls();
  bool give_to_guest(const SmmuDevice& device, const iommu::Domain* domain, const arch::Event& event);
  void log_event(Code code, const arch::Event& event);

  platform::Owned<Parts> parts_;
  StaticDomain identity_;
  StaticDomain blocked_;
  EventQueue events_;
  Handler event_handler_;
  Handler gerror_handler_;
  Handler page_request_handler_;
  base::Atomic<std::uint32_t> stalls_lost_{0};      // since a record could not be written; end_stalls() is due
  base::Atomic<std::uint64_t> pages_lost_until_{0}; // functions may be told of failures that are over; 0: of none
  bool touched_{};                                  // registers have been written
  base::Atomic<std::uint64_t> stalls_{0};
  base::Atomic<std::uint64_t> unknown_streams_{0};
  base::Atomic<std::uint64_t> unhandled_{0};
  base::Atomic<std::uint64_t> guest_events_{0};
  base::Atomic<std::uint64_t> global_errors_{0};
};

} // namespace sluice::driver
