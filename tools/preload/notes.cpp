#include "files.hpp"

#include "report.hpp"

#include <sluice/driver/code.hpp>

#include <array>
#include <string_view>
#include <utility>

namespace sluice::preload {

namespace {

// The compiler's own spelling of an enumerator.
template <driver::Code C>
constexpr std::string_view enumerator() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const auto at = text.rfind("Code::");
  return at == text.npos ? "" : text.substr(at + 6, text.find_first_of(";]", at) - at - 6);
}

template <std::size_t... I>
constexpr std::array<std::string_view, sizeof...(I)> enumerators(std::index_sequence<I...>) {
  return {enumerator<static_cast<driver::Code>(I)>()...};
}

constexpr auto codes = enumerators(std::make_index_sequence<64>{});
static_assert(codes[static_cast<std::size_t>(driver::Code::sync_timed_out)] == "sync_timed_out");

std::string_view name_of(const platform::Note& note) {
  return note.source == platform::Source::driver && note.code < codes.size() ? codes[note.code] : "an error";
}

} // namespace

// A guest can cause warnings as often as it likes.
void report_note(const platform::Note& note) {
  if (note.severity != platform::Severity::error) {
    return;
  }
  const auto name = name_of(note);
  report("the driver reports %.*s: 0x%llx 0x%llx 0x%llx 0x%llx", static_cast<int>(name.size()), name.data(),
         static_cast<unsigned long long>(note.args[0]), static_cast<unsigned long long>(note.args[1]),
         static_cast<unsigned long long>(note.args[2]), static_cast<unsigned long long>(note.args[3]));
}

} // namespace sluice::preload
