#include <ports/qemu/process.hpp>
#include <sluice/hosted/scratch.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sluice::ports::qemu {

namespace {

// Between fork and exec of a program with threads: system calls only.
[[noreturn]] void become(char* const* argv, std::span<const int> keep, int output, int report, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) {
    ::_exit(127); // the parent died before the line above
  }
  if (output >= 0) {
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
  }
  for (const int fd : keep) {
    ::fcntl(fd, F_SETFD, 0);
  }
  ::execvp(argv[0], argv);
  const int why = errno;
  const auto written = ::write(report, &why, sizeof why);
  ::_exit(written == sizeof why ? 127 : 126);
}

} // namespace

Process::Process(const std::vector<std::string>& command, std::span<const int> keep, Streams streams)
    : output_{streams == Streams::kept ? ::memfd_create("output", MFD_CLOEXEC) : -1} {
  std::array<int, 2> pipe{};
  if ((streams == Streams::kept && !output_) || ::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    throw hosted::SetupError{std::string{"no descriptors to start a process: "} + std::strerror(errno)};
  }
  Fd reader{pipe[0]};
  Fd writer{pipe[1]};
  std::vector<char*> argv;
  for (const auto& word : command) {
    argv.push_back(const_cast<char*>(word.c_str())); // execvp does not change them
  }
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    become(argv.data(), keep, output_.get(), writer.get(), parent);
  }
  if (pid_ < 0) {
    throw hosted::SetupError{std::string{"fork: "} + std::strerror(errno)};
  }
  writer.reset(); // so that the read below ends at exec, which closes the child's copy
  int why{};
  if (::read(reader.get(), &why, sizeof why) == sizeof why) {
    kill_and_reap();
    throw hosted::SetupError{command[0] + ": " + std::strerror(why)};
  }
}

Process::~Process() { kill_and_reap(); }

bool Process::running() {
  if (int how = 0; pid_ > 0 && ::waitpid(pid_, &how, WNOHANG) == pid_) {
    status_ = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    pid_ = -1;
  }
  return pid_ > 0;
}

bool Process::running_after(int limit_ms) {
  for (int ms = 0; ms < limit_ms && running(); ++ms) {
    ::usleep(1000);
  }
  return running();
}

std::string Process::output() const {
  std::string text;
  std::array<char, 4096> part{};
  for (;;) {
    const auto n = ::pread(output_.get(), part.data(), part.size(), static_cast<off_t>(text.size()));
    if (n <= 0) {
      return text;
    }
    text.append(part.data(), static_cast<std::size_t>(n));
  }
}

void Process::kill_and_reap() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
}

} // namespace sluice::ports::qemu
