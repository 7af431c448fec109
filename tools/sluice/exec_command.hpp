#pragma once

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sluice::tool {

// A program as it is to be started.
struct Command {
  std::filesystem::path program{};                                // what the kernel is given
  std::vector<std::string> arguments{};                           // the first is the program's name
  std::vector<std::pair<std::string, std::string>> environment{}; // in addition, or instead of what was there

  // For a shell, a continued line for each option.
  std::string text() const;
};

// It cannot be started as it was asked for; the message says what was expected.
class CommandError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

// A program that is not to use this system's C library, but one that lies beside it.
struct Loader {
  std::filesystem::path program{};
  std::string library_path{};
};

// The file that a shell would start. Throws CommandError.
std::filesystem::path find_program(const std::string& name);

// The dynamic loader in a program's own tree: TREE/lib64/ld-linux-x86-64.so.2 or TREE/usr/lib64/... for a program
// TREE/.../PROGRAM, with the libraries in the usual folders of TREE. Nothing where the system's loader serves. Throws
// CommandError for a program that no library can be preloaded into.
std::optional<Loader> find_loader(const std::filesystem::path& program);

// Has a program started by its loader, with a library before all others unless that is empty.
void start_by(const Loader& loader, const std::filesystem::path& preload, Command& command);
// QEMU finds its own files by where it believes to be itself, which is where its loader is.
void help_qemu(Command& command);

// What is to be known of arguments of QEMU.
struct QemuArguments {
  bool is_qemu{};
  bool accelerated_smmu{}; // has an arm-smmuv3 with accel=on
  bool kvm{};              // a processor that is not emulated: no markers are needed
};

// Puts markers around each run of arm-smmuv3,accel=on, in place.
QemuArguments mark_accelerated_smmus(std::vector<std::string>& arguments);

} // namespace sluice::tool
