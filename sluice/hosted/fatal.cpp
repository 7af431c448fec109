#include <sluice/hosted/fatal.hpp>

#include <cstdio>
#include <cstdlib>

namespace sluice::hosted {

void fatal(const std::string& message) {
  std::fprintf(stderr, "sluice: %s\n", message.c_str());
  std::fflush(stderr);
  std::abort();
}

} // namespace sluice::hosted
