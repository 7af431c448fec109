#pragma once

#include <sluice/machine/host.hpp>

#include <cstddef>
#include <string>

namespace sluice::preload {

// How a process has left its machine.
struct Ending {
  // What the program had open when it ended.
  std::size_t descriptors_open{};
  std::uint64_t contexts_open{};
  std::uint64_t objects_open{};
  // Otherwise a call was still under way, and the machine could not be taken down.
  bool all_closed{};
  machine::Account account{}; // after closing
  machine::Remains remains{};
};

// As JSON. What cannot be written is reported.
void write_account(const std::string& path, const Ending& ending);

} // namespace sluice::preload
