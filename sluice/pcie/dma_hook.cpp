#include <sluice/pcie/dma_hook.hpp>

#include <array>
#include <cstring>

namespace sluice::pcie {

using hook::Command;
using hook::Result;

DmaHook::DmaHook(ConfigSpace& space) : space_{space} {
  space_.make_writable(hook::data, 4, ~0u);
  space_.make_writable(hook::command, 2, 0xffff); // and the size
  space_.make_writable(hook::scratch, 4, ~0u);
  space_.make_writable(hook::address, 4, ~0u);
  space_.make_writable(hook::address + 4, 4, ~0u);
}

bool DmaHook::started(std::uint16_t offset, unsigned width) {
  const bool hit = offset <= hook::command && offset + width > hook::command;
  const bool idle = space_.read(hook::result, 1) != static_cast<std::uint32_t>(Result::pending);
  if (!hit || !idle || space_.read(hook::command, 1) == static_cast<std::uint32_t>(Command::none)) {
    return false;
  }
  space_.set(hook::result, 1, static_cast<std::uint32_t>(Result::pending));
  return true;
}

void DmaHook::run(Dma& dma, Master& master, bool bus_master, const Segment& delivery) {
  const auto command = static_cast<Command>(space_.read(hook::command, 1));
  const bool repeat = command == Command::repeat;
  if ((command != Command::read && command != Command::write && !repeat) || (repeat && delivery.size == 0)) {
    return finish(Result::bad_command);
  }
  if (!bus_master) {
    return finish(Result::no_master);
  }
  std::array<std::byte, 256> bytes{};
  const std::uint32_t wanted = repeat ? delivery.size : space_.read(hook::size, 1);
  const std::uint64_t size = wanted == 0 || wanted > bytes.size() ? bytes.size() : wanted;
  const std::uint64_t iova =
      repeat ? delivery.iova : space_.read(hook::address, 4) | std::uint64_t{space_.read(hook::address + 4, 4)} << 32;
  std::uint32_t word = space_.read(hook::data, 4);
  bool served = false;
  if (command == Command::write) {
    for (std::size_t at = 0; at < bytes.size(); at += sizeof word) {
      std::memcpy(bytes.data() + at, &word, sizeof word);
    }
    served = dma.write(master, iova, bytes.data(), size);
  } else {
    served = dma.read(master, iova, bytes.data(), size);
    std::memcpy(&word, bytes.data(), sizeof word);
    space_.set(hook::data, 4, word);
  }
  finish(served ? Result::served : Result::aborted);
}

void DmaHook::finish(Result result) {
  space_.set(hook::count, 1, space_.read(hook::count, 1) + 1);
  space_.set(hook::result, 1, static_cast<std::uint32_t>(result));
}

void DmaHook::reset() {
  space_.set(hook::command, 1, 0);
  space_.set(hook::result, 1, static_cast<std::uint32_t>(Result::none));
  space_.set(hook::count, 1, 0);
}

void DmaHook::clear() {
  reset();
  space_.set(hook::scratch, 4, 0);
}

} // namespace sluice::pcie
