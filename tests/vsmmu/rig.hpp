#pragma once

#include <sluice/arch/commands.hpp>
#include <sluice/arch/queues.hpp>
#include <sluice/arch/registers.hpp>
#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/iommufd.hpp>
#include <sluice/uapi/iommufd_queues.hpp>
#include <sluice/uapi/vfio.hpp>
#include <sluice/vsmmu/vsmmu.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

// A kernel, memory and an interrupt controller that do what a test says, and a guest that writes registers by hand.
namespace sluice::vsmmu::test {

namespace cmd = arch::cmd;
namespace i = uapi::iommufd;
namespace u = uapi::arm_smmuv3;
namespace v = uapi::vfio;
using arch::Command;
using arch::Event;
using arch::Ste;
using uapi::Errno;

class FakeKernel {
public:
  static constexpr int iommufd = 3;

  FakeKernel() {
    info.idr[0] = arch::IDR0{}
                      .with(arch::IDR0::S1P, 1)
                      .with(arch::IDR0::S2P, 1)
                      .with(arch::IDR0::TTF, arch::Ttf::aarch64)
                      .with(arch::IDR0::ASID16, 1)
                      .with(arch::IDR0::CD2L, 1)
                      .with(arch::IDR0::TTENDIAN, arch::TtEndian::little)
                      .with(arch::IDR0::STALL_MODEL, arch::StallModel::terminate)
                      .raw();
    info.idr[1] = arch::IDR1{}.with(arch::IDR1::SIDSIZE, 16).with(arch::IDR1::SSIDSIZE, 20).raw();
    info.idr[3] = arch::IDR3{}.with(arch::IDR3::RIL, 1).with(arch::IDR3::BBML, arch::Bbml::level2).raw();
    info.idr[5] = arch::IDR5{}.with(arch::IDR5::GRAN4K, 1).with(arch::IDR5::GRAN64K, 1).raw();
  }

  int ioctl(int fd, unsigned long request, void* argument) {
    ++calls;
    if (fail_at != 0 && calls >= fail_at && calls < fail_at + fail_count) {
      return -fail_with;
    }
    return fd == iommufd ? iommu(request, argument) : vfio(fd, request, argument);
  }
  Ioctl seam() {
    return [this](int fd, unsigned long request, void* argument) { return ioctl(fd, request, argument); };
  }
  // From the n-th call from now on, `count` calls fail.
  void fail(std::uint64_t nth, Errno error, std::uint64_t count = 1) {
    fail_at = calls + nth;
    fail_with = static_cast<int>(error);
    fail_count = count;
  }

  u::HwInfo info{};
  std::uint32_t info_type{u::hw_info_type};
  std::uint8_t max_pasid_log2{};
  std::uint64_t capabilities{};
  bool has_events{true};
  bool has_invalidate{true};
  bool has_faults{true};
  bool queues_are_open{};                      // the monitor has descriptors of them
  std::function<int(const Command&)> refuses;  // an errno for a command; 0: none
  std::function<bool(const SteWords&)> no_ste; // EIO
  bool counts_what_it_has_not_done{};          // as Linux 7.3 does before a bad command

  std::uint64_t calls{};
  std::uint64_t fail_at{}, fail_count{1};
  int fail_with{};
  std::uint32_t last_id{10};
  std::map<std::uint32_t, std::string> live;       // id -> kind
  std::map<std::uint32_t, SteWords> nested;        // of nested HWPTs
  std::map<std::uint32_t, std::uint32_t> faults;   // their fault queues
  std::map<std::uint32_t, std::uint64_t> names;    // vDEVICE -> StreamID
  std::map<std::uint32_t, std::uint32_t> queues;   // vEVENTQ -> vIOMMU
  std::map<int, std::uint32_t> attached;           // device descriptor -> HWPT
  std::vector<std::uint32_t> attachments;          // in order
  std::vector<std::vector<Command>> invalidations; // executed, by call

private:
  std::uint32_t made(const std::string& kind) {
    live[++last_id] = kind;
    return last_id;
  }

  int iommu(unsigned long request, void* argument) {
    switch (request & 0xff) {
    case i::GetHwInfo::nr: {
      auto& c = *static_cast<i::GetHwInfo*>(argument);
      std::memcpy(reinterpret_cast<void*>(c.data_uptr), &info, sizeof info);
      c.data_type = info_type;
      c.out_max_pasid_log2 = max_pasid_log2;
      c.out_capabilities = capabilities;
      return 0;
    }
    case i::ViommuAlloc::nr:
      static_cast<i::ViommuAlloc*>(argument)->out_viommu_id = made("viommu");
      return 0;
    case i::VdeviceAlloc::nr: {
      auto& c = *static_cast<i::VdeviceAlloc*>(argument);
      c.out_vdevice_id = made("vdevice");
      names[c.out_vdevice_id] = c.virt_id;
      return 0;
    }
    case i::HwptAlloc::nr:
      return nested_alloc(*static_cast<i::HwptAlloc*>(argument));
    case i::VeventqAlloc::nr: {
      if (!has_events) {
        return -static_cast<int>(Errno::unsupported);
      }
      auto& c = *static_cast<i::VeventqAlloc*>(argument);
      c.out_veventq_id = made("veventq");
      c.out_veventq_fd = 70;
      queues[c.out_veventq_id] = c.viommu_id;
      return 0;
    }
    case i::FaultQueueAlloc::nr: {
      if (!has_faults) {
        return -static_cast<int>(Errno::unsupported);
      }
      auto& c = *static_cast<i::FaultQueueAlloc*>(argument);
      c.out_fault_id = made("fault queue");
      c.out_fault_fd = 80;
      return 0;
    }
    case i::HwptInvalidate::nr:
      return invalidate(*static_cast<i::HwptInvalidate*>(argument));
    case i::Destroy::nr: {
      const std::uint32_t id = static_cast<i::Destroy*>(argument)->id;
      for (const auto& [fd, table] : attached) {
        if (table == id) {
          return -static_cast<int>(Errno::busy);
        }
      }
      const auto is = [&](const char* kind) { return live.contains(id) && live[id] == kind; };
      const bool held = std::any_of(queues.begin(), queues.end(),
                                    [&](const auto& q) { return q.second == id && live.contains(q.first); });
      if (held || (queues_are_open && (is("veventq") || is("fault queue")))) {
        return -static_cast<int>(Errno::busy);
      }
      names.erase(id);
      return live.erase(id) != 0 ? 0 : -static_cast<int>(Errno::no_entry);
    }
    default:
      return -static_cast<int>(Errno::not_a_call);
    }
  }

  int nested_alloc(i::HwptAlloc& c) {
    u::NestedSte ste;
    std::memcpy(&ste, reinterpret_cast<const void*>(c.data_uptr), sizeof ste);
    const SteWords words{ste.ste[0], ste.ste[1]};
    if (no_ste && no_ste(words)) {
      return -static_cast<int>(Errno::io);
    }
    c.out_hwpt_id = made("nested");
    nested[c.out_hwpt_id] = words;
    if ((c.flags & i::hwpt_fault_id_valid) != 0) {
      faults[c.out_hwpt_id] = c.fault_id;
    }
    return 0;
  }

  int invalidate(i::HwptInvalidate& c) {
    const std::uint32_t count = c.entry_num;
    c.entry_num = 0;
    if (!has_invalidate) {
      return -static_cast<int>(Errno::unsupported);
    }
    std::vector<Command> commands(count);
    std::memcpy(commands.data(), reinterpret_cast<const void*>(c.data_uptr), count * sizeof(Command));
    for (; c.entry_num < count; ++c.entry_num) {
      if (const int error = refuses ? refuses(commands[c.entry_num]) : 0; error != 0) {
        commands.resize(counts_what_it_has_not_done ? 0 : c.entry_num);
        invalidations.push_back(commands);
        return -error;
      }
    }
    invalidations.push_back(commands);
    return 0;
  }

  int vfio(int fd, unsigned long request, void* argument) {
    if (request == v::device_detach_iommufd_pt) {
      attached.erase(fd);
      return 0;
    }
    const std::uint32_t table = static_cast<v::AttachIommufdPt*>(argument)->pt_id;
    attached[fd] = table;
    attachments.push_back(table);
    return 0;
  }
};

class FakeMemory final : public GuestMemory {
public:
  static constexpr std::uint64_t start = 0x4000'0000;

  bool read(std::uint64_t address, void* into, std::size_t size) override {
    if (!holds(address, size)) {
      return false;
    }
    std::memcpy(into, &bytes[address - start], size);
    return true;
  }
  bool write(std::uint64_t address, const void* from, std::size_t size) override {
    if (!holds(address, size)) {
      return false;
    }
    std::memcpy(&bytes[address - start], from, size);
    return true;
  }
  bool holds(std::uint64_t address, std::size_t size) const {
    return address >= start && address - start < bytes.size() && size <= bytes.size() - (address - start);
  }

  std::vector<std::byte> bytes = std::vector<std::byte>(1 << 20);
};

class FakeInterrupts final : public Interrupts {
public:
  bool message(std::uint64_t address, std::uint32_t data) override {
    messages.emplace_back(address, data);
    return !aborts;
  }
  void pulse(Wire wire) override { pulses.push_back(wire); }
  void wake() override { ++wakes; }

  std::vector<std::pair<std::uint64_t, std::uint32_t>> messages;
  std::vector<Wire> pulses;
  int wakes{};
  bool aborts{};
};

inline arch::IdRegisters small_features(const FakeKernel& kernel, Own own = {}) {
  HostFacts facts{kernel.info, kernel.max_pasid_log2, kernel.capabilities};
  own.command_queue_log2 = 8;
  own.event_queue_log2 = 3;
  return *offer(facts, own);
}

class Rig : public testing::Test {
protected:
  static constexpr std::uint32_t parent = 5;
  static constexpr std::uint32_t sid = 0x12; // of the device
  static constexpr int device = 20;          // its descriptor
  static constexpr std::uint64_t ram = FakeMemory::start;
  static constexpr std::uint64_t table = ram, commands = ram + 0x10000, events = ram + 0x20000;
  static constexpr unsigned cmdq_log2 = 8, eventq_log2 = 3, streams_log2 = 6;

  void SetUp() override { make(); }

  void make() { make(small_features(kernel)); }
  void make(const arch::IdRegisters& features) {
    config.iommufd = FakeKernel::iommufd;
    config.parent = parent;
    config.features = features;
    auto made =
        Vsmmu::make(config, kernel.seam(), memory, interrupts, [this](int fd, const void* from, std::size_t size) {
          EXPECT_EQ(fd, 80);
          EXPECT_EQ(size, sizeof(i::HwptPageResponse));
          std::memcpy(&answers.emplace_back(), from, sizeof(i::HwptPageResponse));
          return static_cast<long>(size);
        });
    ASSERT_TRUE(made);
    smmu = std::move(*made);
  }
  void add() { ASSERT_TRUE(smmu->add_device({device, 7, sid})); }

  template <class R>
  R get() const {
    return R::from(static_cast<typename R::Raw>(smmu->read(R::offset, R::width / 8)));
  }
  template <class R>
  void set(R value) {
    smmu->write(R::offset, R::width / 8, value.raw());
  }
  template <class R>
  void set(std::uint64_t value) {
    smmu->write(R::offset, R::width / 8, value);
  }

  // Queues and table where they belong; then all on, as a driver begins.
  void place_queues() {
    set<arch::CMDQ_BASE>(commands | cmdq_log2);
    set<arch::EVENTQ_BASE>(events | eventq_log2);
    set<arch::STRTAB_BASE>(table);
    set(arch::STRTAB_BASE_CFG{}.with(arch::STRTAB_BASE_CFG::LOG2SIZE, streams_log2));
  }
  void enable(std::uint64_t bits = arch::CR0::CMDQEN.mask | arch::CR0::EVENTQEN.mask | arch::CR0::SMMUEN.mask) {
    set<arch::CR0>(bits);
  }
  void start() {
    add();
    place_queues();
    set<arch::IRQ_CTRL>(arch::IRQ_CTRL::GERROR_IRQEN.mask | arch::IRQ_CTRL::EVENTQ_IRQEN.mask);
    enable();
    kernel.invalidations.clear();
    kernel.attachments.clear();
  }

  void put_command(std::uint32_t index, const Command& c) {
    memory.write(commands + 16 * (index % (1U << cmdq_log2)), c.w.data(), sizeof c.w);
  }
  // Commands behind those that are there, and the doorbell.
  void send(const std::vector<Command>& list) {
    for (const Command& c : list) {
      put_command(produced++, c);
    }
    set<arch::CMDQ_PROD>(arch::queue_pointer(produced, cmdq_log2));
  }
  std::uint32_t consumed() const { return static_cast<std::uint32_t>(get<arch::CMDQ_CONS>().get(arch::CMDQ_CONS::RD)); }
  arch::Cerror command_error() const { return get<arch::CMDQ_CONS>().get(arch::CMDQ_CONS::ERR); }
  bool error_active(std::uint64_t bit) const {
    return ((get<arch::GERROR>().raw() ^ get<arch::GERRORN>().raw()) & bit) != 0;
  }
  bool stopped() const { return error_active(arch::GERROR::CMDQ_ERR.mask); }
  void acknowledge() { set<arch::GERRORN>(get<arch::GERROR>().raw()); }

  void put_ste(std::uint32_t stream, const Ste& ste) { memory.write(table + 64 * stream, ste.w.data(), sizeof ste.w); }
  static Ste stage1_ste(std::uint64_t cds = ram + 0x30000) {
    return Ste{}.with(Ste::V, 1).with(Ste::Config, arch::SteConfig::stage1).with(Ste::S1ContextPtr, cds);
  }
  static Ste config_ste(arch::SteConfig config) { return Ste{}.with(Ste::V, 1).with(Ste::Config, config); }

  Event event(std::uint32_t index) {
    Event e;
    memory.read(events + 32 * index, e.w.data(), sizeof e.w);
    return e;
  }
  std::uint32_t recorded() const {
    return static_cast<std::uint32_t>(get<arch::EVENTQ_PROD>().get(arch::EVENTQ_PROD::WR));
  }
  bool overflowed() const {
    return ((get<arch::EVENTQ_PROD>().raw() ^ get<arch::EVENTQ_CONS>().raw()) & arch::queue_flag) != 0;
  }

  // All commands that the host was given since the start.
  std::vector<Command> invalidated() const {
    std::vector<Command> all;
    for (const auto& call : kernel.invalidations) {
      all.insert(all.end(), call.begin(), call.end());
    }
    return all;
  }

  FakeKernel kernel;
  std::vector<i::HwptPageResponse> answers;
  FakeMemory memory;
  FakeInterrupts interrupts;
  Config config;
  std::unique_ptr<Vsmmu> smmu;
  std::uint32_t produced{};
};

} // namespace sluice::vsmmu::test
