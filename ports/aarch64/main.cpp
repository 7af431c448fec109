#include <ports/aarch64/platform.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/base/fence.hpp>
#include <sluice/driver/smmu.hpp>

// QEMU's `virt` with iommu=smmuv3 and an edu, brought up in the order of docs/porting.md.
namespace sluice::ports::aarch64 {
namespace {

constexpr std::uint64_t source_iova = 0x123'4000, target_iova = 0x567'8000; // edu's addresses have 28 bits
constexpr std::size_t page = 4096, offset = 0xf00, size = 0x80;
constexpr std::uint32_t event_line = 74, gerror_line = 77;
constexpr std::uintptr_t smmu_frame = 0x0905'0000, edu_bar = 0x1000'0000, edu_buffer = 0x4'0000;

[[noreturn]] void power_off() {
  for (;;) {
    asm volatile("mov x0, %0; hvc #0" ::"r"(0x8400'0008UL) : "x0", "x1", "x2", "x3", "memory"); // PSCI SYSTEM_OFF
  }
}

void expect(bool holds, const char* what, std::uint64_t seen) {
  if (!holds) {
    print_line("FAIL ", what, ": ", seen);
    power_off();
  }
}

template <class T>
T&& must(const char* what, T&& result) {
  expect(result.ok(), what, result.ok() ? 0 : std::uint64_t(result.error()));
  return std::forward<T>(result);
}

struct Faults final : iommu::FaultHandler {
  void on_fault(const iommu::Fault& fault) override {
    __builtin_memcpy(last.w.data(), fault.record.data(), sizeof last);
    count.fetch_add(1);
  }
  arch::Event last{};
  base::Atomic<std::uint32_t> count{0};
};

// QEMU's teaching device, which copies between memory and a buffer of its own. docs/specs/edu of QEMU
std::uint32_t find_edu() {
  std::uint32_t rid = 0;
  while (rid < 256 && PciFunction{rid}.config_read(0, 4) != 0x11e8'1234) {
    ++rid;
  }
  expect(rid < 256, "edu is on PCI bus 0", rid);
  PciFunction{rid}.config_write(0x10, 4, edu_bar);           // BAR 0, the only one on this bus
  PciFunction{rid}.config_write(0x04, 2, 1U << 2 | 1U << 1); // bus master, memory space
  print_line("PASS PCI: edu is function ", rid);
  return rid;
}

void edu_copies(platform::Time& time, std::uint64_t from, std::uint64_t to) {
  reg<std::uint64_t>(edu_bar + 0x80) = from;
  reg<std::uint64_t>(edu_bar + 0x88) = to;
  reg<std::uint64_t>(edu_bar + 0x90) = size;
  reg<std::uint64_t>(edu_bar + 0x98) = from == edu_buffer ? 3 : 1;
  const auto done = [] { return (reg<std::uint64_t>(edu_bar + 0x98) & 1) == 0; };
  expect(platform::wait_until(time, 10'000'000, done), "edu ends its copy", to);
  base::dma_observe();
}

void run(const platform::Platform& platform, Gic& gic, platform::Mmio& frame) {
  const driver::Config config{
      .event_wire = {true, event_line}, .gerror_wire = {true, gerror_line}, .interrupts_may_wait = false};
  const auto smmu = *must("the driver takes the SMMU", driver::Smmu::make(platform, frame, config));
  const auto& id = smmu->capabilities().id;
  print_line("PASS SMMU: IDR0 ", id.idr0.w[0], " IDR1 ", id.idr1.w[0], " IDR3 ", id.idr3.w[0], " IDR5 ", id.idr5.w[0]);
  const auto rid = find_edu();
  PciFunction function{rid};
  auto* const device = *must("the driver adds edu", smmu->add(&function, std::array{driver::StreamID{rid}}));
  auto* const domain = *must("a domain is made", smmu->make_paging({.page_sizes = page}));
  Faults faults;
  domain->set_fault_handler(&faults);

  const auto memory = *must("there are two pages", platform.memory.dma_alloc(2 * page, page));
  auto *const source = memory.as<std::uint8_t>(), *const target = source + page;
  for (std::size_t i = 0; i < page; ++i) {
    source[i] = static_cast<std::uint8_t>(1 + i % 251);
  }
  must("the source is mapped", domain->map(source_iova, memory.bus, page, iommu::prot::read));
  must("the target is mapped", domain->map(target_iova, memory.bus + page, page, iommu::prot::write));
  must("the domain is attached", device->attach(*domain));
  edu_copies(platform.time, source_iova + offset, edu_buffer);
  edu_copies(platform.time, edu_buffer, target_iova + offset);
  for (std::size_t i = 0; i < page; ++i) {
    expect(target[i] == (i >= offset && i < offset + size ? source[i] : 0), "each byte is in its place, but", i);
  }
  print_line("PASS DMA: read and written by edu, in bytes ", size);

  must("the target is unmapped", domain->unmap(target_iova, page));
  edu_copies(platform.time, edu_buffer, target_iova);
  expect(target[0] == 0, "unmapped memory stays as it was, but is", target[0]);
  const auto recorded = [&] { return faults.count.load() != 0; };
  expect(platform::wait_until(platform.time, 1'000'000, recorded), "interrupts bring the record, the last was",
         gic.taken.load());
  expect(gic.taken.load() == 32 + event_line, "the event queue's interrupt is taken, not", gic.taken.load());
  print_line("PASS interrupt: INTID ", gic.taken.load(), " at EL1, records ", faults.count.load());
  const auto& event = faults.last;
  expect(event.get(event.Type) == arch::EventType::F_TRANSLATION, "F_TRANSLATION is recorded, not", event.w[0]);
  expect(event.get(event.StreamID) == rid, "the record names edu's StreamID, not", event.get(event.StreamID));
  print_line("PASS fault: Type ", std::uint64_t(event.get(event.Type)), " StreamID ", event.get(event.StreamID),
             " SSV ", event.get(event.SSV), " SubstreamID ", event.get(event.SubstreamID), " InputAddr ",
             event.get(event.InputAddr), " RnW ", event.get(event.RnW), " PnU ", event.get(event.PnU), " InD ",
             event.get(event.InD), " S2 ", event.get(event.S2), " CLASS ", std::uint64_t(event.get(event.CLASS)),
             " Stall ", event.get(event.Stall));

  must("the device is detached", device->detach());
  must("the source is unmapped", domain->unmap(source_iova, page));
  must("the domain is destroyed", domain->destroy());
  must("edu is removed", smmu->remove(*device));
  platform.memory.dma_free(memory);
}

} // namespace

extern "C" {
[[noreturn]] void boot() {
  Arena memory;
  Alone sync;
  Counter time;
  Gic irq;
  Console log;
  Frame frame{smmu_frame};
  run({memory, sync, time, irq, log}, irq, frame);
  sync.reclaim();
  expect(memory.blocks == 0, "no block of memory is left, but", memory.blocks);
  print_line("PASS");
  power_off();
}
void on_interrupt() { Gic::taker->take(); }
void on_exception(std::uint64_t esr, std::uint64_t elr) {
  print_line("ESR_EL1 ", esr);
  expect(false, "no exception, but one at", elr);
}
void __cxa_pure_virtual() { expect(false, "no pure virtual function is called", 0); }
// What compilers call by themselves; volatile, so that they do not make a call to the same function of the loop.
void* memcpy(void* to, const void* from, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    static_cast<volatile char*>(to)[i] = static_cast<const char*>(from)[i];
  }
  return to;
}
void* memset(void* to, int value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    static_cast<volatile char*>(to)[i] = static_cast<char>(value);
  }
  return to;
}
}

} // namespace sluice::ports::aarch64
