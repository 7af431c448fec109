#pragma once

#include <ports/qemu/edu.hpp>
#include <ports/qemu/machine.hpp>
#include <sluice/driver/smmu.hpp>

#include <optional>
#include <string>
#include <vector>

namespace sluice::ports::qemu {

// The faults that a domain was told of, in order.
class Faults final : public iommu::FaultHandler {
public:
  void on_fault(const iommu::Fault& fault) override {
    seen_.push_back(fault);
    seen_.back().record = {};
    ++total_;
  }
  const std::vector<iommu::Fault>& seen() const { return seen_; }
  void clear() { seen_.clear(); }
  // Also of those that were cleared.
  std::uint64_t total() const { return total_; }

private:
  std::uint64_t total_{};
  std::vector<iommu::Fault> seen_;
};

// Two pages side by side for the device whose physical pages lie the other way round, so that a transfer across them
// shows which translation was used.
class Window {
public:
  static constexpr std::size_t page = 4096;
  static constexpr std::size_t size = 2 * page;

  Window(Machine& machine, std::uint64_t iova);
  Window(Window&& other) noexcept;
  Window& operator=(Window&&) = delete;
  ~Window();

  std::uint64_t iova() const { return iova_; }
  // Where a domain has to put the first and the second page.
  std::uint64_t pa(unsigned n) const { return block_.bus + (1 - n) * page; }
  // What lies in memory where the device sees iova() + offset.
  std::uint8_t& at(std::size_t offset) const;
  base::Status map(iommu::Domain& domain, iommu::Prot prot) const;
  base::Status unmap(iommu::Domain& domain) const;
  void fill(std::uint8_t value) const;

private:
  Machine& machine_;
  std::uint64_t iova_;
  platform::DmaBlock block_;
};

// The driver on a machine, with edu as its device. Members are public: whoever has a Rig drives it.
struct Rig {
  // Throws hosted::SetupError.
  explicit Rig(const VirtOptions& options = {}) : machine{options} {}
  ~Rig();

  // Has the driver take the SMMU behind `frame`.
  base::Status take(platform::Mmio& frame, driver::Config config = {});
  // Finds edu and makes it a device of the driver.
  base::Status add_edu();
  // Detaches, destroys the domains, removes the device and the driver.
  base::Status give_back();

  // A paging domain whose faults go to `faults`.
  base::Result<iommu::Domain*> domain(iommu::Stage stage);
  // Runs what interrupts are pending.
  void interrupts();

  // The device fetches `size` patterned bytes from `from` + offset and delivers them to `to` + offset. Looks at each
  // byte of `to` in physical memory, also at those that had to stay. Empty, or the first that is wrong.
  std::string move(const Window& from, const Window& to, std::size_t offset, std::size_t size);
  // The same without a look.
  base::Status transfer(std::uint64_t from, std::uint64_t to, std::size_t size);

  Machine machine;
  platform::Owned<driver::Smmu> smmu;
  PciFunction* function{};
  std::optional<Edu> edu;
  iommu::Device* device{};
  std::vector<iommu::Domain*> domains;
  Faults faults;
  std::uint64_t bytes_verified{};
  std::uint8_t next_pattern{1};
};

// "ok" or the error's name.
std::string text(const base::Status& status);
template <class T>
std::string text(const base::Result<T>& result) {
  return text(result ? base::Status{} : base::Status{result.error()});
}

} // namespace sluice::ports::qemu
