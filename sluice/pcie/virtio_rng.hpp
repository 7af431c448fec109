#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/pcie/dma.hpp>
#include <sluice/pcie/dma_hook.hpp>
#include <sluice/pcie/entropy_source.hpp>
#include <sluice/pcie/function.hpp>
#include <sluice/pcie/msix.hpp>
#include <sluice/pcie/virtio_common.hpp>
#include <sluice/pcie/virtqueue.hpp>
#include <sluice/pcie/worker.hpp>
#include <sluice/platform/sync.hpp>

#include <cstdint>
#include <string>

namespace sluice::pcie {

struct VirtioRngConfig {
  enum class MsixCapability : std::uint8_t {
    none,
    plain,
    // Shown as a vendor-specific capability until the first reset, and as what it is from then on: whoever looked at
    // the list before leaves the table and the enable bit to the guest.
    disguised,
  };
  std::string name{"rng0"}; // in the marks of the data
  MsixCapability msix{MsixCapability::none};
};

// virtio 1.2, 5.4: an entropy source on PCI Express whose entropy is a MarkedStream, so that both sides can compare
// what was read. Registers may be accessed by several threads; requests are made only in run(), by whoever calls it.
class VirtioRng final : public Function {
public:
  // BAR 0
  static constexpr std::uint64_t common_at = 0x0000;
  static constexpr std::uint64_t isr_at = 0x1000;
  static constexpr std::uint64_t device_at = 0x2000;
  static constexpr std::uint64_t notify_at = 0x3000;
  static constexpr std::uint32_t bar_bytes = 0x4000;
  static constexpr std::uint32_t notify_multiplier = 4;
  // Offsets of capabilities
  static constexpr std::uint16_t structures_at = 0x80;
  static constexpr std::uint16_t msix_at = 0xd8;
  static constexpr unsigned msix_bar = 1;
  static constexpr std::uint16_t vectors = 2;
  static constexpr std::uint32_t longest_delivery = EntropySource::longest_delivery;

  VirtioRng(const VirtioRngConfig& config, Address address, platform::Sync& sync);

  // Before the function is used.
  void set_worker(Worker* worker) { worker_ = worker; }
  void watch(DmaWatch* watch) { dma_.watch(watch); }

  // Whether run() would do anything.
  bool pending() const;
  // Does what is pending, at most one queue of buffers; true if something is left. Several threads take turns, so that
  // they may share `master`. Waits for nothing but their turn.
  bool run(Master& master);

  void reset() override;
  void power_cycle() override;

  Delivered delivered() const;
  DmaCounters dma_counters() const { return dma_.counters(); }
  const MarkedStream& stream_of_marks() const { return source_.stream(); }
  // Why the driver has to reset the device, if it has.
  RingFault ring_fault() const;
  std::uint64_t messages() const { return messages_.load(base::Order::relaxed); }
  std::uint64_t interrupts() const { return interrupts_.load(base::Order::relaxed); } // rising edges of the ISR

protected:
  void on_config_write(std::uint16_t offset, unsigned size) override;
  std::uint64_t bar_read(unsigned index, std::uint64_t offset, unsigned size) override;
  void bar_write(unsigned index, std::uint64_t offset, unsigned size, std::uint64_t value) override;

private:
  static constexpr std::uint32_t notified = 1; // work_
  static constexpr std::uint32_t hooked = 2;
  static constexpr std::uint32_t message = 4;

  void add_structures();
  void add_msix(VirtioRngConfig::MsixCapability kind);
  void show_msix(bool shown);
  void post(std::uint32_t work);

  // 2.4: of the virtio device.
  void reset_device();
  // With turn_ and lock_ held.
  void reset_device_locked();
  void reset_function_locked();
  // With lock_ held.
  void write_page(unsigned index, std::uint64_t offset, unsigned size, std::uint64_t value);
  std::uint64_t read_isr();
  bool pin() const { return isr_ != 0 && !msix_.enabled(); }
  void raise(std::uint8_t isr, std::uint16_t vector);
  void fail(RingFault fault);

  // With turn_ held.
  void serve(Master& master);
  bool serve_one(Master& master);
  void break_down(RingFault fault);
  void send_messages(Master& master);

  platform::Sync& sync_;
  EntropySource source_;
  VirtioRngConfig::MsixCapability msix_kind_;
  Worker* worker_{};

  platform::Mutex turn_; // of run() and reset: no request is under way while it is free
  Dma dma_{*this};
  Virtqueue queue_{dma_};
  bool queue_started_{};

  mutable platform::SpinLock lock_; // registers
  VirtioCommon common_;
  Msix msix_{vectors};
  DmaHook hook_{config()};
  std::uint8_t isr_{};
  bool msix_shown_{};
  RingFault ring_fault_{};

  base::Atomic<std::uint32_t> work_{0};
  base::Atomic<std::uint64_t> messages_{0};
  base::Atomic<std::uint64_t> interrupts_{0};
};

} // namespace sluice::pcie
