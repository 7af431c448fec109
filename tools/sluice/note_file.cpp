#include <tools/sluice/note_file.hpp>

#include <sluice/hosted/scratch.hpp>
#include <sluice/scenario/counters_json.hpp>

namespace sluice::tool {

NoteFile::NoteFile(const std::string& path) : open_{!path.empty()} {
  if (open_) {
    file_.open(path);
    if (!file_) {
      throw hosted::SetupError(path + " cannot be written");
    }
  }
}

std::function<void(const platform::Note&)> NoteFile::sink() {
  if (!open_) {
    return {};
  }
  return [this](const platform::Note& note) {
    const std::lock_guard guard{mutex_};
    file_ << scenario::json_of(note).dump() << '\n';
  };
}

} // namespace sluice::tool
