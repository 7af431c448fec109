#pragma once

#include <sluice/pcie/intx.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/vfio/host.hpp>
#include <sluice/vfio/msix_place.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice::vfio {

// One SET_IRQS, checked as far as its form goes: start and count lie within the index, and `data` has `count` values.
struct IrqRequest {
  std::uint32_t flags{};
  std::uint32_t index{};
  std::uint32_t start{};
  std::uint32_t count{};
  std::span<const std::byte> data{};

  bool none() const;
  bool has_eventfds() const;
  std::int32_t eventfd(std::uint32_t i) const;
  // Whether value `i` says yes; always for a request without data.
  bool says(std::uint32_t i) const;
};

// The interrupts of a device on their way to eventfds: INTx, which masks itself at each signal, or MSI-X; never both.
class Interrupts final : public pcie::Intx {
public:
  // Without `wakeups` clients do not unmask by eventfds.
  Interrupts(pcie::Function& function, Vectors& vectors, platform::Sync& sync, bool dynamic_msix,
             Wakeups* wakeups = nullptr)
      : function_{function}, vectors_{vectors}, sync_{sync}, dynamic_msix_{dynamic_msix}, wakeups_{wakeups} {}

  void open();
  void close();
  std::uint32_t count(std::uint32_t index) const;
  bool dynamic_msix() const { return dynamic_msix_; }
  const std::optional<MsixPlace>& msix() const { return place_; }

  // Errors: invalid_argument, unknown_call (there is no such action), bad_descriptor, busy (an eventfd unmasks
  // already), too_large (no vector at all), no_space, no_memory.
  base::Status set(const IrqRequest& request);
  // Interrupt Disable in the command register that the client sees.
  void set_disabled(bool disabled);
  // The device has been reset: what it forgot of MSI-X is written again.
  void restore();

  // To the client: an error of the device; and a request to give the device back.
  void signal_error();
  void signal_request();

  void assert_line() override;
  void deassert_line() override;

private:
  enum class Kind : std::uint8_t { none, intx, msix };

  struct Vector {
    Eventfd trigger{};
    Message message{};
  };
  struct Unmasker final : Wakeups::Sleeper {
    explicit Unmasker(Interrupts& i) : of{i} {}
    void on_signal() override;
    Interrupts& of;
  };

  // With gate_ held.
  base::Status set_intx(const IrqRequest& request);
  base::Status trigger_intx(const IrqRequest& request);
  void enable_intx(Eventfd trigger);
  void swap_trigger(Eventfd& trigger);
  void disable_intx();
  base::Status unmask_by(std::int32_t fd);
  void unmask_by_nobody();
  base::Status trigger_msix(const IrqRequest& request);
  base::Status set_block(const IrqRequest& request);
  base::Status set_vector(std::uint32_t vector, std::int32_t fd);
  base::Status enable_msix(std::uint32_t wanted);
  void disable_msix();
  void drop_vector(std::uint32_t vector);
  void write_control(bool enable);
  static base::Status set_single(const IrqRequest& request, Eventfd& trigger);

  // With line_lock_ held.
  void mask();
  void unmask();
  void send();
  void take_line();

  pcie::Function& function_;
  Vectors& vectors_;
  platform::Sync& sync_;
  bool dynamic_msix_;
  Wakeups* wakeups_;

  platform::Mutex gate_;
  Kind kind_{Kind::none};
  bool has_pin_{};
  std::optional<MsixPlace> place_;
  std::vector<Vector> table_;
  std::uint32_t allocated_{}; // vectors that a client without dynamic ones may use
  Eventfd error_{};
  Eventfd request_{};
  Eventfd unmask_{};
  Unmasker unmasker_{*this};

  platform::SpinLock line_lock_;
  bool intx_{}; // kind_ is intx
  Eventfd trigger_{};
  bool masked_{};
  bool disabled_{};
  bool line_{};
};

} // namespace sluice::vfio
