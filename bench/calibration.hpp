#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

// The machine's own speed, beside which numbers of `./run bench` are read.
namespace sluice::bench {

inline constexpr unsigned turns = 1 << 20;
inline constexpr unsigned repeats = 15;

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

inline double dependent_load() {
  static const Ring ring;
  return best_ns([] {
    const auto* at = ring.line.data();
    for (unsigned i = 0; i < turns; ++i) {
      at = at->next;
      asm volatile("" : "+r"(at));
    }
  });
}

} // namespace sluice::bench
