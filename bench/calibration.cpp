// The machine's own speed, beside which every other number of `./run bench` is read.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace {

constexpr unsigned turns = 1 << 20;
constexpr unsigned repeats = 15;

// A ring of pointers within the L1 cache: each load needs the one before.
struct Ring {
  static constexpr std::size_t lines = 64;
  struct alignas(64) Line {
    const Line* next{};
  };
  std::array<Line, lines> line{};

  Ring() {
    for (std::size_t i = 0; i < lines; ++i) {
      line[i].next = &line[(i * 29 + 29) % lines]; // of full period: one cycle, in no stride
    }
  }
};

template <class Body>
double best_ns(Body body) {
  double best = 1e9;
  for (unsigned i = 0; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count() / turns);
  }
  return best;
}

double dependent_load() {
  static const Ring ring;
  return best_ns([] {
    const auto* at = ring.line.data();
    for (unsigned i = 0; i < turns; ++i) {
      at = at->next;
      asm volatile("" : "+r"(at));
    }
  });
}

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
