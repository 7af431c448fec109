#include "descriptors.hpp"
#include "files.hpp"
#include "process.hpp"
#include "real.hpp"

#include <cstdlib>
#include <pthread.h>

namespace sluice::preload {

namespace {

// A child that forks before the machine is made may make it; of one that exists the threads stay with the parent.
void in_child() { descriptors().in_child(!host_is_made()); }

// Exit handlers run in the reverse order of their registration, and this is one of the first: the program's own still
// find everything open.
[[gnu::constructor]] void start() {
  real();
  pthread_atfork([] { descriptors().before_fork(); }, [] { descriptors().after_fork(); }, in_child);
  std::atexit(finish);
  make_given_descriptors();
}

} // namespace

} // namespace sluice::preload
