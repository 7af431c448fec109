#pragma once

#include <sluice/platform/log.hpp>

#include <fstream>
#include <functional>
#include <mutex>
#include <string>

namespace sluice::tool {

// Writes each of the driver's notes to a file, as a line of JSON: severity, code, its name, and its arguments, which
// driver/code.hpp names. Any thread.
class NoteFile {
public:
  // Empty: none. Throws hosted::SetupError.
  explicit NoteFile(const std::string& path);
  NoteFile(const NoteFile&) = delete;
  NoteFile& operator=(const NoteFile&) = delete;

  // Empty where there is no file. Used while this lives.
  std::function<void(const platform::Note&)> sink();

private:
  bool open_;
  std::mutex mutex_;
  std::ofstream file_;
};

} // namespace sluice::tool
