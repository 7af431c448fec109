#include "files.hpp"

#include "report.hpp"

#include <sluice/scenario/notes.hpp>

namespace sluice::preload {

// A guest can cause warnings as often as it likes.
void report_note(const platform::Note& note) {
  if (note.severity != platform::Severity::error) {
    return;
  }
  const auto known = scenario::name_of(note);
  const std::string_view name = known.empty() ? "an error" : known;
  report("the driver reports %.*s: 0x%llx 0x%llx 0x%llx 0x%llx", static_cast<int>(name.size()), name.data(),
         static_cast<unsigned long long>(note.args[0]), static_cast<unsigned long long>(note.args[1]),
         static_cast<unsigned long long>(note.args[2]), static_cast<unsigned long long>(note.args[3]));
}

} // namespace sluice::preload
