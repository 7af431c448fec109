#include "environment.hpp"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string_view>

namespace sluice::preload {

namespace {

// This library's own file, as it was named when it was loaded.
std::string_view own_name() {
  static const int here = 0;
  Dl_info about{};
  return dladdr(&here, &about) != 0 && about.dli_fname != nullptr ? about.dli_fname : "";
}

} // namespace

void spare_children() {
  char* const list = std::getenv("LD_PRELOAD");
  const auto own = own_name();
  if (list == nullptr || own.empty()) {
    return;
  }
  constexpr std::string_view separators = ": ";
  char* to = list;
  for (std::string_view rest{list}; !rest.empty();) {
    const auto length = std::min(rest.find_first_of(separators), rest.size());
    const auto part = rest.substr(0, length);
    rest.remove_prefix(std::min(length + 1, rest.size()));
    if (part.empty() || part == own) {
      continue;
    }
    if (to != list) {
      *to++ = ':';
    }
    std::memmove(to, part.data(), part.size());
    to += part.size();
  }
  *to = '\0';
}

} // namespace sluice::preload
