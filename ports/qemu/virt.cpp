#include <ports/qemu/virt.hpp>
#include <sluice/hosted/scratch.hpp>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace sluice::ports::qemu {

namespace {

std::string binary(const VirtOptions& options) {
  if (!options.binary.empty()) {
    return options.binary;
  }
  const char* named = std::getenv("QEMU_SYSTEM_AARCH64");
  return named != nullptr && *named != '\0' ? named : "qemu-system-aarch64";
}

std::vector<std::string> command_line(const VirtOptions& options, int ram_file, int socket) {
  // Debian 12's QEMU has no accelerator `qtest`, so that a processor runs: `wfi; b .-4`, beyond the device tree that
  // QEMU writes to the start of the RAM. The machine's time jumps to the next timer while the processor sleeps, so that
  // the 100 ms that edu takes for a transfer are none of ours.
  const std::string park = "loader,addr=" + std::to_string(map::ram + map::kept / 2);
  const std::string size = std::to_string(options.ram_size);
  std::istringstream words{"-nodefaults -display none -accel tcg -icount shift=1,sleep=off"
                           " -M virt,gic-version=3,iommu=smmuv3,memory-backend=ram -cpu cortex-a57 -m size=" +
                           std::to_string(options.ram_size >> 20) +
                           "M -object memory-backend-file,id=ram,share=on,size=" + size + ",mem-path=/proc/self/fd/" +
                           std::to_string(ram_file) + " -chardev socket,id=qtest,fd=" + std::to_string(socket) +
                           " -object qtest,id=qtest0,chardev=qtest,log=/dev/null" + " -device " + park +
                           ",data=0x17ffffffd503207f,data-len=8 -device " + park + ",cpu-num=0" +
                           // Without the mask edu reaches only 28 bits, less than where the RAM begins.
                           " -device edu,addr=5,dma_mask=0xffffffffffffffff"};
  std::vector<std::string> line = options.command.empty() ? std::vector{binary(options)} : options.command;
  for (std::string word; words >> word;) {
    line.push_back(word);
  }
  return line;
}

} // namespace

std::vector<std::string> fetched_qemu() {
  namespace fs = std::filesystem;
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path{value == nullptr ? "" : value};
  };
  fs::path cache = variable("XDG_CACHE_HOME");
  cache = (cache.empty() ? variable("HOME") / ".cache" : cache) / "sluice/qemu";
  const fs::path loader = cache / "usr/lib64/ld-linux-x86-64.so.2";
  const fs::path program = cache / "usr/bin/qemu-system-aarch64";
  std::error_code ignored;
  if (!fs::exists(loader, ignored) || !fs::exists(program, ignored)) {
    return {};
  }
  const std::string root = cache.string();
  return {loader,
          "--library-path",
          root + "/usr/lib/x86_64-linux-gnu:" + root + "/usr/lib64:" + root + "/usr/lib",
          program,
          "-L",
          root + "/usr/share/qemu"};
}

Virt::Virt(const VirtOptions& options) : ram_{{.size = options.ram_size, .bus_base = map::ram, .reserved = map::kept}} {
  launch(options);
}

void Virt::launch(const VirtOptions& options) {
  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    throw hosted::SetupError{std::string{"socketpair: "} + std::strerror(errno)};
  }
  Fd ours{sockets[0]};
  Fd theirs{sockets[1]};
  const std::array keep{ram_.fd(), theirs.get()};
  try {
    process_.emplace(command_line(options, ram_.fd(), theirs.get()), keep);
  } catch (const hosted::SetupError& error) {
    throw hosted::SetupError{std::string{"QEMU does not start: "} + error.what() +
                             ". Install the Debian package qemu-system-arm, or name a binary in QEMU_SYSTEM_AARCH64"};
  }
  theirs.reset(); // so that QEMU's end is seen as the end of the stream
  bus_.emplace(std::move(ours), options.start_limit_ms);
  // QEMU answers once the whole machine stands.
  bus_->read32(map::smmu);
  bus_->set_limit(options.limit_ms);
  if (const auto why = failure(); !why.empty()) {
    throw hosted::SetupError{"QEMU started but does not answer: " + why};
  }
}

std::string Virt::failure() {
  std::string why = bus_->failure();
  if (!why.empty()) {
    why += process_->running_after(200) ? "; QEMU runs" : "; QEMU has ended";
    const auto said = process_->output();
    why += said.empty() ? " and printed nothing" : " and printed:\n" + said;
  }
  return why;
}

} // namespace sluice::ports::qemu
