#include "bytes.hpp"
#include "sockets.hpp"

#include <sluice/remote/stream.hpp>

#include <fcntl.h>

namespace sluice::remote {
namespace {

using base::Errc;
using hosted::Fd;
using test::bytes_of;

class StreamTest : public testing::Test, public test::Sockets {
protected:
  static constexpr int short_ms = 20;

  base::Status receive(std::size_t size) {
    got.resize(size);
    return stream.receive(got, fds);
  }

  Stream stream{std::move(ours), short_ms};
  std::vector<std::byte> got;
  std::vector<Fd> fds;
};

TEST_F(StreamTest, AMessageMayArriveInPieces) {
  send(bytes_of(std::uint32_t{1}));
  send(bytes_of(std::uint32_t{2}, std::uint32_t{3}));
  EXPECT_TRUE(receive(8).ok());
  EXPECT_EQ(got, bytes_of(std::uint32_t{1}, std::uint32_t{2})) << "and not more than was asked for";
  EXPECT_TRUE(receive(4).ok());
  EXPECT_EQ(got, bytes_of(std::uint32_t{3}));
}

TEST_F(StreamTest, DescriptorsComeAlongAndDoNotOutliveAnExec) {
  send(bytes_of(std::uint32_t{1}), 2);
  EXPECT_TRUE(receive(4).ok());
  ASSERT_EQ(fds.size(), 2u);
  EXPECT_NE(::fcntl(fds[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(StreamTest, MoreDescriptorsThanAMessageMayBringAreRefused) {
  send(bytes_of(std::uint32_t{1}), Stream::most_fds);
  EXPECT_TRUE(receive(4).ok());
  EXPECT_EQ(fds.size(), Stream::most_fds);
  fds.clear();
  send(bytes_of(std::uint32_t{1}), Stream::most_fds + 1);
  EXPECT_EQ(receive(4), Errc::protocol);
}

TEST_F(StreamTest, LikewiseWhenTheyComeInTwoPieces) {
  send(bytes_of(std::uint16_t{1}), 5);
  send(bytes_of(std::uint16_t{2}), 5);
  EXPECT_EQ(receive(4), Errc::protocol);
}

TEST_F(StreamTest, WhoBeginsAMessageHasToFinishItInTime) {
  send(bytes_of(std::uint16_t{1}));
  EXPECT_EQ(receive(4), Errc::timed_out);
}

TEST_F(StreamTest, WhenTheOtherSideHasGoneThatIsSaid) {
  send(bytes_of(std::uint16_t{1}));
  theirs.reset();
  EXPECT_EQ(receive(4), Errc::no_device) << "in the middle of a message";
  EXPECT_EQ(stream.send(bytes_of(1)), Errc::no_device) << "and no signal ends us";
}

TEST_F(StreamTest, WhoDoesNotReadDoesNotHoldUsForLong) {
  const std::vector<std::byte> much(8 << 20);
  EXPECT_EQ(stream.send(much), Errc::timed_out);
}

TEST_F(StreamTest, WhatIsNoSocketIsAnError) {
  Stream none{Fd{::eventfd(1, EFD_CLOEXEC)}, short_ms};
  EXPECT_EQ(none.receive(got = bytes_of(1), fds), Errc::io_error);
}

} // namespace
} // namespace sluice::remote
