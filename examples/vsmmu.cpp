// How a VMM embeds the virtual SMMUv3, on any /dev/iommu: sluice exec -- ./example-vsmmu
// A few stores stand for the guest; docs/vsmmu.md has the rest of what a VMM does.
#include <sluice/arch/commands.hpp>
#include <sluice/uapi/iommufd.hpp>
#include <sluice/uapi/vfio.hpp>
#include <sluice/vsmmu/vsmmu.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

namespace i = sluice::uapi::iommufd;
namespace v = sluice::uapi::vfio;
using namespace sluice::arch;

constexpr std::uint64_t ram_at = 0x4000'0000, ram_bytes = 16 << 20; // of the guest

struct Ram final : sluice::vsmmu::GuestMemory {
  char* at = static_cast<char*>(mmap(nullptr, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

  static bool holds(std::uint64_t a, std::size_t n) { return a - ram_at < ram_bytes && n <= ram_bytes - (a - ram_at); }
  bool read(std::uint64_t a, void* into, std::size_t n) override {
    return holds(a, n) && std::memcpy(into, at + (a - ram_at), n) != nullptr;
  }
  bool write(std::uint64_t a, const void* from, std::size_t n) override {
    return holds(a, n) && std::memcpy(at + (a - ram_at), from, n) != nullptr;
  }
};

struct Lines final : sluice::vsmmu::Interrupts { // of the guest's interrupt controller
  explicit Lines(Ram& r) : ram{r} {}
  bool message(std::uint64_t address, std::uint32_t data) override { return ram.write(address, &data, sizeof data); }
  void pulse(sluice::vsmmu::Wire wire) override { std::printf("wire %u\n", static_cast<unsigned>(wire)); }
  Ram& ram;
};

int system_ioctl(int fd, unsigned long request, void* argument) {
  const int result = ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}

template <class T>
void call(int fd, T& structure) {
  structure.size = sizeof structure;
  if (const int result = system_ioctl(fd, i::call(T::nr), &structure); result < 0) {
    std::printf("call %#x: %s\n", T::nr, std::strerror(-result));
    std::exit(1);
  }
}

int main() {
  const int iommu = open("/dev/iommu", O_RDWR), device = open("/dev/vfio/devices/vfio0", O_RDWR);
  v::BindIommufd bind{.argsz = sizeof bind, .iommufd = iommu};
  if (system_ioctl(device, v::device_bind_iommufd, &bind) < 0) {
    return std::puts("there is no /dev/iommu, or no device for it"), 1;
  }
  Ram ram;
  i::IoasAlloc ioas;
  call(iommu, ioas);
  i::IoasMap map{.flags = 7, .ioas_id = ioas.out_ioas_id, .length = ram_bytes, .iova = ram_at};
  map.user_va = reinterpret_cast<std::uint64_t>(ram.at);
  call(iommu, map);
  i::HwptAlloc parent{.flags = i::hwpt_nest_parent, .dev_id = bind.out_devid, .pt_id = ioas.out_ioas_id};
  call(iommu, parent);

  Lines lines{ram};
  const auto host = sluice::vsmmu::Calls{system_ioctl, iommu}.hw_info(bind.out_devid);
  const auto features = host ? sluice::vsmmu::offer(*host, {}) : host.error();
  if (!features) {
    return std::puts("this host has no SMMUv3 for guests"), 1;
  }
  auto smmu = sluice::vsmmu::Vsmmu::make({iommu, parent.out_hwpt_id, *features}, system_ioctl, ram, lines);
  if (!smmu || !(*smmu)->add_device({device, bind.out_devid, 0x12})) {
    return std::puts("the host does not take the device"), 1;
  }
  // What a guest's driver does: tables, queues, on; an STE; invalidations.
  const auto put = [&](std::uint64_t at, const auto& words) { ram.write(at, words.w.data(), sizeof words.w); };
  (*smmu)->write(STRTAB_BASE::offset, 8, ram_at);
  (*smmu)->write(STRTAB_BASE_CFG::offset, 4, 6);
  (*smmu)->write(CMDQ_BASE::offset, 8, ram_at + 0x10000 + 4);
  put(ram_at + 64 * 0x12, Ste{}.with(Ste::V, 1).with(Ste::Config, SteConfig::stage1).with(Ste::S1ContextPtr, ram_at));
  put(ram_at + 0x10000, cmd::tlbi_nh_asid(0, 4));
  put(ram_at + 0x10010, cmd::cfgi_cd(0x12, 0, true));
  put(ram_at + 0x10020, cmd::sync(SyncSignal::irq));
  (*smmu)->write(CR0::offset, 4, CR0::SMMUEN.mask | CR0::CMDQEN.mask);
  (*smmu)->write(CMDQ_PROD::offset, 4, 3);
  const auto& done = (*smmu)->counters();
  std::printf("the device is on the guest's tables: %s\n",
              (*smmu)->place_of(0x12) == sluice::vsmmu::Place::stage1 ? "yes" : "no");
  std::printf("%lu commands, %lu of them invalidations of the host's in %lu call, %lu SYNC\n", done.commands,
              done.invalidations, done.calls, done.syncs);
  return done.syncs == 1 && done.command_errors == 0 ? 0 : 1;
}
