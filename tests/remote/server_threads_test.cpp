#include "sockets.hpp"

#include <sluice/hosted/free.hpp>
#include <sluice/hosted/scratch.hpp>
#include <sluice/remote/server.hpp>

#include <poll.h>
#include <sys/un.h>

#include <atomic>
#include <filesystem>
#include <string>

namespace sluice::remote {
namespace {

using base::Errc;
using hosted::Fd;

// Gives each byte back; 'x' is an error.
class Echo final : public Session {
public:
  base::Status on_message(Stream& stream) override {
    std::byte byte;
    std::vector<Fd> fds;
    if (auto status = stream.receive({&byte, 1}, fds); !status) {
      return status;
    }
    if (byte == std::byte{'x'}) {
      ++errors;
      return Errc::protocol;
    }
    return stream.send({&byte, 1});
  }
  int doorbell() const override { return bell.get(); }
  bool work(bool rung) override {
    if (rung) {
      std::uint64_t count;
      EXPECT_EQ(::read(bell.get(), &count, sizeof count), 8);
      left = 3;
    }
    ++calls;
    return left != 0 && --left != 0;
  }

  Fd bell{::eventfd(0, EFD_CLOEXEC)};
  std::atomic<unsigned> calls{0};
  std::atomic<unsigned> errors{0};

private:
  unsigned left{0};
};

class ServerThreads : public testing::Test {
protected:
  static bool echoes(int fd, char c) {
    EXPECT_EQ(::send(fd, &c, 1, MSG_NOSIGNAL), 1);
    pollfd waiting{fd, POLLIN, 0};
    char back = 0;
    return ::poll(&waiting, 1, 5000) == 1 && ::recv(fd, &back, 1, 0) == 1 && back == c;
  }
  static Fd connect(const std::string& path) {
    Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }

  hosted::FreeSchedule schedule;
  Echo echo;
  test::Sockets sockets;
};

TEST_F(ServerThreads, MessagesAreServedUntilTheOtherSideEnds) {
  Server server{schedule, Stream{std::move(sockets.ours)}, echo, "echo"};
  EXPECT_TRUE(echoes(sockets.theirs.get(), 'a'));
  EXPECT_TRUE(echoes(sockets.theirs.get(), 'b'));
  sockets.theirs.reset();
  server.stop();
  EXPECT_TRUE(server.status().ok()) << "that is no error";
  EXPECT_EQ(server.messages(), 2u);
}

TEST_F(ServerThreads, ASessionsErrorIsTheServersStatus) {
  Server server{schedule, Stream{std::move(sockets.ours)}, echo, "echo"};
  ASSERT_EQ(::send(sockets.theirs.get(), "x", 1, MSG_NOSIGNAL), 1);
  for (unsigned i = 0; i < 5000 && echo.errors == 0; ++i) {
    ::poll(nullptr, 0, 1);
  }
  server.stop();
  EXPECT_EQ(server.status(), Errc::protocol);
  EXPECT_EQ(server.messages(), 0u);
}

TEST_F(ServerThreads, TheDoorbellBringsWorkAndWhatIsLeftIsDoneWithoutIt) {
  Server server{schedule, Stream{std::move(sockets.ours)}, echo, "echo"};
  const std::uint64_t one = 1;
  ASSERT_EQ(::write(echo.bell.get(), &one, sizeof one), 8);
  for (unsigned i = 0; i < 5000 && echo.calls < 3; ++i) {
    ::poll(nullptr, 0, 1);
  }
  server.stop();
  EXPECT_EQ(echo.calls, 3u);
}

TEST_F(ServerThreads, ItStopsWhileNothingHappens) {
  Server server{schedule, Stream{std::move(sockets.ours)}, echo, "echo"};
  server.stop();
  EXPECT_TRUE(server.status().ok());
  server.stop();
}

TEST_F(ServerThreads, TheFirstWhoConnectsIsServed) {
  auto listener = std::make_unique<Listener>("echo");
  const std::string path = listener->path();
  Server server{schedule, std::move(listener), echo, "echo"};
  const Fd client = connect(path);
  EXPECT_TRUE(echoes(client.get(), 'a'));
}

TEST_F(ServerThreads, ItStopsWhileNobodyConnects) {
  Server server{schedule, std::make_unique<Listener>("echo"), echo, "echo"};
  server.stop();
  EXPECT_EQ(server.messages(), 0u);
}

TEST_F(ServerThreads, AListenersSocketIsThereAsLongAsItIs) {
  std::string path;
  {
    Listener listener{"echo"};
    path = listener.path();
    EXPECT_TRUE(std::filesystem::is_socket(path));
    EXPECT_FALSE(listener.accept(0)) << "nobody has connected";
  }
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path{path}.parent_path())) << "and its folder";
}

TEST_F(ServerThreads, AListenerWhoseNameIsTooLongIsRefused) {
  EXPECT_THROW(Listener{std::string(200, 'a')}, hosted::SetupError);
}

} // namespace
} // namespace sluice::remote
