// What a descriptor that is not ours pays for libsluice-preload.so: each pair differs by that. A bad descriptor makes
// the shortest way through the kernel.
#include <benchmark/benchmark.h>

#include <dlfcn.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <filesystem>

namespace {

using Ioctl = int (*)(int, unsigned long, ...);
using Pread = ssize_t (*)(int, void*, size_t, off_t);

constexpr int foreign = 1000; // not open

template <class F>
F preloaded(const char* name) {
  static void* const library = [] {
    const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    return dlopen((here / "libsluice-preload.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  }();
  return library != nullptr ? reinterpret_cast<F>(dlsym(library, name)) : nullptr;
}

void run_ioctl(benchmark::State& state, Ioctl call) {
  if (call == nullptr) {
    state.SkipWithError(dlerror());
    return;
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(call(foreign, FIONREAD, nullptr));
  }
}

void run_pread(benchmark::State& state, Pread call) {
  if (call == nullptr) {
    state.SkipWithError(dlerror());
    return;
  }
  char byte = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(call(foreign, &byte, 1, 0));
  }
}

void ioctl_plain(benchmark::State& state) { run_ioctl(state, static_cast<Ioctl>(::ioctl)); }
void ioctl_preloaded(benchmark::State& state) { run_ioctl(state, preloaded<Ioctl>("ioctl")); }
void pread_plain(benchmark::State& state) { run_pread(state, ::pread); }
void pread_preloaded(benchmark::State& state) { run_pread(state, preloaded<Pread>("pread")); }

BENCHMARK(ioctl_plain);
BENCHMARK(ioctl_preloaded);
BENCHMARK(pread_plain);
BENCHMARK(pread_preloaded);

} // namespace
