#include "bytes.hpp"
#include "sockets.hpp"

#include <sluice/hosted/free.hpp>
#include <sluice/hosted/sync.hpp>
#include <sluice/pcie/virtio.hpp>
#include <sluice/remote/vfio_session.hpp>
#include <sluice/remote/vhost_session.hpp>

namespace sluice::remote {
namespace {

using base::Errc;
using hosted::Fd;
using test::bytes_of;
using test::read_at;

class IdleDevice final : public VhostDevice {
public:
  std::uint64_t features() const override { return pcie::virtio::version_1; }
  std::uint16_t largest_queue() const override { return 64; }
  void start(const pcie::QueueLayout&, pcie::QueueRules, std::uint16_t) override { running = true; }
  std::uint16_t stop() override { return 0; }
  Ran run() override { return {.more = more}; }

  bool running{}, more{};
};

// Message by message, from a socket.
class VhostSessionTest : public testing::Test, public test::Sockets {
protected:
  base::Status raw(vhost::Request request, std::uint32_t size, const std::vector<std::byte>& payload,
                   std::uint32_t flags = vhost::version, std::size_t fds = 0) {
    auto all = bytes_of(vhost::Header{request, flags, size});
    all.insert(all.end(), payload.begin(), payload.end());
    send(all, fds);
    return session.on_message(stream);
  }
  template <class... Parts>
  base::Status message(vhost::Request request, const Parts&... parts) {
    const auto payload = bytes_of(parts...);
    return raw(request, static_cast<std::uint32_t>(payload.size()), payload);
  }

  IdleDevice device;
  VhostSession session{device};
  Stream stream{std::move(ours), 20};
};

TEST_F(VhostSessionTest, AQuestionIsAnswered) {
  EXPECT_TRUE(message(vhost::Request::get_features).ok());
  const auto reply = answered();
  ASSERT_EQ(reply.size(), sizeof(vhost::Header) + 8);
  EXPECT_EQ(read_at<std::uint64_t>(reply, sizeof(vhost::Header)), device.features() | vhost::feature_protocol_features);
}

TEST_F(VhostSessionTest, AMessageThatIsTooLongEndsTheConnectionUnread) {
  EXPECT_EQ(raw(vhost::Request::set_mem_table, vhost::most_payload + 1, {}), Errc::protocol);
  EXPECT_EQ(raw(vhost::Request::set_mem_table, ~0u, {}), Errc::protocol);
}

TEST_F(VhostSessionTest, AMessageShorterThanItSaysIsNotWaitedForForEver) {
  EXPECT_EQ(raw(vhost::Request::set_features, 8, bytes_of(std::uint32_t{})), Errc::timed_out);
}

TEST_F(VhostSessionTest, AnErrorThatNoReplyTellsEndsTheConnection) {
  EXPECT_EQ(message(vhost::Request::set_features, ~0ULL), Errc::unsupported);
  EXPECT_TRUE(answered().empty());
}

TEST_F(VhostSessionTest, AnErrorThatAReplyTellsDoesNot) {
  EXPECT_TRUE(message(vhost::Request::set_protocol_features, vhost::protocol_reply_ack).ok());
  EXPECT_TRUE(raw(vhost::Request::set_features, 8, bytes_of(~0ULL), vhost::version | vhost::flag_need_reply).ok());
  EXPECT_EQ(read_at<std::uint64_t>(answered(), sizeof(vhost::Header)), 1u);
}

TEST_F(VhostSessionTest, TooManyDescriptorsEndTheConnection) {
  EXPECT_EQ(raw(vhost::Request::get_features, 0, {}, vhost::version, Stream::most_fds + 1), Errc::protocol);
}

TEST_F(VhostSessionTest, ThereIsNoDoorbellBeforeTheQueueRuns) {
  EXPECT_EQ(session.doorbell(), -1);
  EXPECT_FALSE(session.work(true));
}

class NoRegisters final : public pcie::Function {
public:
  NoRegisters() : Function{{}, {}} {}
};

class VfioSessionTest : public testing::Test, public test::Sockets {
protected:
  base::Status message(vfio_user::Command command, std::uint32_t size, const std::vector<std::byte>& payload,
                       std::size_t fds = 0) {
    auto all = bytes_of(vfio_user::Header{.command = command, .size = size});
    all.insert(all.end(), payload.begin(), payload.end());
    send(all, fds);
    return session.on_message(stream);
  }
  base::Status message(vfio_user::Command command, const std::vector<std::byte>& payload) {
    return message(command, static_cast<std::uint32_t>(sizeof(vfio_user::Header) + payload.size()), payload);
  }
  void agree() {
    EXPECT_TRUE(
        message(vfio_user::Command::version, bytes_of(vfio_user::Version{0, 1}, std::array<char, 3>{'{', '}'})).ok());
    answered();
  }

  hosted::FreeSchedule schedule;
  hosted::Sync sync{schedule};
  NoRegisters function;
  VfioSession session{function, sync};
  Stream stream{std::move(ours), 20};
};

TEST_F(VfioSessionTest, ARefusalIsAnsweredAndCounted) {
  agree();
  EXPECT_TRUE(message(vfio_user::Command::region_write_multi, {}).ok());
  EXPECT_NE(read_at<vfio_user::Header>(answered(), 0).error, 0u);
  EXPECT_EQ(session.refused(), 1u);
}

TEST_F(VfioSessionTest, AMessageOfASizeThatCannotBeEndsTheConnectionUnread) {
  agree();
  constexpr std::uint32_t header = sizeof(vfio_user::Header);
  for (const std::uint32_t size :
       {0u, header - 1, static_cast<std::uint32_t>(header + vfio_user::most_payload + 1), ~0u}) {
    EXPECT_EQ(message(vfio_user::Command::device_reset, size, {}), Errc::protocol) << size;
  }
  EXPECT_TRUE(answered().empty());
}

TEST_F(VfioSessionTest, TheLongestMessageThatMayBeIsRead) {
  agree();
  EXPECT_TRUE(
      message(vfio_user::Command::region_write, std::vector<std::byte>(vfio_user::most_payload, std::byte{0})).ok());
  EXPECT_EQ(session.refused(), 1u) << "there is no such region";
}

TEST_F(VfioSessionTest, WithoutAVersionTheConnectionEndsAfterTheAnswer) {
  EXPECT_EQ(message(vfio_user::Command::device_reset, {}), Errc::protocol);
  EXPECT_NE(read_at<vfio_user::Header>(answered(), 0).error, 0u);
}

TEST_F(VfioSessionTest, TooManyDescriptorsEndTheConnection) {
  agree();
  EXPECT_EQ(message(vfio_user::Command::device_reset, sizeof(vfio_user::Header), {}, Stream::most_fds + 1),
            Errc::protocol);
}

} // namespace
} // namespace sluice::remote
