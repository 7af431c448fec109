#include <tools/sluice/exec_command.hpp>

#include <fmt/format.h>

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

namespace sluice::tool {

namespace fs = std::filesystem;

namespace {

// As a shell needs it.
std::string quoted(const std::string& word) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
  if (!word.empty() && word.find_first_not_of(plain) == word.npos) {
    return word;
  }
  std::string result = "'";
  for (const char c : word) {
    result += c == '\'' ? std::string{"'\\''"} : std::string{c};
  }
  return result + "'";
}

bool executable(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

// What the kernel starts for a program that is linked dynamically. Nothing for a script, whose interpreter is what
// counts. Throws CommandError for what no library can be preloaded into.
std::optional<fs::path> interpreter_of(const fs::path& program) {
  std::ifstream file{program, std::ios::binary};
  Elf64_Ehdr header{};
  if (!file.read(reinterpret_cast<char*>(&header), sizeof header) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return std::nullopt;
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64) {
    throw CommandError{fmt::format("{} is for another processor; expected a program for x86-64", program.string())};
  }
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    file.seekg(static_cast<std::streamoff>(header.e_phoff + i * sizeof segment));
    if (!file.read(reinterpret_cast<char*>(&segment), sizeof segment)) {
      break;
    }
    if (segment.p_type == PT_INTERP) {
      std::string name(segment.p_filesz, '\0');
      file.seekg(static_cast<std::streamoff>(segment.p_offset));
      file.read(name.data(), static_cast<std::streamsize>(name.size()));
      return name.c_str();
    }
  }
  throw CommandError{fmt::format(
      "{} is linked statically, so that nothing can be put before its C library; expected a program that is "
      "linked dynamically against glibc",
      program.string())};
}

} // namespace

std::string Command::text() const {
  std::string result;
  for (const auto& [name, value] : environment) {
    result += name + "=" + quoted(value) + " \\\n";
  }
  result += quoted(program.string());
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    result += (arguments[i].starts_with('-') ? " \\\n  " : " ") + quoted(arguments[i]);
  }
  return result;
}

fs::path find_program(const std::string& name) {
  if (name.find('/') != name.npos) {
    std::error_code ignored;
    if (!fs::exists(name, ignored)) {
      throw CommandError{fmt::format("there is no {}", name)};
    }
    if (!executable(name)) {
      throw CommandError{fmt::format("{} is not a program that may be started", name)};
    }
    return name;
  }
  const char* const path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
  while (!rest.empty()) {
    const auto folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
    const fs::path found = fs::path{folder.empty() ? "." : folder} / name;
    if (executable(found)) {
      return found;
    }
  }
  throw CommandError{fmt::format("{} is in no folder of PATH; expected a program's name or path", name)};
}

std::optional<Loader> find_loader(const fs::path& program) {
  const auto interpreter = interpreter_of(program);
  if (!interpreter) {
    return std::nullopt;
  }
  std::error_code error;
  const fs::path own = fs::canonical(*interpreter, error);
  const fs::path start = fs::canonical(program, error).parent_path();
  for (fs::path tree = start; tree.has_relative_path(); tree = tree.parent_path()) {
    for (const fs::path& place : {tree, tree / "usr"}) {
      const fs::path loader = place / interpreter->relative_path();
      if (!fs::exists(loader, error)) {
        continue;
      }
      if (fs::canonical(loader, error) == own) {
        return std::nullopt; // the system's, by another of its names
      }
      Loader found{.program = loader};
      for (const char* const libraries :
           {"lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64", "lib", "usr/lib"}) {
        if (fs::is_directory(tree / libraries, error)) {
          found.library_path += (found.library_path.empty() ? "" : ":") + (tree / libraries).string();
        }
      }
      return found;
    }
  }
  return std::nullopt;
}

void start_by(const Loader& loader, const fs::path& preload, Command& command) {
  std::vector<std::string> front{loader.program.string()};
  if (!loader.library_path.empty()) {
    front.insert(front.end(), {"--library-path", loader.library_path});
  }
  if (!preload.empty()) {
    front.insert(front.end(), {"--preload", preload.string()});
  }
  front.push_back(command.program.string());
  command.arguments.erase(command.arguments.begin());
  command.arguments.insert(command.arguments.begin(), front.begin(), front.end());
  command.program = loader.program;
}

void help_qemu(Command& command) {
  const fs::path tree = fs::canonical(command.program).parent_path().parent_path();
  std::error_code ignored;
  if (fs::is_directory(tree / "share/qemu", ignored)) {
    command.arguments.insert(command.arguments.end(), {"-L", (tree / "share/qemu").string()});
    command.arguments.insert(command.arguments.end(), {"-L", (tree / "share/seabios").string()});
  }
  if (const auto modules = tree / "lib/x86_64-linux-gnu/qemu";
      fs::is_directory(modules, ignored) && std::getenv("QEMU_MODULE_DIR") == nullptr) {
    command.environment.emplace_back("QEMU_MODULE_DIR", modules.string());
  }
}

} // namespace sluice::tool
