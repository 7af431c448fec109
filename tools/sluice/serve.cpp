#include <tools/sluice/serve.hpp>

#include <ports/qemu/process.hpp>
#include <tools/sluice/exec_command.hpp>
#include <tools/sluice/serve_guest.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

namespace sluice::tool {

namespace fs = std::filesystem;
using ports::qemu::Process;

namespace {

constexpr int bad_request = 125;
constexpr int cannot_start = 126;
constexpr int look_ms = 20;

std::string filled_in(std::string word, const std::map<std::string, std::string>& places) {
  for (const auto& [name, place] : places) {
    const std::string hole = "{" + name + "}";
    for (auto at = word.find(hole); at != word.npos; at = word.find(hole, at + place.size())) {
      word.replace(at, hole.size(), place);
    }
  }
  return word;
}

std::vector<std::string> command_line(const ServeArguments& arguments, const ServedGuest& guest) {
  Command command{.program = find_program(arguments.program.front()), .arguments = arguments.program};
  for (std::string& word : command.arguments) {
    word = filled_in(word, guest.places());
  }
  if (const auto loader = find_loader(command.program)) {
    if (fs::path{command.program}.filename().string().starts_with("qemu-system-")) {
      help_qemu(command);
    }
    start_by(*loader, {}, command);
  }
  for (const auto& [name, value] : command.environment) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  if (arguments.verbose) {
    fmt::print(stderr, "{}\n", command.text());
    std::fflush(stderr);
  }
  command.arguments.front() = command.program.string();
  return command.arguments;
}

int run(const ServeArguments& arguments, ServedGuest& guest) {
  guest.start();
  Process program{command_line(arguments, guest), guest.keep(), Process::Streams::ours};
  guest.let_go();
  while (program.running_after(look_ms)) {
  }
  guest.stop();
  return program.status();
}

} // namespace

int serve(const ServeArguments& arguments) {
  try {
    std::ofstream report;
    if (!arguments.report.empty()) {
      report.open(arguments.report);
      if (!report) {
        throw CommandError{fmt::format("--report: {} cannot be written", arguments.report)};
      }
    }
    ServedGuest guest{arguments};
    const int status = run(arguments, guest);
    guest.complain();
    if (report.is_open()) {
      report << guest.report() << '\n';
    }
    return status;
  } catch (const hosted::SetupError& error) {
    fmt::print(stderr, "sluice serve: {}\n", error.what());
    return cannot_start;
  } catch (const std::exception& error) {
    fmt::print(stderr, "sluice serve: {}\n", error.what());
    return bad_request;
  }
}

} // namespace sluice::tool
