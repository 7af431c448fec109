#pragma once

#include <sluice/hosted/fd.hpp>

#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace sluice::ports::qemu {

using hosted::Fd;

// A child that does not outlive us: killed and reaped by the destructor, or by the kernel when the thread that started
// it ends in whatever way.
class Process {
public:
  // Throws hosted::SetupError. The child inherits the descriptors in `keep` under their numbers, and no others.
  Process(const std::vector<std::string>& command, std::span<const int> keep);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  bool running();
  // Gives one that is about to end so much time to do it.
  bool running_after(int limit_ms);
  // Everything that it wrote to stdout and stderr so far.
  std::string output() const;

private:
  void kill_and_reap();

  Fd output_;
  pid_t pid_{-1};
};

} // namespace sluice::ports::qemu
