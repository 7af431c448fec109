#pragma once

#include <sluice/driver/smmu.hpp>
#include <sluice/hosted/mmio_order.hpp>
#include <sluice/machine/client_memory.hpp>
#include <sluice/model/smmu.hpp>
#include <sluice/pcie/copy_engine.hpp>
#include <sluice/platform/time.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace sluice::scenario {

// Where domains are changed under traffic: a driver, the memory that its devices work on, and the hardware that
// translates for them. The driver may be a guest's, whose SMMU is not that hardware.
struct Site {
  driver::Smmu& driver;
  model::Smmu& hardware;
  machine::ClientMemory& memory;
  platform::Time& time;
  bool takes_turns{}; // of actors, by a seed
  bool stage2{true};  // the driver's SMMU has domains of stage 2
  bool pasids{};      // some streams have PASIDs, for domains and for processes
};

// A copy engine at work in the calling thread, as hardware, and the device that a driver knows it as: all its requests
// have one PASID, or none.
struct Engine {
  pcie::CopyEngine* engine{};
  iommu::Device* device{};
  std::uint32_t stream{}; // the driver's name for it
  iommu::Target target{};
  std::optional<unsigned> context{}; // of the engine's, that has the target's PASID

  bool caches() const { return engine->ats() != nullptr && engine->ats()->capabilities().config().ats; }
  pcie::CopyReport copy(model::Port& port, pcie::CopyJob job) const {
    job.context = context;
    return at_work([&] { return engine->copy(port, job); });
  }
  pcie::CopyReport read(model::Port& port, std::uint64_t iova, void* into, std::uint64_t size) const {
    return at_work([&] { return engine->read(port, iova, into, size, context); });
  }
  pcie::CopyReport write(model::Port& port, std::uint64_t iova, const void* from, std::uint64_t size) const {
    return at_work([&] { return engine->write(port, iova, from, size, context); });
  }
  std::string describe() const;

private:
  template <class Work>
  static pcie::CopyReport at_work(Work work) {
    pcie::CopyReport report;
    hosted::device_access([&] { report = work(); });
    return report;
  }
};

inline std::string Engine::describe() const {
  return "StreamID " + std::to_string(stream) + (target.is_rid() ? "" : ", PASID " + std::to_string(target.value()));
}

} // namespace sluice::scenario
