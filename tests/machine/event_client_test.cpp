#include "host_client.hpp"

// A monitor whose processors' hands are eventfds: one rings a device's doorbell, one unmasks its interrupt.
namespace sluice::machine::test {
namespace {

class EventClientThreads : public testing::Test {
protected:
  static constexpr std::uint64_t iova = 0x4000'0000;

  EventClientThreads() {
    host.set_iommufds(fds);
    fds.all.push_back(&iommu);
    EXPECT_EQ(source.bind(iommu), 0);
    const std::uint32_t ioas = iommu.ioas();
    EXPECT_EQ(iommu.map(ioas, iova, pages.at, pages.size), 0);
    EXPECT_EQ(source.attach(ioas), 0);
    EXPECT_EQ(source.intx(line), 0);
    source.start(pages, iova);
  }
  int ioeventfd(std::int32_t fd) {
    v::IoEventfd cmd;
    cmd.flags = 2; // bytes
    cmd.offset = pcie::VirtioRng::notify_at;
    cmd.fd = fd;
    return source.call(v::device_ioeventfd, cmd);
  }
  int unmask_by(std::int32_t fd) {
    return source.set_irqs(v::irq_set_data_eventfd | v::irq_set_action_unmask, v::irq_intx, {fd});
  }
  // A buffer that the device is not told of.
  void offer_quietly() {
    pages.put<std::uint64_t>(Source::descriptors, iova + Source::buffers);
    pages.put<std::uint64_t>(Source::descriptors + 8, 64 | std::uint64_t{pcie::virtio::descriptor_write} << 32);
    pages.put<std::uint16_t>(Source::driver + 4 + 2u * (available % 64u), 0);
    pages.put<std::uint16_t>(Source::driver + 2, ++available);
  }

  Host host{small_host()};
  Iommufds fds;
  Iommu iommu{host, 100};
  Source source{host, 0};
  Pages pages;
  Eventfd line, bell, resample;
  std::uint16_t available{};
};

TEST_F(EventClientThreads, EachRingIsABufferAndEachAnswerAnotherInterrupt) {
  ASSERT_EQ(ioeventfd(bell.fd), 0);
  ASSERT_EQ(unmask_by(resample.fd), 0);
  for (std::uint16_t round = 1; round <= 50; ++round) {
    offer_quietly();
    eventfd_write(bell.fd, 1);
    ASSERT_TRUE(line.wait()) << round;
    EXPECT_EQ(source.used(), round);
    source.isr();
    eventfd_write(resample.fd, 1);
  }
}

TEST_F(EventClientThreads, ALineThatIsStillUpIsToldAgainByTheUnmask) {
  ASSERT_EQ(unmask_by(resample.fd), 0);
  source.offer();
  ASSERT_TRUE(line.wait());
  eventfd_write(resample.fd, 1);
  EXPECT_TRUE(line.wait());
  EXPECT_EQ(unmask_by(-1), 0);
  eventfd_write(resample.fd, 1);
  EXPECT_FALSE(line.wait(5));
}

TEST_F(EventClientThreads, WhatIsTakenAwayRingsNoMore) {
  ASSERT_EQ(ioeventfd(bell.fd), 0);
  EXPECT_EQ(ioeventfd(-1), 0);
  offer_quietly();
  eventfd_write(bell.fd, 1);
  EXPECT_FALSE(line.wait(5));
}

TEST_F(EventClientThreads, TheFileEndsWhileTheyAreSignalled) {
  ASSERT_EQ(ioeventfd(bell.fd), 0);
  ASSERT_EQ(unmask_by(resample.fd), 0);
  for (int i = 0; i < 100; ++i) {
    eventfd_write(bell.fd, 1);
    eventfd_write(resample.fd, 1);
  }
  source.file.reset();
  iommu.context.reset();
  EXPECT_TRUE(host.tear_down().nothing());
}

} // namespace
} // namespace sluice::machine::test
