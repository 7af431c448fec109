#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sluice::preload::test {

struct Outcome {
  int status{}; // exit status, or 128 and more for a signal
  std::string out{};
  std::string err{};
};

// The folder of the programs that are tested.
std::filesystem::path built();
// A folder of its own, removed with the object.
class Folder {
public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

private:
  std::filesystem::path path_;
};

Outcome run(const std::vector<std::string>& arguments);
// `sluice exec OPTIONS... -- PROGRAM...`
Outcome exec(const std::vector<std::string>& options, const std::vector<std::string>& program);
// The test's own program, which checks one thing.
std::vector<std::string> client(const std::vector<std::string>& what);

} // namespace sluice::preload::test
