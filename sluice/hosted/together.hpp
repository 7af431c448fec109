#pragma once

#include <functional>
#include <latch>
#include <thread>
#include <vector>

namespace sluice::hosted {

// body(0) to body(n - 1), each in a thread of its own, begun as nearly at once as can be. Returns when all have.
inline void together(unsigned n, const std::function<void(unsigned)>& body) {
  std::latch all_here{static_cast<std::ptrdiff_t>(n)};
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < n; ++i) {
    threads.emplace_back([&, i] {
      all_here.arrive_and_wait();
      body(i);
    });
  }
}

} // namespace sluice::hosted
