#pragma once

#include <sluice/base/atomic.hpp>
#include <sluice/model/port.hpp>
#include <sluice/pcie/function.hpp>

#include <cstdint>

namespace sluice::pcie {

// The way of a function's requests into the SMMU.
class Master {
public:
  // Page by page, up to the first piece that is not served.
  virtual model::Transfer transfer(const model::Request& request, void* data, std::uint64_t size) = 0;

protected:
  ~Master() = default;
};

// One thread at a time uses it.
class PortMaster final : public Master {
public:
  explicit PortMaster(model::Port& port) : port_{port} {}
  model::Transfer transfer(const model::Request& request, void* data, std::uint64_t size) override {
    return port_.transfer(request, data, size);
  }

private:
  model::Port& port_;
};

// One request of a function and what became of it.
struct DmaRecord {
  std::uint64_t iova{};
  std::uint64_t size{};
  bool write{};
  model::Transfer result{};
};

// Told of each request after it has ended, by the thread that made it.
class DmaWatch {
public:
  virtual void on_dma(const DmaRecord& record) = 0;

protected:
  ~DmaWatch() = default;
};

struct DmaCounters {
  std::uint64_t reads{}; // requests made; each has one outcome
  std::uint64_t writes{};
  std::uint64_t bytes_read{};
  std::uint64_t bytes_written{};
  std::uint64_t served{};
  std::uint64_t faulted{};    // aborted by the SMMU
  std::uint64_t recorded{};   // of those: with an event in the event queue
  std::uint64_t bus_aborts{}; // translated, and aborted by the bus
  std::uint64_t zeroed{};     // RAZ/WI: the function takes it for an error
  std::uint64_t withheld{};   // not made: no bus master
};

// A function's requests. 7.5.1.1.3: none without Bus Master Enable.
class Dma {
public:
  explicit Dma(const Function& function) : function_{function} {}

  // Before the function is used.
  void watch(DmaWatch* watch) { watch_ = watch; }

  // True if all of it was served.
  bool read(Master& master, std::uint64_t iova, void* into, std::uint64_t size);
  bool write(Master& master, std::uint64_t iova, const void* from, std::uint64_t size);

  // Of the latest request.
  const DmaRecord& latest() const { return latest_; }
  DmaCounters counters() const;

private:
  using Count = base::Atomic<std::uint64_t>;

  bool make(Master& master, std::uint64_t iova, void* data, std::uint64_t size, bool write);
  void count(const DmaRecord& record);

  const Function& function_;
  DmaWatch* watch_{};
  DmaRecord latest_{};
  Count reads_{}, writes_{}, bytes_read_{}, bytes_written_{}, served_{}, faulted_{}, recorded_{}, bus_aborts_{},
      zeroed_{}, withheld_{};
};

} // namespace sluice::pcie
