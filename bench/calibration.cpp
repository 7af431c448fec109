// The machine's own speed, beside which every other number of `./run bench` is read.
#include "calibration.hpp"

#include <atomic>
#include <cstdint>
#include <cstdio>

namespace {

using namespace sluice::bench;

double compare_and_swap() {
  std::atomic<std::uint64_t> word{0};
  return best_ns([&] {
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    for (unsigned i = 0; i < turns; ++i) {
      if (word.compare_exchange_strong(seen, seen + 1)) {
        ++seen;
      }
    }
  });
}

double seq_cst_store() {
  std::atomic<std::uint64_t> word{0};
  return best_ns([&] {
    for (unsigned i = 0; i < turns; ++i) {
      word.store(i, std::memory_order_seq_cst);
    }
  });
}

} // namespace

int main() {
  std::printf("calibration: %.2f ns per dependent L1 load, %.1f ns per uncontended compare-and-swap, "
              "%.1f ns per sequentially consistent store\n",
              dependent_load(), compare_and_swap(), seq_cst_store());
}
