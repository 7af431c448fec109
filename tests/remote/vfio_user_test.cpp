#include "bytes.hpp"

#include <sluice/hosted/free.hpp>
#include <sluice/hosted/random.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/remote/vfio_user.hpp>
#include <sluice/uapi/errno.hpp>
#include <sluice/uapi/vfio.hpp>

#include <gtest/gtest.h>

#include <sys/eventfd.h>
#include <sys/poll.h>

#include <string>

namespace sluice::remote {
namespace {

namespace p = vfio_user;
namespace u = uapi::vfio;
using hosted::Fd;
using p::Command;
using test::bytes_of;
using test::read_at;
using uapi::Errno;

// 4 KB of registers, and a pin.
class Registers final : public pcie::Function {
public:
  Registers() : Function{{.vendor = 0x1234, .device = 0x5678}, {}} {
    add_bar(0, 4096);
    add_intx();
  }
  void pin(bool up) { set_interrupt(up); }
  void reset() override { ++resets; }

  std::array<std::byte, 4096> words{};
  unsigned resets{};
  unsigned accesses{};

protected:
  std::uint64_t bar_read(unsigned, std::uint64_t offset, unsigned size) override {
    ++accesses;
    std::uint64_t value = 0;
    std::memcpy(&value, words.data() + offset, size);
    return value;
  }
  void bar_write(unsigned, std::uint64_t offset, unsigned size, std::uint64_t value) override {
    ++accesses;
    std::memcpy(words.data() + offset, &value, size);
  }
};

class VfioUserTest : public testing::Test {
protected:
  template <class... Parts>
  VfioUser::Answer ask(Command command, const std::vector<Fd>& fds, const Parts&... parts) {
    return raw(command, bytes_of(parts...), fds);
  }
  template <class... Parts>
  VfioUser::Answer ask(Command command, const Parts&... parts) {
    return raw(command, bytes_of(parts...), {});
  }
  VfioUser::Answer raw(Command command, const std::vector<std::byte>& payload, const std::vector<Fd>& fds) {
    return server.handle(
        {.id = 9, .command = command, .size = static_cast<std::uint32_t>(sizeof(p::Header) + payload.size())}, payload,
        fds);
  }
  // 0: success
  template <class... Parts>
  int error(Command command, const Parts&... parts) {
    return error_of(ask(command, parts...));
  }
  static int error_of(const VfioUser::Answer& answer) {
    const auto head = read_at<p::Header>(answer.reply, 0);
    EXPECT_EQ(head.size, answer.reply.size());
    EXPECT_EQ(head.id, 9u);
    EXPECT_EQ((head.flags & p::flag_error) != 0, head.error != 0);
    return static_cast<int>(head.error);
  }
  std::vector<std::byte> version(const std::string& text) {
    auto payload = bytes_of(p::Version{0, 1});
    const auto* const begin = reinterpret_cast<const std::byte*>(text.c_str());
    payload.insert(payload.end(), begin, begin + text.size() + 1);
    return payload;
  }
  void agree() { EXPECT_EQ(error_of(raw(Command::version, version(R"({"capabilities":{"max_msg_fds":8}})"), {})), 0); }
  template <class T>
  T answer(const VfioUser::Answer& from) {
    return read_at<T>(from.reply, sizeof(p::Header));
  }

  static constexpr int invalid = static_cast<int>(Errno::invalid);

  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  Registers function;
  VfioUser server{function, sync};
};

TEST_F(VfioUserTest, AVersionIsAgreedUponFirstAndOnce) {
  const auto reply = raw(Command::version, version(R"({"capabilities":{}})"), {});
  EXPECT_EQ(error_of(reply), 0);
  EXPECT_EQ(answer<p::Version>(reply).minor, 1);
  EXPECT_EQ(reply.reply.back(), std::byte{0}) << "the text ends with a zero";
  EXPECT_FALSE(server.fatal());
  EXPECT_EQ(error_of(raw(Command::version, version("{}"), {})), invalid);
}

TEST_F(VfioUserTest, BeforeItNothingElseIsPossible) {
  EXPECT_EQ(error(Command::device_reset), invalid);
  EXPECT_TRUE(server.fatal());
  EXPECT_EQ(function.resets, 0u);
}

TEST_F(VfioUserTest, AVersionThatIsNoneEndsTheConnection) {
  for (const std::string text : {"", "[]", "{", R"({"capabilities":[]})", "\xff", "{\"a\":"}) {
    VfioUser other{function, sync};
    const auto payload = version(text);
    const auto reply = other.handle(
        {.command = Command::version, .size = static_cast<std::uint32_t>(sizeof(p::Header) + payload.size())}, payload,
        {});
    EXPECT_FALSE(reply.status.ok()) << text;
    EXPECT_TRUE(other.fatal()) << text;
  }
  const auto deep = version(std::string(60'000, '['));
  EXPECT_NE(error_of(raw(Command::version, deep, {})), 0);
  EXPECT_EQ(error(Command::version, p::Version{1, 0}), static_cast<int>(Errno::unsupported)) << "another major";
  EXPECT_EQ(error(Command::version, std::uint8_t{0}), invalid);
}

TEST_F(VfioUserTest, RegionsAreTheFunctions) {
  agree();
  // argsz, flags, regions, interrupts, and no more of VFIO's structure
  const auto info = ask(Command::device_get_info, std::array<std::uint32_t, 4>{16});
  EXPECT_EQ(info.reply.size(), sizeof(p::Header) + 16);
  EXPECT_EQ((answer<std::array<std::uint32_t, 4>>(info)),
            (std::array<std::uint32_t, 4>{16, u::device_flag_pci | u::device_flag_reset, 9, 5}));
  EXPECT_EQ(error(Command::device_get_info, std::array<std::uint32_t, 4>{15}), invalid);
  EXPECT_EQ(error(Command::device_get_info, std::array<std::uint32_t, 3>{16}), invalid) << "a shorter one";
  const auto size = [&](std::uint32_t index) {
    return answer<u::RegionInfo>(ask(Command::device_get_region_info, u::RegionInfo{.argsz = 32, .index = index})).size;
  };
  EXPECT_EQ(size(0), 4096u);
  EXPECT_EQ(size(1), 0u);
  EXPECT_EQ(size(u::region_config), 4096u);
  EXPECT_EQ(error(Command::device_get_region_info, u::RegionInfo{.argsz = 32, .index = 9}), invalid);
  EXPECT_EQ(error(Command::device_get_region_info, u::RegionInfo{.argsz = 31}), invalid);
  EXPECT_EQ(error(Command::device_get_region_info, std::uint32_t{32}), invalid);
}

TEST_F(VfioUserTest, RegistersAreReadAndWritten) {
  agree();
  EXPECT_EQ(error(Command::region_write, p::RegionAccess{0x10, 0, 8}, 0x1122'3344'5566'7788ULL), 0);
  EXPECT_EQ(function.accesses, 1u);
  const auto reply = ask(Command::region_read, p::RegionAccess{0x14, 0, 4});
  EXPECT_EQ(read_at<std::uint32_t>(reply.reply, sizeof(p::Header) + sizeof(p::RegionAccess)), 0x1122'3344u);
  const auto ids = ask(Command::region_read, p::RegionAccess{0, u::region_config, 4});
  EXPECT_EQ(read_at<std::uint32_t>(ids.reply, sizeof(p::Header) + sizeof(p::RegionAccess)), 0x5678'1234u);
}

TEST_F(VfioUserTest, AnUnalignedAccessIsMadeInPieces) {
  agree();
  EXPECT_EQ(error(Command::region_write, p::RegionAccess{0x1, 0, 7}, std::array<std::uint8_t, 7>{1, 2, 3, 4, 5, 6, 7}),
            0);
  EXPECT_EQ(function.accesses, 3u) << "1, 2 and 4 bytes";
  EXPECT_EQ(function.words[1], std::byte{1});
  EXPECT_EQ(function.words[7], std::byte{7});
}

TEST_F(VfioUserTest, AnAccessOutsideARegionIsRefused) {
  agree();
  EXPECT_EQ(error(Command::region_read, p::RegionAccess{4096, 0, 1}), invalid);
  EXPECT_EQ(error(Command::region_read, p::RegionAccess{4095, 0, 2}), invalid);
  EXPECT_EQ(error(Command::region_read, p::RegionAccess{~0ULL, 0, 8}), invalid);
  EXPECT_EQ(error(Command::region_read, p::RegionAccess{0, 1, 4}), invalid) << "there is none";
  EXPECT_EQ(error(Command::region_read, p::RegionAccess{0, ~0u, 4}), invalid);
  EXPECT_EQ(error(Command::region_read, p::RegionAccess{0, 0, 0}), invalid);
  EXPECT_EQ(error(Command::region_read, p::RegionAccess{0, 0, ~0u}), invalid);
  EXPECT_EQ(error(Command::region_write, p::RegionAccess{0, 0, 8}, std::uint32_t{0}), invalid) << "less than it says";
  EXPECT_EQ(error(Command::region_write, p::RegionAccess{0, 0, 4}, std::uint64_t{0}), invalid) << "more than it says";
  EXPECT_EQ(error(Command::region_write, std::uint64_t{0}), invalid);
  EXPECT_EQ(function.accesses, 0u);
}

TEST_F(VfioUserTest, MemoryIsMappedOnceAndUnmappedAsItWasMapped) {
  agree();
  const auto map = [&](std::uint64_t address, std::uint64_t size, std::uint32_t flags = 3) {
    return error(Command::dma_map, p::DmaMap{.argsz = 32, .flags = flags, .address = address, .size = size});
  };
  const auto unmap = [&](std::uint64_t address, std::uint64_t size, std::uint32_t flags = 0) {
    return error(Command::dma_unmap, p::DmaUnmap{.argsz = 24, .flags = flags, .address = address, .size = size});
  };
  constexpr int exists = static_cast<int>(Errno::exists);
  EXPECT_EQ(map(0x10000, 0x10000), 0);
  EXPECT_EQ(map(0x1f000, 0x1000), exists);
  EXPECT_EQ(map(0xf000, 0x2000), exists);
  EXPECT_EQ(map(0x20000, 0x1000), 0);
  EXPECT_EQ(map(0, 0), invalid);
  EXPECT_EQ(map(1, 0x1000), invalid);
  EXPECT_EQ(map(~0xfffULL, 0x2000), invalid) << "wraps";
  EXPECT_EQ(map(0x50000, 0x1000, 4), invalid);
  EXPECT_EQ(unmap(0x10000, 0x1000), static_cast<int>(Errno::no_entry));
  EXPECT_EQ(unmap(0x10000, 0x10000), 0);
  EXPECT_EQ(server.maps(), 1u);
  EXPECT_EQ(unmap(0, 0, p::unmap_all), 0);
  EXPECT_EQ(server.maps(), 0u);
}

TEST_F(VfioUserTest, MapsHaveABound) {
  agree();
  for (std::uint64_t i = 0; i < p::most_maps; ++i) {
    ASSERT_EQ(error(Command::dma_map, p::DmaMap{.argsz = 32, .flags = 3, .address = i << 12, .size = 4096}), 0);
  }
  EXPECT_EQ(error(Command::dma_map, p::DmaMap{.argsz = 32, .flags = 3, .address = p::most_maps << 12, .size = 4096}),
            static_cast<int>(Errno::no_space));
}

TEST_F(VfioUserTest, ThePinReachesTheClientsEventfd) {
  agree();
  std::vector<Fd> fds;
  fds.emplace_back(::eventfd(0, EFD_CLOEXEC));
  const u::IrqSet set{
      .argsz = 20, .flags = u::irq_set_data_eventfd | u::irq_set_action_trigger, .index = u::irq_intx, .count = 1};
  EXPECT_EQ(error_of(ask(Command::device_set_irqs, fds, set)), 0);
  pollfd signalled{fds[0].get(), POLLIN, 0};
  EXPECT_EQ(::poll(&signalled, 1, 0), 0);
  function.pin(true);
  EXPECT_EQ(::poll(&signalled, 1, 0), 1);
}

TEST_F(VfioUserTest, ARequestForInterruptsThatCannotBeIsRefused) {
  agree();
  constexpr std::uint32_t eventfd = u::irq_set_data_eventfd | u::irq_set_action_trigger;
  const auto set = [&](std::uint32_t flags, std::uint32_t index, std::uint32_t start, std::uint32_t count) {
    return error(Command::device_set_irqs, u::IrqSet{20, flags, index, start, count});
  };
  EXPECT_EQ(set(eventfd, u::irq_intx, 1, 1), invalid);
  EXPECT_EQ(set(eventfd, u::irq_intx, 0, ~0u), invalid);
  EXPECT_EQ(set(eventfd, u::irq_msix, 0, 1), invalid);
  EXPECT_EQ(set(eventfd, 77, 0, 1), invalid);
  EXPECT_EQ(set(7, u::irq_intx, 0, 1), invalid) << "two kinds of data";
  EXPECT_EQ(set(1u << 20, u::irq_intx, 0, 1), invalid);
  EXPECT_EQ(set(u::irq_set_data_bool | u::irq_set_action_trigger, u::irq_intx, 0, 1), invalid) << "no data";
  std::vector<Fd> two;
  two.emplace_back(::eventfd(0, EFD_CLOEXEC));
  two.emplace_back(::eventfd(0, EFD_CLOEXEC));
  EXPECT_EQ(error_of(ask(Command::device_set_irqs, two, u::IrqSet{20, eventfd, u::irq_intx, 0, 1})), invalid);
}

TEST_F(VfioUserTest, AResetReachesTheFunction) {
  agree();
  EXPECT_EQ(error(Command::device_reset), 0);
  EXPECT_EQ(function.resets, 1u);
}

TEST_F(VfioUserTest, WhatIsNotOfferedIsRefusedAndTheClientMayGoOn) {
  agree();
  constexpr int unsupported = static_cast<int>(Errno::unsupported);
  EXPECT_EQ(error(Command::region_write_multi), unsupported);
  EXPECT_EQ(error(Command::dma_read), unsupported);
  EXPECT_EQ(error(static_cast<Command>(99)), unsupported);
  EXPECT_FALSE(server.fatal());
}

TEST_F(VfioUserTest, AHeaderThatIsNoneEndsTheConnection) {
  agree();
  EXPECT_FALSE(server.handle({.command = Command::device_reset, .size = 17}, {}, {}).status.ok());
  EXPECT_TRUE(server.fatal());
  EXPECT_EQ(function.resets, 0u);
}

TEST_F(VfioUserTest, AClientThatWantsNoReplyGetsNone) {
  agree();
  const auto answer =
      server.handle({.command = Command::device_reset, .size = sizeof(p::Header), .flags = p::flag_no_reply}, {}, {});
  EXPECT_TRUE(answer.reply.empty());
  EXPECT_EQ(function.resets, 1u);
}

TEST_F(VfioUserTest, AnyBytesGetAnAnswerOfTheRightForm) {
  agree();
  hosted::Random random{11};
  for (unsigned i = 0; i < 20'000; ++i) {
    std::vector<std::byte> payload(random.below(64));
    for (std::byte& b : payload) {
      b = static_cast<std::byte>(random.below(4) == 0 ? random.below(256) : 0);
    }
    if (payload.size() >= 4 && random.below(2) == 0) {
      payload[0] = std::byte{32}; // a likely argsz
    }
    error_of(raw(static_cast<Command>(random.below(18)), payload, {}));
    ASSERT_FALSE(server.fatal());
  }
}

} // namespace
} // namespace sluice::remote
