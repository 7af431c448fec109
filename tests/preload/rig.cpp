#include "rig.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

namespace sluice::preload::test {

namespace fs = std::filesystem;

namespace {

std::string slurp(const fs::path& path) {
  std::ifstream file{path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

} // namespace

fs::path built() { return fs::read_symlink("/proc/self/exe").parent_path(); }

Folder::Folder() {
  std::string name = fs::temp_directory_path() / "sluice-test-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error{"no folder can be made at " + name};
  }
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Outcome run(const std::vector<std::string>& arguments) {
  const Folder folder;
  const fs::path out = folder / "out";
  const fs::path err = folder / "err";
  std::vector<char*> list;
  for (const std::string& argument : arguments) {
    list.push_back(const_cast<char*>(argument.c_str()));
  }
  list.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (freopen("/dev/null", "r", stdin) == nullptr || freopen(out.c_str(), "w", stdout) == nullptr ||
        freopen(err.c_str(), "w", stderr) == nullptr) {
      _exit(99);
    }
    execvp(list[0], list.data());
    _exit(98);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), slurp(out), slurp(err)};
}

Outcome exec(const std::vector<std::string>& options, const std::vector<std::string>& program) {
  std::vector<std::string> all{built() / "sluice", "exec"};
  all.insert(all.end(), options.begin(), options.end());
  all.push_back("--");
  all.insert(all.end(), program.begin(), program.end());
  return run(all);
}

std::vector<std::string> client(const std::vector<std::string>& what) {
  std::vector<std::string> all{built() / "preload-client"};
  all.insert(all.end(), what.begin(), what.end());
  return all;
}

} // namespace sluice::preload::test
