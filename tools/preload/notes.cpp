#include "files.hpp"

#include "report.hpp"

#include <sluice/driver/code.hpp>

namespace sluice::preload {

// A guest can cause warnings as often as it likes.
void report_note(const platform::Note& note) {
  if (note.severity != platform::Severity::error) {
    return;
  }
  report("driver: code %u of layer %u: 0x%llx 0x%llx 0x%llx 0x%llx", note.code, static_cast<unsigned>(note.source),
         static_cast<unsigned long long>(note.args[0]), static_cast<unsigned long long>(note.args[1]),
         static_cast<unsigned long long>(note.args[2]), static_cast<unsigned long long>(note.args[3]));
}

} // namespace sluice::preload
