#include <sluice/hosted/scratch.hpp>

#include <cstdlib>
#include <string>
#include <vector>

namespace sluice::hosted {

namespace {

namespace fs = std::filesystem;

std::string mib(std::uint64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; }

// Empty when there is room.
std::string no_room(const fs::path& folder, std::uint64_t bytes) {
  std::error_code error;
  const auto space = fs::space(folder, error);
  if (error) {
    return folder.string() + ": " + error.message();
  }
  if (space.available < bytes) {
    return folder.string() + " has room for " + mib(space.available) + ", but " + mib(bytes) + " are needed";
  }
  return {};
}

fs::path choose(std::uint64_t bytes) {
  if (const char* asked = std::getenv("SLUICE_SCRATCH"); asked != nullptr && *asked != '\0') {
    demand_room(asked, bytes);
    return asked;
  }
  std::string reasons;
  for (const char* candidate : {static_cast<const char*>(std::getenv("TMPDIR")), "/var/tmp", "/tmp"}) {
    if (candidate == nullptr || *candidate == '\0') {
      continue;
    }
    const auto reason = no_room(candidate, bytes);
    if (reason.empty()) {
      return candidate;
    }
    reasons += reason + "; ";
  }
  throw SetupError{reasons + "set SLUICE_SCRATCH to a folder that has room"};
}

} // namespace

void demand_room(const fs::path& folder, std::uint64_t bytes) {
  if (const auto reason = no_room(folder, bytes); !reason.empty()) {
    throw SetupError{reason + "; set SLUICE_SCRATCH to a folder that has room"};
  }
}

Scratch::Scratch(std::uint64_t bytes) {
  auto name = (choose(bytes) / "sluice-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw SetupError{name + " cannot be made; set SLUICE_SCRATCH to a folder that can be written"};
  }
  path_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

} // namespace sluice::hosted
