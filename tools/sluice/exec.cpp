#include <tools/sluice/exec.hpp>

#include <sluice/scenario/machine_file.hpp>
#include <tools/sluice/exec_command.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sluice::tool {

namespace fs = std::filesystem;

namespace {

constexpr int bad_request = 125;
constexpr int cannot_start = 126;
constexpr int no_program = 127;

constexpr const char* library_name = "libsluice-preload.so";

// Beside this program, as it is built, or where it is installed.
fs::path find_library() {
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  std::error_code ignored;
  for (const fs::path& folder : {here, here / SLUICE_PRELOAD_FOLDER}) {
    if (fs::exists(folder / library_name, ignored)) {
      return fs::canonical(folder / library_name);
    }
  }
  throw CommandError{fmt::format("{} is neither in {} nor in {}; `./run build` makes it", library_name, here.string(),
                                 (here / SLUICE_PRELOAD_FOLDER).lexically_normal().string())};
}

// The program that is started may work in another folder.
std::string absolute(const std::string& path) { return path.empty() ? path : fs::absolute(path).string(); }

std::string existing(const std::string& option, const std::string& path) {
  std::error_code ignored;
  if (!path.empty() && !fs::exists(path, ignored)) {
    throw CommandError{fmt::format("{}: there is no {}", option, path)};
  }
  return absolute(path);
}

// Of a file that is written: said before the program has run, not after.
std::string in_folder(const std::string& option, const std::string& path) {
  const fs::path folder = fs::path{absolute(path)}.parent_path();
  std::error_code ignored;
  if (!path.empty() && !fs::is_directory(folder, ignored)) {
    throw CommandError{fmt::format("{}: there is no folder {}", option, folder.string())};
  }
  return absolute(path);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) {
    all += (all.empty() ? "" : ",") + part;
  }
  return all;
}

void add_settings(const ExecArguments& arguments, Command& command) {
  const auto add = [&](const char* name, const std::string& value) {
    unsetenv(name); // what a caller's environment says is not meant for this program
    if (!value.empty()) {
      command.environment.emplace_back(name, value);
    }
  };
  add("SLUICE_MACHINE", existing("--machine", arguments.machine));
  add("SLUICE_RECORD", in_folder("--record", arguments.record));
  add("SLUICE_REPORT", in_folder("--report", arguments.report));
  add("SLUICE_WITHOUT", arguments.without);
  add("SLUICE_MESSAGES", absolute(arguments.messages));
  add("SLUICE_BREAK", arguments.fault);
  add("SLUICE_FDS", joined(arguments.given));
}

std::optional<Loader> loader_of(const ExecArguments& arguments, const fs::path& program) {
  if (!arguments.ld_so.empty()) {
    return Loader{existing("--ld-so", arguments.ld_so), arguments.library_path};
  }
  if (!arguments.library_path.empty()) {
    throw CommandError{"--library-path is for a program that is started by the loader that --ld-so names"};
  }
  return find_loader(program);
}

// QEMU under TCG does what an interrupt controller does itself, and takes a message's address as it stands in the
// table.
void check_messages(const ExecArguments& arguments, const QemuArguments& qemu) {
  const auto machine =
      arguments.machine.empty() ? scenario::default_machine() : scenario::read_machine(arguments.machine);
  if (!qemu.accelerated_smmu || qemu.kvm) {
    return;
  }
  for (const auto& function : machine.functions) {
    if (function.rng.msix == pcie::VirtioRngConfig::MsixCapability::plain) {
      throw CommandError{fmt::format(
          "function {} shows MSI-X, and behind a virtual SMMU QEMU under TCG writes its messages to the "
          "guest's IOVAs as if they were physical addresses: interrupts are lost, or guest memory is "
          "overwritten. Expected \"msix\": \"none\", which gives INTx, or \"disguised\", with which messages "
          "go through both stages",
          machine::to_string(function.address))};
    }
  }
}

Command prepare(const ExecArguments& arguments) {
  const fs::path program = find_program(arguments.program.front());
  const fs::path library = find_library();
  Command command{.program = program, .arguments = arguments.program};
  add_settings(arguments, command);
  const QemuArguments qemu = mark_accelerated_smmus(command.arguments);
  check_messages(arguments, qemu);
  const auto loader = loader_of(arguments, program);
  if (!loader) {
    const char* const others = std::getenv("LD_PRELOAD");
    command.environment.emplace_back(
        "LD_PRELOAD", library.string() + (others != nullptr && *others != '\0' ? std::string{":"} + others : ""));
    return command;
  }
  if (qemu.is_qemu) {
    help_qemu(command);
  }
  start_by(*loader, library, command);
  return command;
}

int become(const Command& command) {
  for (const auto& [name, value] : command.environment) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  std::vector<char*> list;
  for (const std::string& argument : command.arguments) {
    list.push_back(const_cast<char*>(argument.c_str()));
  }
  list.push_back(nullptr);
  execv(command.program.c_str(), list.data());
  fmt::print(stderr, "sluice exec: {} cannot be started: {}\n", command.program.string(), std::strerror(errno));
  return cannot_start;
}

} // namespace

int exec(const ExecArguments& arguments) {
  try {
    static_cast<void>(find_program(arguments.program.front()));
  } catch (const CommandError& error) {
    fmt::print(stderr, "sluice exec: {}\n", error.what());
    return no_program;
  }
  try {
    const Command command = prepare(arguments);
    if (arguments.verbose) {
      fmt::print(stderr, "{}\n", command.text());
      std::fflush(stderr);
    }
    return become(command);
  } catch (const std::exception& error) {
    fmt::print(stderr, "sluice exec: {}\n", error.what());
    return bad_request;
  }
}

} // namespace sluice::tool
