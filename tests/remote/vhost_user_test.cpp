#include "bytes.hpp"

#include <sluice/hosted/random.hpp>
#include <sluice/pcie/virtio.hpp>
#include <sluice/remote/vhost_user.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/poll.h>

namespace sluice::remote {
namespace {

using base::Errc;
using hosted::Fd;
using test::bytes_of;
using test::read_at;
using vhost::Request;

class FakeDevice final : public VhostDevice {
public:
  std::uint64_t features() const override {
    return pcie::virtio::version_1 | pcie::virtio::access_platform | pcie::QueueRules::features;
  }
  std::uint16_t largest_queue() const override { return 64; }
  void start(const pcie::QueueLayout& where, pcie::QueueRules accepted, std::uint16_t from) override {
    layout = where;
    rules = accepted;
    next = from;
    ++starts;
  }
  std::uint16_t stop() override {
    ++stops;
    return 7;
  }
  Ran run() override { return ran; }

  pcie::QueueLayout layout;
  pcie::QueueRules rules;
  std::uint16_t next{};
  unsigned starts{}, stops{};
  Ran ran{};
};

class VhostUserTest : public testing::Test {
protected:
  static constexpr std::uint64_t user = 0x7f00'0000'0000;
  static constexpr std::uint64_t guest = 0x4000'0000;
  static constexpr std::uint64_t size = 0x1000'0000;

  template <class... Parts>
  VhostUser::Answer ask(Request request, std::vector<Fd> fds, const Parts&... parts) {
    const auto payload = bytes_of(parts...);
    return client.handle({request, vhost::version | vhost::flag_need_reply, static_cast<std::uint32_t>(payload.size())},
                         payload, std::move(fds));
  }
  template <class... Parts>
  VhostUser::Answer ask(Request request, const Parts&... parts) {
    return ask(request, std::vector<Fd>{}, parts...);
  }
  static std::vector<Fd> one_eventfd() {
    std::vector<Fd> fds;
    fds.emplace_back(::eventfd(0, EFD_CLOEXEC));
    return fds;
  }
  static bool readable(int fd) {
    pollfd p{fd, POLLIN, 0};
    return ::poll(&p, 1, 0) == 1;
  }
  void tell_memory() {
    EXPECT_TRUE(ask(Request::set_mem_table, one_eventfd(), vhost::MemTable{1}, vhost::Region{guest, size, user, 0})
                    .status.ok());
  }
  void agree() {
    EXPECT_TRUE(ask(Request::set_features, device.features() | vhost::feature_protocol_features).status.ok());
    EXPECT_TRUE(ask(Request::set_protocol_features, vhost::protocol_reply_ack).status.ok());
  }
  static vhost::VringAddress rings() { return {0, 0, user + 0x1000, user + 0x3000, user + 0x2000, 0}; }
  void start() {
    agree();
    tell_memory();
    EXPECT_TRUE(ask(Request::set_vring_num, vhost::VringState{0, 8}).status.ok());
    EXPECT_TRUE(ask(Request::set_vring_base, vhost::VringState{0, 3}).status.ok());
    EXPECT_TRUE(ask(Request::set_vring_addr, rings()).status.ok());
    EXPECT_TRUE(ask(Request::set_vring_kick, one_eventfd(), std::uint64_t{0}).status.ok());
    EXPECT_EQ(device.starts, 0u) << "not enabled yet";
    EXPECT_TRUE(ask(Request::set_vring_enable, vhost::VringState{0, 1}).status.ok());
  }

  FakeDevice device;
  VhostUser client{device};
};

TEST_F(VhostUserTest, FeaturesAreTheDevicesAndTheProtocols) {
  const auto answer = ask(Request::get_features);
  EXPECT_EQ(read_at<std::uint64_t>(answer.reply, sizeof(vhost::Header)),
            device.features() | vhost::feature_protocol_features);
  const auto head = read_at<vhost::Header>(answer.reply, 0);
  EXPECT_EQ(head.flags, vhost::version | vhost::flag_reply);
  EXPECT_EQ(head.size, 8u);
}

TEST_F(VhostUserTest, AQueueStartsWhenNothingIsMissingAtTheGuestsAddresses) {
  start();
  EXPECT_TRUE(client.running());
  EXPECT_EQ(device.starts, 1u);
  EXPECT_EQ(device.next, 3u);
  EXPECT_EQ(device.layout.size, 8u);
  EXPECT_EQ(device.layout.descriptors, guest + 0x1000);
  EXPECT_EQ(device.layout.driver, guest + 0x2000);
  EXPECT_EQ(device.layout.device, guest + 0x3000);
}

TEST_F(VhostUserTest, AQueueWorksByTheFeaturesThatTheGuestHasAccepted) {
  start();
  EXPECT_TRUE(device.rules.indirect);
  EXPECT_TRUE(device.rules.event_index);
  EXPECT_TRUE(ask(Request::get_vring_base, vhost::VringState{0, 0}).status.ok());
  EXPECT_TRUE(ask(Request::set_features, device.features() & ~pcie::virtio::event_idx).status.ok());
  EXPECT_TRUE(ask(Request::set_vring_kick, one_eventfd(), std::uint64_t{0}).status.ok());
  ASSERT_EQ(device.starts, 2u);
  EXPECT_TRUE(device.rules.indirect);
  EXPECT_FALSE(device.rules.event_index);
}

TEST_F(VhostUserTest, AQueueThatIsStoppedSaysWhereToGoOn) {
  start();
  const auto answer = ask(Request::get_vring_base, vhost::VringState{0, 0});
  EXPECT_EQ(read_at<vhost::VringState>(answer.reply, sizeof(vhost::Header)).value, 7u);
  EXPECT_FALSE(client.running());
  EXPECT_EQ(device.stops, 1u);
  EXPECT_FALSE(client.run());
}

TEST_F(VhostUserTest, ADisabledQueueStops) {
  start();
  EXPECT_TRUE(ask(Request::set_vring_enable, vhost::VringState{0, 0}).status.ok());
  EXPECT_FALSE(client.running());
}

TEST_F(VhostUserTest, InterruptAndFaultReachTheClientsEventfds) {
  start();
  auto call = one_eventfd();
  auto error = one_eventfd();
  const int call_fd = ::dup(call[0].get());
  const int error_fd = ::dup(error[0].get());
  EXPECT_TRUE(ask(Request::set_vring_call, std::move(call), std::uint64_t{0}).status.ok());
  EXPECT_TRUE(ask(Request::set_vring_err, std::move(error), std::uint64_t{0}).status.ok());
  client.run();
  EXPECT_FALSE(readable(call_fd));
  device.ran = {.interrupt = true, .more = true, .broken = true};
  EXPECT_TRUE(client.run());
  EXPECT_TRUE(readable(call_fd));
  EXPECT_TRUE(readable(error_fd));
  ::close(call_fd);
  ::close(error_fd);
}

TEST_F(VhostUserTest, AnAcknowledgementSaysWhetherItWasDone) {
  agree();
  const auto good = ask(Request::set_vring_num, vhost::VringState{0, 8});
  const auto bad = ask(Request::set_vring_num, vhost::VringState{0, 7});
  EXPECT_EQ(good.reply.size(), sizeof(vhost::Header) + 8);
  EXPECT_EQ(read_at<std::uint64_t>(good.reply, sizeof(vhost::Header)), 0u);
  EXPECT_EQ(read_at<std::uint64_t>(bad.reply, sizeof(vhost::Header)), 1u);
}

TEST_F(VhostUserTest, WithoutTheFeatureNothingIsAcknowledged) {
  EXPECT_TRUE(ask(Request::set_vring_num, vhost::VringState{0, 8}).reply.empty());
}

TEST_F(VhostUserTest, ARingHasToLieInMemoryThatTheClientHasToldOf) {
  agree();
  tell_memory();
  EXPECT_TRUE(ask(Request::set_vring_num, vhost::VringState{0, 8}).status.ok());
  auto at = rings();
  at.descriptors = user + size - 127; // 8 descriptors have 128 bytes
  EXPECT_EQ(ask(Request::set_vring_addr, at).status, Errc::not_mapped);
  at = rings();
  at.used = user - 1;
  EXPECT_EQ(ask(Request::set_vring_addr, at).status, Errc::not_mapped);
  at = rings();
  at.available = ~0ULL;
  EXPECT_EQ(ask(Request::set_vring_addr, at).status, Errc::not_mapped);
  at = rings();
  at.available += 1;
  EXPECT_EQ(ask(Request::set_vring_addr, at).status, Errc::unaligned);
  EXPECT_TRUE(ask(Request::set_vring_addr, rings()).status.ok());
}

TEST_F(VhostUserTest, ALargerQueueNeedsItsRingsPlacedAnew) {
  agree();
  tell_memory();
  EXPECT_TRUE(ask(Request::set_vring_num, vhost::VringState{0, 8}).status.ok());
  EXPECT_TRUE(ask(Request::set_vring_addr, rings()).status.ok());
  EXPECT_TRUE(ask(Request::set_vring_num, vhost::VringState{0, 64}).status.ok());
  EXPECT_TRUE(ask(Request::set_vring_kick, one_eventfd(), std::uint64_t{0}).status.ok());
  EXPECT_TRUE(ask(Request::set_vring_enable, vhost::VringState{0, 1}).status.ok());
  EXPECT_FALSE(client.running()) << "the old place was checked for 8";
}

TEST_F(VhostUserTest, ARunningQueueIsNotChanged) {
  start();
  EXPECT_EQ(ask(Request::set_vring_num, vhost::VringState{0, 4}).status, Errc::busy);
  EXPECT_EQ(ask(Request::set_vring_base, vhost::VringState{0, 0}).status, Errc::busy);
  EXPECT_EQ(ask(Request::set_vring_addr, rings()).status, Errc::busy);
  EXPECT_EQ(ask(Request::set_features, device.features()).status, Errc::busy) << "without those of the protocol";
  EXPECT_TRUE(ask(Request::set_features, device.features() | vhost::feature_protocol_features).status.ok());
}

TEST_F(VhostUserTest, WhatCannotBeIsRefused) {
  EXPECT_EQ(ask(Request::set_features, device.features() | 1).status, Errc::unsupported);
  EXPECT_EQ(ask(Request::set_features, std::uint64_t{0}).status, Errc::unsupported) << "no VERSION_1";
  EXPECT_EQ(ask(Request::set_protocol_features, std::uint64_t{1}).status, Errc::unsupported);
  EXPECT_EQ(ask(Request::set_vring_num, vhost::VringState{0, 128}).status, Errc::too_large);
  EXPECT_EQ(ask(Request::set_vring_num, vhost::VringState{0, 0}).status, Errc::invalid_argument);
  EXPECT_EQ(ask(Request::set_vring_num, vhost::VringState{1, 8}).status, Errc::invalid_argument);
  EXPECT_EQ(ask(Request::set_vring_base, vhost::VringState{0, 0x10000}).status, Errc::invalid_argument);
  EXPECT_EQ(ask(Request::get_vring_base, vhost::VringState{1, 0}).status, Errc::invalid_argument);
  EXPECT_EQ(ask(Request::set_vring_enable, vhost::VringState{0, 1}).status, Errc::invalid_argument)
      << "before the protocol's features are accepted";
  EXPECT_EQ(ask(Request::set_vring_kick, one_eventfd(), std::uint64_t{1}).status, Errc::invalid_argument);
  EXPECT_EQ(ask(Request::set_vring_kick, vhost::vring_no_fd).status, Errc::unsupported);
}

TEST_F(VhostUserTest, AMessageOfAnotherFormIsRefused) {
  EXPECT_EQ(ask(static_cast<Request>(0)).status, Errc::protocol);
  EXPECT_EQ(ask(static_cast<Request>(24), std::uint64_t{0}).status, Errc::protocol);
  EXPECT_EQ(ask(Request::set_features, std::uint32_t{0}).status, Errc::protocol);
  EXPECT_EQ(ask(Request::set_vring_addr, std::uint64_t{0}).status, Errc::protocol);
  EXPECT_EQ(ask(Request::set_vring_kick, std::uint64_t{0}).status, Errc::protocol) << "no descriptor";
  EXPECT_EQ(ask(Request::set_backend_req_fd).status, Errc::protocol);
  const auto payload = bytes_of(std::uint64_t{0});
  EXPECT_EQ(client.handle({Request::get_features, 2, 0}, {}, {}).status, Errc::protocol) << "version";
  EXPECT_EQ(client.handle({Request::get_features, vhost::version | vhost::flag_reply, 0}, {}, {}).status,
            Errc::protocol);
  EXPECT_EQ(client.handle({Request::set_features, vhost::version, 16}, payload, {}).status, Errc::protocol);
}

TEST_F(VhostUserTest, ADescriptorThatIsNoEventfdIsRefusedAndTheOldOneStays) {
  start();
  for (const Request request : {Request::set_vring_kick, Request::set_vring_call, Request::set_vring_err}) {
    std::vector<Fd> file;
    file.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(ask(request, std::move(file), std::uint64_t{0}).status, Errc::invalid_argument);
    auto two = one_eventfd();
    two.push_back(std::move(one_eventfd()[0]));
    EXPECT_EQ(ask(request, std::move(two), std::uint64_t{0}).status, Errc::protocol);
    EXPECT_EQ(ask(request, one_eventfd(), vhost::vring_no_fd).status, Errc::protocol) << "none was announced";
    EXPECT_EQ(ask(request, one_eventfd(), std::uint64_t{1} << 9).status, Errc::invalid_argument);
  }
  EXPECT_TRUE(client.running());
  EXPECT_GE(client.kick_fd(), 0);
}

TEST_F(VhostUserTest, AKickThatSomebodyElseHasHeardIsNotWaitedFor) {
  auto kick = one_eventfd();
  agree();
  EXPECT_TRUE(ask(Request::set_vring_kick, std::move(kick), std::uint64_t{0}).status.ok());
  std::uint64_t count = 0;
  EXPECT_EQ(::read(client.kick_fd(), &count, sizeof count), -1) << "and returns at once";
}

TEST_F(VhostUserTest, AMemoryTableThatDoesNotAddUpChangesNothing) {
  agree();
  tell_memory();
  const vhost::Region good{guest, size, user, 0};
  EXPECT_EQ(ask(Request::set_mem_table, vhost::MemTable{1}, good).status, Errc::protocol) << "no descriptor";
  EXPECT_EQ(ask(Request::set_mem_table, one_eventfd(), vhost::MemTable{2}, good).status, Errc::protocol);
  EXPECT_EQ(ask(Request::set_mem_table, one_eventfd(), vhost::MemTable{~0u}, good).status, Errc::protocol);
  EXPECT_EQ(ask(Request::set_mem_table, one_eventfd(), std::uint32_t{1}).status, Errc::protocol);
  EXPECT_EQ(
      ask(Request::set_mem_table, one_eventfd(), vhost::MemTable{1}, vhost::Region{~0ULL - 1, size, user, 0}).status,
      Errc::invalid_argument);
  EXPECT_EQ(ask(Request::set_mem_table, one_eventfd(), vhost::MemTable{1}, vhost::Region{guest, 0, user, 0}).status,
            Errc::invalid_argument);
  EXPECT_TRUE(ask(Request::set_vring_num, vhost::VringState{0, 8}).status.ok());
  EXPECT_TRUE(ask(Request::set_vring_addr, rings()).status.ok()) << "what was told before still holds";
}

TEST_F(VhostUserTest, NoSequenceOfMessagesStartsAQueueOutsideTheMemory) {
  hosted::Random random{20261};
  const auto pick = [&](std::initializer_list<std::uint64_t> values) {
    return values.begin()[random.below(static_cast<std::uint32_t>(values.size()))];
  };
  unsigned started = 0;
  for (unsigned i = 0; i < 20'000; ++i) {
    const auto request = static_cast<Request>(random.below(26));
    auto payload =
        bytes_of(pick({0, 1, 8, 64, vhost::vring_no_fd, device.features() | vhost::feature_protocol_features}));
    if (random.below(3) == 0) {
      payload = bytes_of(vhost::VringState{static_cast<std::uint32_t>(pick({0, 0, 0, 1})),
                                           static_cast<std::uint32_t>(pick({0, 1, 8, 64, 65, ~0u}))});
    } else if (request == Request::set_vring_addr) {
      payload = bytes_of(vhost::VringAddress{0, 0, user + pick({0, 0x1000, size - 64, ~0ULL}),
                                             user + pick({0x3000, size}), user + pick({0x2000, size - 2}), 0});
    } else if (request == Request::set_mem_table) {
      payload = bytes_of(vhost::MemTable{1}, vhost::Region{guest, pick({size, 0x1000}), user, 0});
    }
    const bool with_fd =
        request == Request::set_mem_table || request == Request::set_vring_kick || random.below(8) == 0;
    const unsigned before = device.starts;
    client.handle({request, vhost::version, static_cast<std::uint32_t>(payload.size())}, payload,
                  with_fd ? one_eventfd() : std::vector<Fd>{});
    if (device.starts != before) {
      ++started;
      const auto& q = device.layout;
      ASSERT_TRUE(q.size != 0 && q.size <= 64);
      ASSERT_TRUE(q.descriptors >= guest && q.descriptors + 16 * q.size <= guest + size);
      ASSERT_TRUE(q.driver >= guest && q.driver + 6 + 2 * q.size <= guest + size);
      ASSERT_TRUE(q.device >= guest && q.device + 6 + 8 * q.size <= guest + size);
    }
  }
  EXPECT_GT(started, 10u);
}

} // namespace
} // namespace sluice::remote
