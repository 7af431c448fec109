#pragma once

#include <sluice/advise/stale.hpp>
#include <sluice/driver/counters.hpp>
#include <sluice/iommufd/context.hpp>
#include <sluice/machine/device_ranges.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/machine/queues.hpp>
#include <sluice/model/smmu.hpp>
#include <sluice/pcie/copy_device.hpp>
#include <sluice/pcie/virtio_rng.hpp>
#include <sluice/vfio/cdev.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::machine {

// Where a function is, as PCI names it: domain:bus:device.function.
struct PciAddress {
  std::uint16_t domain{};
  std::uint8_t bus{};
  std::uint8_t device{};   // below 32
  std::uint8_t function{}; // below 8

  constexpr std::uint16_t requester() const { return static_cast<std::uint16_t>(bus << 8 | device << 3 | function); }
  friend constexpr bool operator==(const PciAddress&, const PciAddress&) = default;
};

// "0000:00:03.0", or nothing where the text is no such name. The domain may be left out.
std::optional<PciAddress> parse_pci_address(std::string_view text);
std::string to_string(const PciAddress& address);

struct FunctionConfig {
  PciAddress address{};
  std::optional<std::uint32_t> stream{}; // by default the Requester ID
  unsigned smmu{};
  pcie::VirtioRngConfig rng{};
};

// A copy engine.
struct EngineConfig {
  PciAddress address{};
  std::optional<std::uint32_t> stream{}; // by default the Requester ID
  unsigned smmu{};
  pcie::CopyEngineConfig engine{};
  // With registers, a ring that can be mapped, and a thread of its own: for whoever has only its character device. Else
  // whoever makes its traffic calls it, and it has no BAR.
  bool device{};
  bool show_pasid{}; // to clients, which vfio-pci does not
  bool may_stall{};  // its transactions may wait for software
};

// Planted outside the core, so that a run has to find them.
enum class HostFault : std::uint8_t {
  none,
  tlbi, // TLBI commands get lost between driver and SMMU
  cfgi, // and those about configuration
  s1,   // the SMMU sees STEs without stage 1
  s2,   // the SMMU sees STEs without stage 2
  walk, // last-level descriptors in clients' memory read as invalid
  cd,   // context descriptors read as invalid
  atc,  // CMD_ATC_INVs get lost between driver and SMMU
};

struct HostConfig {
  std::vector<SmmuConfig> smmus{}; // without copy engines
  std::vector<FunctionConfig> functions{};
  std::vector<EngineConfig> engines{};
  hosted::PortConfig port{}; // free threads
  bool without_cache_invalidate{};
  // Bytes that clients may have mapped for devices in all, by user or by process, as by RLIMIT_MEMLOCK; none: any.
  std::optional<std::uint64_t> memory_limit{};
  bool dirty_parents{}; // NEST_PARENT goes with DIRTY_TRACKING, which Linux refuses on an SMMUv3
  HostFault fault{};
};

// Requests that were served.
struct Moved {
  std::uint64_t requests{};
  std::uint64_t bytes{};
};

struct EngineAccount {
  PciAddress address{};
  pcie::CopyCounters jobs{}; // of a device
};

struct FunctionAccount {
  PciAddress address{};
  std::string name{};
  unsigned smmu{};
  std::uint32_t stream{};
  pcie::Delivered delivered{};
  pcie::DmaCounters dma{};
  std::uint64_t interrupts{};
  std::uint64_t messages{};
  // By the stages that the SMMU took them through
  Moved nested{}, stage1{}, stage2{}, bypassed{};
  // Nested requests whose address was looked up in the IOAS alone, and those of them that it maps: those would have
  // hit something without stage 1 too.
  std::uint64_t nested_looked_up{};
  std::uint64_t nested_in_ioas{};
};

// A cached translation that the tables do not bear out after its invalidation was reported as done.
struct StaleUse {
  unsigned function{};
  std::uint64_t address{}; // IOVA, or IPA where only stage 2 was cached
  bool by_ipa{};
  std::uint64_t cached{};               // PA
  std::optional<std::uint64_t> fresh{}; // PA; nothing: a fault
};

struct SmmuAccount {
  driver::Counters driver{};
  model::Counters model{};
  Moved nested{}, stage1{}, stage2{}, bypassed{}; // sums of its functions'
  std::uint64_t spoiled{};                        // commands lost by a planted fault
  std::uint64_t audits{};
  std::uint64_t compared{}; // cached translations, in all audits
  std::uint64_t stale{};
  std::vector<StaleUse> first_stale{}; // the first few
};

struct Account {
  std::vector<FunctionAccount> functions{};
  std::vector<EngineAccount> engines{};
  std::vector<SmmuAccount> smmus{};
  std::uint64_t windows{};  // onto clients' memory
  std::uint64_t contexts{}; // /dev/iommu that are open
  std::uint64_t objects{};  // of iommufd in them
  std::uint64_t vectors{};  // eventfds connected to the doorbell

  std::uint64_t stale() const;
};

// Messages of devices to the interrupt controller of a guest.
class GuestMessages {
public:
  // In the thread of the function's requests, which waits meanwhile; must not call the host. `address` is the guest's.
  // False: there is nothing.
  virtual bool on_message(unsigned function, std::uint64_t address, std::uint32_t data) = 0;

protected:
  ~GuestMessages() = default;
};

// What a kernel and its hardware are to a VMM: SMMUs, virtio entropy sources and copy engines behind them, and before
// them the driver, iommufd and VFIO. Each device has a thread that makes its requests; all signals are blocked in it.
// In a child of fork() nothing of a host may be used or destroyed.
//
// After each call of a client's that invalidates, what the TLBs still have of that is compared with the tables, before
// the client hears that its call has ended. Sooner the tables may have changed rightly, and later the same address may
// be mapped to the same page again.
class Host {
public:
  // Throws hosted::SetupError, which says what cannot be made and why, or DriverRefused.
  explicit Host(const HostConfig& config);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  // Tears down; what clients still hold is left as it is.
  ~Host();

  // The observers outlive the context. `stale` hears of its functions' uses of what should have been invalidated, on an
  // SMMU with Knobs::watch_stale.
  std::shared_ptr<iommufd::Context> open_iommufd(iommufd::Observer* observer = nullptr,
                                                 advise::StaleObserver* stale = nullptr);
  // Any number of times. Files are closed before the host is torn down.
  std::unique_ptr<vfio::File> open_device(unsigned function);

  // Which descriptors of clients are queues that have to be read and written through us.
  Queues& queues();
  // How a descriptor that a client gives to VFIO's BIND leads to its /dev/iommu; before the first BIND.
  void set_iommufds(vfio::Iommufds& iommufds);

  unsigned functions() const;
  PciAddress address(unsigned function) const;
  std::optional<unsigned> find(const PciAddress& address) const;
  pcie::VirtioRng& rng(unsigned function);
  // Copy engines, and the hardware that translates for them.
  unsigned engines() const;
  pcie::CopyEngine& engine(unsigned engine);
  std::unique_ptr<vfio::File> open_engine(unsigned engine);
  model::Smmu& hardware(unsigned smmu);
  unsigned smmus() const;
  hosted::Port& port();
  // Where BARs are in the process's memory, beside where they are made.
  DeviceRanges& device_ranges();

  // Who takes the messages that devices send to a guest's own interrupt controller; before there are any.
  void set_guest_messages(GuestMessages& guest);
  // Everything that is cached for any function against the tables as they are: meant for moments in which no client
  // changes anything. Counts nowhere.
  std::vector<StaleUse> audit();
  Account account() const;
  // All contexts are let go and all files closed by then; otherwise nothing is done but to say so.
  Remains tear_down();

private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

} // namespace sluice::machine
