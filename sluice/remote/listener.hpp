#pragma once

#include <sluice/hosted/fd.hpp>

#include <filesystem>
#include <string>

namespace sluice::remote {

// A UNIX socket with a name, in a new folder that only this user may enter. Both are removed at the end.
class Listener {
public:
  // Throws hosted::SetupError.
  explicit Listener(const std::string& name);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  std::string path() const { return folder_ / name_; }
  // The connection that somebody has made; nothing if nobody has after so long.
  hosted::Fd accept(int limit_ms);

private:
  std::string name_;
  std::filesystem::path folder_;
  hosted::Fd socket_;
};

} // namespace sluice::remote
