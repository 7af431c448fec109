#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/model/ats.hpp>
#include <sluice/pcie/bar_memory.hpp>
#include <sluice/pcie/config_space.hpp>
#include <sluice/pcie/intx.hpp>

#include <array>
#include <cstdint>

namespace sluice::pcie {

struct FunctionIds {
  std::uint16_t vendor{};
  std::uint16_t device{};
  std::uint8_t revision{};
  std::uint32_t class_code{}; // 24 bits: base class, sub-class, programming interface
};

// Who a function is: on the PCI bus, and to its SMMU.
struct Address {
  std::uint16_t requester{}; // bus, device, function
  std::uint32_t stream{};    // StreamID
};

// One PCI Express function: its configuration space and its memory BARs. What it does is its derived class's affair.
class Function {
public:
  Function(const FunctionIds& ids, Address address);
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;
  virtual ~Function() = default;

  Address address() const { return address_; }
  std::uint32_t stream() const { return address_.stream; }

  std::uint32_t config_read(std::uint16_t offset, unsigned size) const { return config_.read(offset, size); }
  void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) {
    config_.write(offset, size, value);
    on_config_write(offset, size);
  }

  // 7.5.1.1.3: without Bus Master Enable the function issues no memory request.
  bool bus_master() const;

  // Where a BAR decodes; no value while memory space is disabled or there is no such BAR.
  struct Window {
    std::uint64_t base{};
    std::uint64_t size{};
  };
  Window bar(unsigned index) const;
  // An access that was routed here. Reads of what does not decode give all ones.
  std::uint64_t memory_read(std::uint64_t address, unsigned size);
  void memory_write(std::uint64_t address, unsigned size, std::uint64_t value);
  // 0: there is no such BAR.
  std::uint64_t bar_size(unsigned index) const { return index < bars ? bar_size_[index] : 0; }
  // An access to a BAR that somebody else has decoded.
  std::uint64_t region_read(unsigned index, std::uint64_t offset, unsigned size) {
    return inside(index, offset, size) ? bar_read(index, offset, size) : ~0ULL;
  }
  void region_write(unsigned index, std::uint64_t offset, unsigned size, std::uint64_t value) {
    if (inside(index, offset, size)) {
      bar_write(index, offset, size, value);
    }
  }

  // Null: not memory, and its accesses have to come here. Whoever hands the memory itself to software says so, as often
  // as it takes it back: stores to it are told to nobody.
  BarMemory* bar_memory(unsigned index) const { return index < bars ? bar_memory_[index] : nullptr; }
  void map_bar(unsigned index);
  void unmap_bar(unsigned index);

  // From the SMMU, as model::Bus says: by any thread; none of them waits or makes a request. After `completed`, no
  // lookup in this function's ATC that begins finds what was named.
  virtual model::AtcAnswer invalidate_atc(const model::AtcInvalidation&) { return model::AtcAnswer::unsupported; }
  virtual bool atc_completed(std::uint8_t /*tag*/) { return true; }
  virtual void page_response(const model::PageResponse&) {}

  // Where the interrupt pin goes; before the function is used.
  void connect_intx(Intx* intx) { intx_ = intx; }

  // The function's own state as after a reset: no request is under way when it returns. The configuration space stays,
  // as for software that saves and restores it.
  virtual void reset() {}
  // And what a reset keeps.
  virtual void power_cycle() { reset(); }

protected:
  ConfigSpace& config() { return config_; }
  // A 64-bit memory BAR at `index` and `index` + 1; `size` is a power of two of at least 4096. Once, when made.
  void add_bar(unsigned index, std::uint64_t size);
  // The same with 32 bits.
  void add_bar32(unsigned index, std::uint32_t size);
  // One of 64 bits with that memory behind it, which its derived class goes on answering for.
  void add_memory_bar(unsigned index, BarMemory& memory);
  bool any_bar_mapped() const { return mapped_.load(base::Order::acquire) != 0; }
  // The first mapping of memory has been made, or the last has gone; no lock is held.
  virtual void on_bar_mapping() {}
  // 7.5.1.1.13 Interrupt Pin INTA
  void add_intx();
  // 7.5.1.1.4 Interrupt Status: whether the function wants service; the pin follows unless 7.5.1.1.3 Interrupt Disable
  // is set. The caller sees to the order of calls from several threads, and calls again when the command register has
  // changed.
  void set_interrupt(bool pending);
  bool interrupt_status() const { return (config_.read(config::status, 2) & config::status_interrupt) != 0; }
  // After each write to the configuration space.
  virtual void on_config_write(std::uint16_t, unsigned) {}
  virtual std::uint64_t bar_read(unsigned, std::uint64_t, unsigned) { return ~0ULL; }
  virtual void bar_write(unsigned, std::uint64_t, unsigned, std::uint64_t) {}

private:
  static constexpr unsigned bars = 6;
  bool inside(unsigned index, std::uint64_t offset, unsigned size) const {
    return size != 0 && size <= bar_size(index) && offset <= bar_size(index) - size;
  }
  // The BAR that an access lies in, or `bars`.
  unsigned decode(std::uint64_t address, unsigned size, std::uint64_t& offset) const;

  Address address_;
  ConfigSpace config_;
  std::array<std::uint64_t, bars> bar_size_{};
  std::array<BarMemory*, bars> bar_memory_{};
  base::Atomic<std::uint32_t> mapped_{0};
  Intx* intx_{};
  bool line_{};
};

} // namespace sluice::pcie
