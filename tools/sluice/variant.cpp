#include <tools/sluice/variant.hpp>

#include <unistd.h>

#include <filesystem>
#include <system_error>

namespace sluice::tool {

bool needs_variant(std::string_view fault) { return fault == "order" || fault == "barrier"; }

void become_variant(std::string_view fault, char** arguments) {
  std::error_code error;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  const std::string name = "sluice-break-" + std::string{fault};
  for (const auto& program : {here / name, here.parent_path() / "mutants" / name}) {
    if (std::filesystem::exists(program, error)) {
      execv(program.c_str(), arguments);
    }
  }
}

} // namespace sluice::tool
