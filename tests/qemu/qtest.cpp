#include <ports/qemu/qtest.hpp>
#include <ports/qemu/virt.hpp>
#include <sluice/hosted/scratch.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace sluice::ports::qemu {
namespace {

using ::testing::HasSubstr;

// A Qtest whose peer is the test.
struct Pair {
  explicit Pair(int limit_ms) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    qtest.emplace(Fd{ends[0]}, limit_ms);
    peer = Fd{ends[1]};
  }
  void say(const std::string& text) { EXPECT_EQ(::write(peer.get(), text.data(), text.size()), ssize_t(text.size())); }
  std::string heard() {
    char text[256];
    const auto n = ::read(peer.get(), text, sizeof text);
    return {text, n > 0 ? std::size_t(n) : 0};
  }

  std::optional<Qtest> qtest;
  Fd peer;
};

TEST(Qtest, AReadIsOneLineAndOneAnswer) {
  Pair pair{1000};
  pair.say("OK 0x00000000deadbeef\n");
  EXPECT_EQ(pair.qtest->read32(0x9050000), 0xdeadbeefU);
  EXPECT_EQ(pair.heard(), "readl 0x9050000\n");
  EXPECT_EQ(pair.qtest->calls(), 1U);
  EXPECT_EQ(pair.qtest->failure(), "");
}

TEST(Qtest, AWriteCarriesItsWidth) {
  Pair pair{1000};
  pair.say("OK\nOK\n");
  pair.qtest->write16(0x10, 0xabcd);
  pair.qtest->write64(0x20, ~0ULL);
  EXPECT_EQ(pair.heard(), "writew 0x10 0xabcd\nwriteq 0x20 0xffffffffffffffff\n");
}

TEST(Qtest, NewsOfInterruptsIsNotAnAnswer) {
  Pair pair{1000};
  pair.say("IRQ raise 3\nOK 0x0000000000000005\n");
  EXPECT_EQ(pair.qtest->read8(0), 5U);
}

TEST(Qtest, ASilentPeerIsGivenUpAfterTheLimit) {
  Pair pair{20};
  EXPECT_EQ(pair.qtest->read32(0x40), 0xffffffffU);
  EXPECT_THAT(pair.qtest->failure(), HasSubstr("readl 0x40"));
  EXPECT_THAT(pair.qtest->failure(), HasSubstr(std::strerror(ETIMEDOUT)));
}

TEST(Qtest, ARefusalIsAFailure) {
  Pair pair{1000};
  pair.say("FAIL Unknown command\n");
  pair.qtest->write32(0, 1);
  EXPECT_THAT(pair.qtest->failure(), HasSubstr("FAIL Unknown command"));
}

TEST(Qtest, AfterAFailureNothingIsAskedAndReadsGiveOnes) {
  Pair pair{1000};
  pair.peer.reset();
  EXPECT_EQ(pair.qtest->read64(0), ~0ULL);
  const auto first = pair.qtest->failure();
  EXPECT_NE(first, "");
  EXPECT_EQ(pair.qtest->read8(1), 0xffU);
  EXPECT_EQ(pair.qtest->failure(), first);
  EXPECT_EQ(pair.qtest->calls(), 0U);
}

TEST(Virt, ABinaryThatIsMissingNamesThePackage) {
  try {
    Virt virt{{.binary = "qemu-of-nobody"}};
    FAIL() << "started";
  } catch (const hosted::SetupError& error) {
    EXPECT_THAT(error.what(), HasSubstr("qemu-of-nobody"));
    EXPECT_THAT(error.what(), HasSubstr("qemu-system-arm"));
  }
}

TEST(Virt, WhatABinaryPrintsBeforeItEndsIsShown) {
  try {
    Virt virt{{.binary = "/bin/ls"}}; // an option that it does not know
    FAIL() << "started";
  } catch (const hosted::SetupError& error) {
    EXPECT_THAT(error.what(), HasSubstr("QEMU has ended"));
    EXPECT_THAT(error.what(), HasSubstr("--help"));
  }
}

TEST(Virt, ItsRamIsOurs) {
  Virt virt;
  virt.bus().write64(map::ram + map::kept, 0x1122'3344'5566'7788);
  std::uint64_t seen{};
  std::memcpy(&seen, *virt.ram().at(map::ram + map::kept, sizeof seen), sizeof seen);
  EXPECT_EQ(seen, 0x1122'3344'5566'7788U);
  const std::uint32_t ours = 0xcafe;
  const auto last = map::ram + virt.ram().size() - 4;
  std::memcpy(*virt.ram().at(last, 4), &ours, sizeof ours);
  EXPECT_EQ(virt.bus().read32(last), 0xcafeU);
  EXPECT_EQ(virt.failure(), "");
}

TEST(Process, ItEndsWithItsOwner) {
  pid_t pid{};
  {
    Process process{{"/bin/sh", "-c", "echo $$; exec sleep 100"}, {}};
    for (int tries = 0; tries < 1000 && process.output().empty(); ++tries) {
      ::usleep(1000);
    }
    pid = static_cast<pid_t>(std::stol(process.output()));
    EXPECT_TRUE(process.running());
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(Process, ItEndsWithTheThreadThatStartedIt) {
  std::optional<Process> process;
  std::thread{[&] { process.emplace(std::vector<std::string>{"/bin/sleep", "100"}, std::span<const int>{}); }}.join();
  for (int tries = 0; tries < 5000 && process->running(); ++tries) {
    ::usleep(1000);
  }
  EXPECT_FALSE(process->running());
}

} // namespace
} // namespace sluice::ports::qemu
