#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/machine/forwarding_bus.hpp>
#include <sluice/platform/sync.hpp>
#include <sluice/vfio/host.hpp>

#include <cstdint>
#include <functional>
#include <vector>

namespace sluice::machine {

// A frame that stands for the interrupt controller behind one SMMU: the right data written by the right requester
// signals an eventfd.
class Doorbell final : public vfio::Vectors {
public:
  // The same addresses for devices as in the machine, where clients do not map anything. A guest's own controllers lie
  // in here as well: of QEMU's virt machine all registers that take messages.
  static constexpr std::uint64_t start = 0x0800'0000;
  static constexpr std::uint64_t size = 0x10'0000;
  static constexpr std::uint64_t own_register = start + 0x40;
  static constexpr std::uint32_t most_vectors = 1024;

  explicit Doorbell(platform::Sync& sync) : sync_{sync} {}
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  static bool contains(std::uint64_t address) { return address - start < size; }

  base::Result<vfio::Message> connect(pcie::Address device, const vfio::Eventfd& signal) override;
  void disconnect(pcie::Address device, const vfio::Message& message) override;

  // Who takes what is for another controller in the window; before the first message. False: there is nothing.
  using Elsewhere = std::function<bool(std::uint64_t stream, std::uint64_t address, std::uint32_t data)>;
  void set_elsewhere(Elsewhere elsewhere) { elsewhere_ = std::move(elsewhere); }
  // A write that arrived here. False: an abort.
  bool write(const model::BusAccess& access, const void* from);

  std::uint64_t connected() const { return connected_.load(base::Order::relaxed); }
  std::uint64_t signalled() const { return signalled_.load(base::Order::relaxed); }
  // Messages that nobody waits for, and accesses that are no messages.
  std::uint64_t refused() const { return refused_.load(base::Order::relaxed); }

private:
  struct Vector {
    std::uint64_t stream{};
    const vfio::Eventfd* signal{}; // null: free
  };

  bool ring(std::uint64_t stream, std::uint32_t data);

  platform::Sync& sync_;
  platform::SpinLock lock_;     // of vectors_
  std::vector<Vector> vectors_; // by data
  Elsewhere elsewhere_;
  base::Atomic<std::uint64_t> connected_{0};
  base::Atomic<std::uint64_t> signalled_{0};
  base::Atomic<std::uint64_t> refused_{0};
};

// A bus with a doorbell on it.
class DoorbellBus final : public ForwardingBus {
public:
  DoorbellBus(model::Bus& inner, Doorbell& doorbell) : ForwardingBus{inner}, doorbell_{doorbell} {}

  bool write(const model::BusAccess& access, const void* from) override {
    return Doorbell::contains(access.address) ? doorbell_.write(access, from) : inner_.write(access, from);
  }
  bool message(const model::BusAccess& access, std::uint32_t data) override {
    return Doorbell::contains(access.address) ? doorbell_.write(access, &data) : inner_.message(access, data);
  }

private:
  Doorbell& doorbell_;
};

} // namespace sluice::machine
