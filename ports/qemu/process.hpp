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
  enum class Streams {
    kept, // input from nowhere, output for output()
    ours, // those of this process
  };
  // Throws hosted::SetupError. The child inherits the descriptors in `keep` under their numbers, and no others.
  Process(const std::vector<std::string>& command, std::span<const int> keep, Streams streams = Streams::kept);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  bool running();
  // Gives one that is about to end so much time to do it.
  bool running_after(int limit_ms);
  // When it has ended: its exit status, or 128 plus the signal that ended it.
  int status() const { return status_; }
  // Everything that it wrote to stdout and stderr so far, if that is kept.
  std::string output() const;

private:
  void kill_and_reap();

  Fd output_;
  pid_t pid_{-1};
  int status_{};
};

} // namespace sluice::ports::qemu
