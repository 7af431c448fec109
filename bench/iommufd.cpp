// What /dev/iommu adds to the driver: IOAS_MAP and IOAS_UNMAP beside the same mapping made on a domain, in turns, and
// HWPT_INVALIDATE beside the driver's own invalidation. Pinning is apart: memory is a number here.
#include <sluice/arch/commands.hpp>
#include <sluice/iommufd/context.hpp>
#include <sluice/machine/channels.hpp>
#include <sluice/machine/machine.hpp>
#include <sluice/machine/process.hpp>
#include <sluice/uapi/arm_smmuv3.hpp>
#include <sluice/uapi/iommufd.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace {

using namespace sluice;
namespace u = uapi::iommufd;

constexpr std::uint64_t kib4 = 4096;
constexpr std::uint64_t mib2 = 2ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr std::uint64_t iova = 1ULL << 40;
constexpr std::uint64_t ram = 1ULL << 46;

// Memory whose pages lie together as far as `backing` says, and no further: large pages are not possible where address
// and IOVA differ in their low bits.
class PagesOf final : public iommufd::Pages {
public:
  explicit PagesOf(std::uint64_t backing) : shift_{backing == gib ? 0 : backing} {}
  std::uint64_t address(std::uint64_t at) const { return ram + at + shift_; }

  base::Result<iommufd::Window*> map_memory(std::uint64_t, std::uint64_t, bool, iommufd::WindowPlace place) override {
    return new Window{address(place.iova)};
  }
  base::Result<iommufd::Window*> map_file(int, std::uint64_t, std::uint64_t, bool, iommufd::WindowPlace) override {
    return base::Errc::bad_descriptor;
  }
  void abandon(iommufd::Window* window) override { delete window; }
  base::Result<int> duplicate(int) override { return base::Errc::bad_descriptor; }
  void close(int) override {}

private:
  struct Window final : iommufd::Window {
    explicit Window(std::uint64_t address) : iommufd::Window{address} {}
  };
  std::uint64_t shift_;
};

template <class T>
T wanted(base::Result<T> result) {
  if (!result) {
    throw std::runtime_error{"refused, Errc " + std::to_string(static_cast<int>(result.error()))};
  }
  return *result;
}

void wanted(bool holds, const char* what) {
  if (!holds) {
    throw std::runtime_error{what};
  }
}

machine::Config config() {
  machine::Config c;
  c.smmus.push_back({.streams = {8, 16}});
  c.smmus.back().features.oas_bits = 48;
  c.port.arena.size = 64 << 20;
  return c;
}

// A client with the first device, and beside it the second device on a domain of its own.
struct Bench {
  explicit Bench(std::uint64_t backing) : pages{backing}, direct{*wanted(driver().make_paging({}))} {
    bound = wanted(context.bind(device(0), {}));
    u::IoasAlloc made;
    call(made);
    ioas = made.out_ioas_id;
    wanted(context.attach(*bound, ioas).ok(), "attach");
    wanted(device(1).attach(direct).ok(), "attach of the domain");
  }
  ~Bench() {
    context.unbind(*bound);
    static_cast<void>(device(1).detach());
    static_cast<void>(direct.destroy());
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  driver::Smmu& driver() { return machine.smmu().driver(); }
  iommu::Device& device(std::size_t n) { return *machine.smmu().endpoint(n).device; }
  template <class T>
  void call(T& cmd) {
    cmd.size = sizeof cmd;
    wanted(context.ioctl(u::call(T::nr), reinterpret_cast<std::uint64_t>(&cmd)) == 0, "ioctl");
  }

  machine::Machine machine{config()};
  machine::ProcessCaller caller;
  machine::Channels channels{machine.port().sync};
  PagesOf pages;
  iommufd::Context context{{caller, pages, channels}, machine.port().sync};
  iommufd::Device* bound{};
  std::uint32_t ioas{};
  iommu::Domain& direct;
};

using Clock = std::chrono::steady_clock;

class Times {
public:
  template <class F>
  double take(F work) {
    const auto start = Clock::now();
    work();
    const double ns = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    all_.push_back(ns);
    return ns;
  }
  double median() {
    const auto middle = all_.begin() + static_cast<std::ptrdiff_t>(all_.size() / 2);
    std::nth_element(all_.begin(), middle, all_.end());
    return *middle;
  }

private:
  std::vector<double> all_;
};

// The times are of the calls; beside them medians per GiB, and how many times the domain's own.
void map_and_unmap(benchmark::State& state, std::uint64_t backing, std::uint64_t size, bool huge_pages) {
  Bench bench{backing};
  if (!huge_pages) {
    u::Option option;
    option.option_id = u::option_huge_pages;
    option.object_id = bench.ioas;
    bench.call(option);
  }
  u::IoasMap map;
  map.flags = u::map_fixed_iova | u::map_readable | u::map_writeable;
  map.ioas_id = bench.ioas;
  map.user_va = gib;
  map.length = size;
  map.iova = iova;
  u::IoasUnmap unmap;
  unmap.ioas_id = bench.ioas;
  unmap.iova = iova;
  const std::uint64_t address = huge_pages ? bench.pages.address(iova) : ram + iova + kib4;
  const iommu::Prot prot{.read = true, .write = true, .execute = true};
  Times mapped, unmapped, direct_mapped, direct_unmapped;
  for (auto _ : state) {
    unmap.length = size;
    double ns = mapped.take([&] { bench.call(map); });
    ns += unmapped.take([&] { bench.call(unmap); });
    direct_mapped.take([&] { wanted(bench.direct.map(iova, address, size, prot).ok(), "map"); });
    direct_unmapped.take([&] { wanted(bench.direct.unmap(iova, size).ok(), "unmap"); });
    state.SetIterationTime(ns / 1e9);
    bench.machine.port().sync.reclaim(); // tables, which else come back in batches, and so late that they are cold
  }
  const double gibs = static_cast<double>(size) / gib;
  state.counters["map_us"] = mapped.median() / gibs / 1e3;
  state.counters["unmap_us"] = unmapped.median() / gibs / 1e3;
  state.counters["map_times"] = mapped.median() / direct_mapped.median();
  state.counters["unmap_times"] = unmapped.median() / direct_unmapped.median();
  state.counters["map_adds_ns"] = mapped.median() - direct_mapped.median();
  state.counters["unmap_adds_ns"] = unmapped.median() - direct_unmapped.median();
}

// As many TLBIs of pages in one call; the times are of a command. The driver's own is what the call comes to.
void invalidate(benchmark::State& state) {
  Bench bench{gib};
  u::HwptAlloc table;
  table.flags = u::hwpt_nest_parent;
  table.dev_id = bench.bound->id();
  table.pt_id = bench.ioas;
  bench.call(table);
  u::ViommuAlloc viommu;
  viommu.type = uapi::arm_smmuv3::viommu_type;
  viommu.dev_id = bench.bound->id();
  viommu.hwpt_id = table.out_hwpt_id;
  bench.call(viommu);
  iommu::Domain& parent = *wanted(bench.driver().make_paging({.nest_parent = true}));
  iommu::Viommu& direct = *wanted(bench.driver().viommu_alloc(uapi::arm_smmuv3::viommu_type, parent, {}));

  std::vector<arch::Command> commands;
  for (std::int64_t n = 0; n < state.range(0); ++n) {
    commands.push_back(arch::cmd::tlbi_nh_va(1, 0, static_cast<std::uint64_t>(n) * kib4, true));
  }
  u::HwptInvalidate call;
  call.hwpt_id = viommu.out_viommu_id;
  call.data_uptr = reinterpret_cast<std::uint64_t>(commands.data());
  call.data_type = uapi::arm_smmuv3::invalidate_data_type;
  call.entry_len = sizeof commands[0];
  Times called, by_driver;
  for (auto _ : state) {
    call.entry_num = static_cast<std::uint32_t>(commands.size());
    const double ns = called.take([&] { bench.call(call); });
    by_driver.take([&] {
      iommu::InvalidateRequest request{.type = uapi::arm_smmuv3::invalidate_data_type,
                                       .entry_size = sizeof commands[0],
                                       .entries = std::as_bytes(std::span{commands})};
      wanted(direct.invalidate(request).ok(), "invalidate");
    });
    state.SetIterationTime(ns / 1e9);
  }
  state.counters["command_ns"] = called.median() / static_cast<double>(commands.size());
  state.counters["driver_ns"] = by_driver.median() / static_cast<double>(commands.size());
  state.counters["adds_ns"] = called.median() - by_driver.median();
  static_cast<void>(direct.destroy());
  static_cast<void>(parent.destroy());
}

#define SLUICE_MAP(name, ...) BENCHMARK_CAPTURE(map_and_unmap, name, __VA_ARGS__)->UseManualTime()
SLUICE_MAP(4K_pages_1GiB, kib4, gib, true);
SLUICE_MAP(2M_pages_64GiB, mib2, 64 * gib, true);
SLUICE_MAP(1G_pages_32TiB, gib, 32768 * gib, true);
SLUICE_MAP(2M_pages_1GiB, mib2, gib, true);
SLUICE_MAP(1G_pages_1GiB, gib, gib, true);
SLUICE_MAP(without_huge_pages_1GiB, gib, gib, false);
BENCHMARK(invalidate)->UseManualTime()->Arg(1)->Arg(16)->Arg(64)->Arg(1024);

} // namespace
