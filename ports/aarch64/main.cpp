#include <ports/aarch64/platform.hpp>
#include <sluice/arch/commands.hpp>
#include <sluice/driver/smmu.hpp>

#include <array>
#include <utility>

// QEMU's `virt` with iommu=smmuv3: probes the SMMU and has it complete commands, all through the driver.
namespace sluice::ports::aarch64 {
namespace {

[[noreturn]] void fail(const char* why, std::uint64_t value) {
  print_line("FAIL ", why, " ", value);
  power_off();
}

void print_features(const driver::Capabilities& c) {
  const char minor[] = {static_cast<char>('0' + arch::minor_version(c.id)), '\0'};
  print_line("SMMUv3.", minor, " IDR0 ", c.id.idr0.w[0], " IDR1 ", c.id.idr1.w[0], " IDR3 ", c.id.idr3.w[0], " IDR5 ",
             c.id.idr5.w[0]);
  constexpr std::pair<bool driver::Capabilities::*, const char*> flags[] = {
      {&driver::Capabilities::stage1, "stage 1"},
      {&driver::Capabilities::stage2, "stage 2"},
      {&driver::Capabilities::two_level_streams, "two-level stream table"},
      {&driver::Capabilities::range_invalidate, "invalidation by range"},
      {&driver::Capabilities::ats, "ATS"},
  };
  for (const auto& [has, name] : flags) {
    if (c.*has) {
      print_line("  ", name);
    }
  }
  print_line("  output bits ", std::uint64_t{c.output_bits}, ", StreamID bits ", std::uint64_t{c.stream_bits});
}

void use(const platform::Platform& platform, platform::Mmio& frame) {
  auto smmu = driver::Smmu::make(platform, frame);
  if (!smmu) {
    fail("the SMMU cannot be used, Errc", static_cast<std::uint64_t>(smmu.error()));
  }
  print_features((*smmu)->capabilities());
  const auto before = (*smmu)->counters().syncs;
  const std::array commands{arch::cmd::tlbi_nsnh_all()};
  if (const auto done = (*smmu)->submit(commands); !done) {
    fail("CMD_TLBI_NSNH_ALL and CMD_SYNC, Errc", static_cast<std::uint64_t>(done.error()));
  }
  const auto after = (*smmu)->counters();
  print_line("  commands ", after.commands, ", CMD_SYNCs completed ", after.syncs);
  if (after.syncs == before) {
    fail("no CMD_SYNC was completed", after.syncs);
  }
}

} // namespace

extern "C" [[noreturn]] void boot() {
  Arena memory;
  Alone sync;
  Counter time;
  NoIrq irq;
  Console log;
  Frame frame{0x0905'0000};
  print_line("sluice on bare metal");
  use({memory, sync, time, irq, log}, frame);
  sync.reclaim();
  if (memory.blocks() != 0) {
    fail("blocks of memory leaked", memory.blocks());
  }
  print_line("PASS");
  power_off();
}

} // namespace sluice::ports::aarch64
