#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>

namespace sluice::hosted {

// The process cannot be set up as asked for: no room, no such folder, no memory. The message says what to do.
class SetupError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// Throws SetupError unless `folder` has room for `bytes` more.
void demand_room(const std::filesystem::path& folder, std::uint64_t bytes);

// A new folder for large files, removed with all it holds. In $SLUICE_SCRATCH, else in the first of $TMPDIR, /var/tmp,
// /tmp that has room. /dev/shm is not tried: it has 64 MB in containers. Throws SetupError.
class Scratch {
public:
  explicit Scratch(std::uint64_t bytes);
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

  const std::filesystem::path& path() const { return path_; }

private:
  std::filesystem::path path_;
};

} // namespace sluice::hosted
