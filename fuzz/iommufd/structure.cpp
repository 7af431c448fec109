#include "client.hpp"

#include <sluice/arch/command.hpp>
#include <sluice/arch/ste.hpp>

#include <algorithm>
#include <cstring>

#include <fcntl.h>

// Structures of calls, mostly such as a program would make: what is random throughout gets no further than the first
// check.
namespace sluice::fuzz {

namespace {

template <class T>
T load(const std::byte* from) {
  T value{};
  std::memcpy(&value, from, sizeof value);
  return value;
}

} // namespace

std::uint64_t Client::put(const Layout& layout) {
  std::byte* const at = world_.memory.at(structure_at);
  std::memset(at, 0, 2 * std::size_t{layout.size} + 64);
  std::uint32_t offset = 0;
  for (const char* field = layout.fields; *field != '\0'; ++field) {
    const std::uint64_t what = value(*field, layout);
    std::memcpy(at + offset, &what, width_of(*field));
    offset += width_of(*field);
  }
  if (input_.one_in(64)) {
    at[layout.size + input_.below(32)] = std::byte{input_.byte()};
  }
  if (input_.one_in(64)) {
    const std::uint64_t bad[] = {0, world_.memory.copy_to_read_only(std::size_t{layout.size} + 64),
                                 world_.memory.missing(), world_.memory.missing() - 8};
    return bad[input_.below(std::size(bad))];
  }
  return world_.memory.address(structure_at);
}

void Client::harvest(const Layout& layout) {
  const std::byte* const at = world_.memory.at(structure_at);
  std::uint32_t offset = 0;
  for (const char* field = layout.fields; *field != '\0'; ++field) {
    const bool known = offset + width_of(*field) <= load<std::uint32_t>(at);
    if (*field == 'o' && known) {
      ids_.push_back(load<std::uint32_t>(at + offset));
    } else if (*field == 'q' && known) {
      const int fd = load<std::int32_t>(at + offset);
      ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
      descriptors_.push_back(fd);
    }
    offset += width_of(*field);
  }
}

std::uint64_t Client::value(char field, const Layout& layout) {
  switch (field) {
  case 's':
    return size(layout);
  case 'f':
    return input_.one_in(32) ? input_.bytes(4) : input_.byte() & 15U;
  case '0':
    return input_.one_in(64) ? input_.byte() : 0;
  case 'i':
    return id();
  case 'd':
    return static_cast<std::uint32_t>(descriptor());
  case 't':
    return input_.one_in(16) ? input_.bytes(4) : input_.below(4);
  case 'n':
    return input_.one_in(16) ? std::uint64_t{1} << input_.below(32) : input_.below(20);
  case 'e':
    return std::array{16U, 16U, 16U, 16U, 24U, 8U, 0U, 4097U}[input_.below(8)];
  case 'P':
    return data();
  case 'L':
    return length();
  case 'V':
    return iova();
  case 'r':
    return input_.bytes(4);
  case 'R':
    return input_.one_in(4) ? input_.bytes(8) : input_.byte();
  case 'h':
  case 'b':
    return input_.byte() % 4;
  default: // answers
    return 0;
  }
}

std::uint32_t Client::size(const Layout& layout) {
  if (!input_.one_in(16)) {
    return layout.size;
  }
  const std::uint32_t sizes[] = {layout.min_size, layout.min_size - 1, layout.size + 8, 0, layout.size - 4, 1U << 20};
  return sizes[input_.below(std::size(sizes))];
}

std::uint32_t Client::id() {
  const auto byte = input_.byte();
  return ids_.empty() || byte >= 240 ? byte % 16U : ids_[byte % ids_.size()];
}

int Client::descriptor() {
  const int all[] = {World::first_iommufd,
                     World::first_iommufd,
                     World::first_iommufd + 1,
                     world_.memfd,
                     world_.memfd,
                     world_.eventfd,
                     -1,
                     World::first_iommufd + 7};
  return all[input_.below(std::size(all))];
}

// What calls point at: left as it was, random, an STE, commands, ranges.
std::uint64_t Client::data() {
  std::byte* const at = world_.memory.at(data_at);
  const auto put_word = [&](std::size_t n, std::uint64_t word) { std::memcpy(at + 8 * n, &word, sizeof word); };
  switch (const auto recipe = input_.below(12)) {
  case 0:
    for (std::size_t n = 0; n < 4; ++n) {
      put_word(n, input_.bytes(8));
    }
    break;
  case 1: { // 5.2: abort, bypass or stage 1 of a table of CDs in memory
    constexpr std::uint64_t configs[] = {0, 4, 5, 5, 6, 7};
    const std::uint64_t config = configs[input_.below(std::size(configs))];
    put_word(0, 1 | config << 1 | input_.below(16) << 12 | (config == 5 ? input_.below(6) << 59 : 0));
    put_word(1, input_.one_in(4) ? input_.bytes(8) : input_.below(3) | (input_.flag() ? 1ULL << 28 : 0));
    break;
  }
  case 2:
  case 3: { // 4: of those that a guest may send, mostly
    constexpr std::uint8_t opcodes[] = {0x10, 0x11, 0x12, 0x13, 0x30, 0x05, 0x06,
                                        0x40, 0x46, 0x03, 0x04, 0x20, 0x01, 0xff};
    for (std::size_t n = 0; n < 4; ++n) {
      const std::uint64_t opcode = opcodes[input_.below(std::size(opcodes))];
      const std::uint64_t high = opcode == 0x40 || opcode < 0x10 ? input_.below(4)
                                 : input_.one_in(4)              ? input_.bytes(4)
                                                                 : 0;
      put_word(2 * n, opcode | high << 32);
      const bool by_address = opcode == 0x12 || opcode == 0x13 || opcode == 0x40;
      put_word(2 * n + 1, input_.one_in(8) ? input_.bytes(8) : by_address ? iova() | input_.below(2) : 0);
    }
    break;
  }
  case 4:
    for (std::size_t n = 0; n < 4; ++n) {
      const auto start = iova();
      put_word(2 * n, start);
      put_word(2 * n + 1, start + length() - 1);
    }
    break;
  case 5: {
    const std::uint64_t bad[] = {0, world_.memory.missing(), world_.memory.read_only(), ~0ULL - 15};
    return bad[input_.below(std::size(bad))];
  }
  case 6:
  case 7: // memory to map
    return world_.memory.address(input_.below(ClientPages::pages) * ClientPages::page);
  case 8:
    return world_.memory.address(input_.below(ClientPages::pages) * ClientPages::page +
                                 input_.below(ClientPages::page));
  default:
    put_word(0, recipe == 9 ? input_.byte() : input_.bytes(4));
  }
  return world_.memory.address(data_at);
}

std::uint64_t Client::iova() {
  const auto byte = input_.byte();
  if (byte < 192) {
    return std::uint64_t{byte % 64U} << (byte < 64 ? 12 : byte < 128 ? 16 : 21);
  }
  constexpr std::uint64_t edges[] = {0x800'0000, 0x80f'f000, (1ULL << 39) - 0x1000, 1ULL << 44, ~0ULL, ~0xfffULL, 1, 0};
  return byte < 248 ? edges[byte % std::size(edges)] : input_.bytes(8);
}

std::uint64_t Client::length() {
  const auto byte = input_.byte();
  if (byte < 128) {
    return std::uint64_t{byte % 16U} << 12;
  }
  constexpr std::uint64_t edges[] = {0, 1, 0xfff, 0x20000, 0x200000, 1ULL << 30, ~0ULL, ~0xfffULL};
  return byte < 248 ? edges[byte % std::size(edges)] : input_.bytes(8);
}

} // namespace sluice::fuzz
