#include "host_client.hpp"

#include <sluice/machine/doorbell.hpp>

#include <gmock/gmock.h>

#include <csignal>

namespace sluice::machine::test {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
using MsixCapability = pcie::VirtioRngConfig::MsixCapability;

// A client with one device whose tables are a second stage.
class HostTest : public testing::Test {
protected:
  static constexpr std::uint64_t iova = 0x4000'0000;

  explicit HostTest(const HostConfig& config = small_host()) : host{config} {
    host.set_iommufds(fds);
    fds.all.push_back(&iommu);
  }
  void attach(std::uint64_t at = iova) {
    ASSERT_EQ(source.bind(iommu), 0);
    ioas = iommu.ioas();
    ASSERT_EQ(iommu.map(ioas, at, pages.at, pages.size), 0);
    table = iommu.nest_parent(source.id, ioas);
    ASSERT_NE(table, 0u);
    ASSERT_EQ(source.attach(table), 0);
  }
  void start() {
    attach();
    ASSERT_EQ(source.intx(line), 0);
    source.start(pages, iova);
  }
  std::string marks(std::uint64_t from, std::size_t size) { return host.rng(0).stream_of_marks().text(from, size); }
  Remains close_all() {
    source.file.reset();
    iommu.context.reset();
    return host.tear_down();
  }

  Host host;
  Iommufds fds;
  Iommu iommu{host, 100};
  Source source{host, 0};
  Pages pages;
  Eventfd line;
  std::uint32_t ioas{}, table{};
};

class HostThreads : public HostTest {};

TEST_F(HostThreads, ABufferIsFilledThroughTheSecondStageAndTheLineIsSignalled) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_EQ(pages.text(Source::buffers, 64), marks(0, 64));
  EXPECT_EQ(source.used(), 1u);
  EXPECT_EQ(source.isr(), 1u);
}

TEST_F(HostThreads, TheAccountSaysWhatWasMovedAndHow) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait());
  ASSERT_EQ(source.reset(), 0) << "nothing is under way any more";
  const Account account = host.account();
  const FunctionAccount& f = account.functions.at(0);
  EXPECT_EQ(f.name, "rng0");
  EXPECT_EQ(f.stream, 0x18u);
  EXPECT_EQ(f.delivered.bytes, 64u);
  EXPECT_EQ(f.interrupts, 1u);
  EXPECT_EQ(f.stage2.requests, f.dma.served);
  EXPECT_EQ(f.stage2.bytes, f.dma.bytes_read + f.dma.bytes_written);
  EXPECT_EQ(f.nested.requests + f.stage1.requests + f.bypassed.requests, 0u);
  EXPECT_EQ(account.smmus.at(0).stage2.bytes, f.stage2.bytes);
  EXPECT_GT(account.smmus.at(0).driver.commands, 0u);
  EXPECT_EQ(account.smmus.at(0).driver.commands, account.smmus.at(0).model.commands);
  EXPECT_EQ(account.windows, 1u);
  EXPECT_EQ(account.contexts, 1u);
  EXPECT_EQ(account.objects, 3u) << "a device, an IOAS and an HWPT";
}

TEST_F(HostThreads, AnIoasOnItsOwnIsAnswerEnough) {
  ASSERT_EQ(source.bind(iommu), 0);
  ioas = iommu.ioas();
  ASSERT_EQ(iommu.map(ioas, iova, pages.at, pages.size), 0);
  ASSERT_EQ(source.attach(ioas), 0);
  ASSERT_EQ(source.intx(line), 0);
  source.start(pages, iova);
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_EQ(pages.text(Source::buffers, 64), marks(0, 64));
}

TEST_F(HostThreads, ManyBuffersArriveInOrder) {
  start();
  for (unsigned n = 0; n < 200; ++n) {
    source.offer();
    ASSERT_TRUE(line.wait());
    ASSERT_EQ(pages.text(Source::buffers, 64), marks(n * 64, 64));
    ASSERT_EQ(source.isr(), 1u);
    ASSERT_EQ(source.unmask(), 0);
  }
  EXPECT_EQ(host.account().functions[0].delivered.bytes, 200u * 64);
}

TEST_F(HostThreads, AnAddressThatIsNotMappedIsAFaultAndABrokenRing) {
  start();
  source.offer_at(0x9000'0000);
  ASSERT_TRUE(line.wait());
  EXPECT_EQ(source.isr(), 2u) << "the configuration has changed";
  const auto dma = host.account().functions[0].dma;
  EXPECT_EQ(dma.faulted, 1u);
  EXPECT_EQ(dma.recorded, 1u);
}

TEST_F(HostThreads, SharedMemoryStaysTheDevicesWhenTheClientUnmapsItFromItself) {
  const int fd = memfd_create("ram", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, 0x10000), 0);
  Pages kept{fd, 0x10000};
  {
    const Pages shown{fd, 0x10000};
    close(fd);
    ASSERT_EQ(source.bind(iommu), 0);
    ioas = iommu.ioas();
    ASSERT_EQ(iommu.map(ioas, iova, shown.at, shown.size), 0);
    ASSERT_EQ(source.attach(iommu.nest_parent(source.id, ioas)), 0);
  }
  ASSERT_EQ(source.intx(line), 0);
  source.start(kept, iova);
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_EQ(kept.text(Source::buffers, 64), marks(0, 64));
}

TEST_F(HostThreads, PrivateMemoryThatIsGoneIsAnAbort) {
  Pages gone{std::size_t{0x10000}, false};
  ASSERT_EQ(source.bind(iommu), 0);
  ioas = iommu.ioas();
  ASSERT_EQ(iommu.map(ioas, iova, gone.at, gone.size), 0);
  table = iommu.nest_parent(source.id, ioas);
  ASSERT_EQ(source.attach(table), 0);
  ASSERT_EQ(source.intx(line), 0);
  source.start(gone, iova);
  ASSERT_EQ(mprotect(gone.at + Source::buffers, 0x1000, PROT_NONE), 0);
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_EQ(host.account().functions[0].dma.bus_aborts, 1u);
}

TEST_F(HostThreads, DescriptorsCloseInAnyOrderAndLeaveNothing) {
  start();
  source.offer();
  iommu.context.reset(); // while the device is bound, and a buffer may be under way
  source.file.reset();
  const Remains remains = host.tear_down();
  EXPECT_TRUE(remains.nothing());
  EXPECT_TRUE(remains.queues_idle);
}

TEST_F(HostThreads, TheDeviceBeforeTheTablesLeavesNothingEither) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_TRUE(close_all().nothing());
}

TEST_F(HostThreads, AClientThatHoldsOnKeepsItsHost) {
  start();
  const Remains remains = host.tear_down();
  EXPECT_EQ(remains.contexts, 1u);
  EXPECT_FALSE(remains.nothing());
  source.offer();
  EXPECT_TRUE(line.wait()) << "nothing was taken down";
  EXPECT_TRUE(close_all().nothing());
}

TEST_F(HostThreads, AUnmapIsInForceWhenTheCallReturns) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait());
  static_cast<void>(source.isr());
  ASSERT_EQ(source.unmask(), 0);
  ASSERT_EQ(iommu.unmap(ioas, iova, pages.size), 0);
  EXPECT_EQ(host.account().windows, 0u);
  EXPECT_TRUE(host.audit().empty());
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_EQ(host.account().functions[0].dma.faulted, 1u);
  const Account account = host.account();
  EXPECT_GE(account.smmus[0].audits, 1u);
  EXPECT_EQ(account.stale(), 0u);
}

TEST_F(HostThreads, TheWindowForMessagesIsReserved) {
  attach();
  EXPECT_EQ(iommu.map(ioas, Doorbell::start, pages.at, 0x1000), EINVAL);
}

TEST_F(HostThreads, SignalsOfTheProgramStayOutOfOurThreads) {
  static base::Atomic<int> elsewhere{0};
  static base::Atomic<std::uint32_t> main_thread{0};
  main_thread.store(hosted::thread_number());
  struct sigaction handler {};
  handler.sa_handler = [](int) {
    if (hosted::thread_number() != main_thread.load()) {
      elsewhere.fetch_add(1);
    }
  };
  struct sigaction before {};
  ASSERT_EQ(sigaction(SIGUSR1, &handler, &before), 0);
  start();
  sigset_t usr1;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, nullptr); // whoever else could take it would
  kill(getpid(), SIGUSR1);
  source.offer();
  EXPECT_TRUE(line.wait());
  pthread_sigmask(SIG_UNBLOCK, &usr1, nullptr);
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(elsewhere.load(), 0);
}

class SpoiledHostThreads : public HostTest {
protected:
  static HostConfig spoiled(HostFault fault) {
    HostConfig config = small_host();
    config.fault = fault;
    return config;
  }
  explicit SpoiledHostThreads(HostFault fault = HostFault::tlbi) : HostTest{spoiled(fault)} {}
};

TEST_F(SpoiledHostThreads, AnInvalidationThatGetsLostIsFoundWhenTheClientsCallReturns) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait());
  ASSERT_EQ(source.reset(), 0);
  EXPECT_EQ(host.account().stale(), 0u);
  ASSERT_EQ(iommu.unmap(ioas, iova, pages.size), 0);
  const Account account = host.account();
  EXPECT_GT(account.smmus[0].spoiled, 0u);
  EXPECT_EQ(account.stale(), 2u) << "the ring's page and the buffer's";
  ASSERT_FALSE(account.smmus[0].first_stale.empty());
  EXPECT_EQ(account.smmus[0].first_stale[0].fresh, std::nullopt);
  EXPECT_TRUE(account.smmus[0].first_stale[0].by_ipa);
  EXPECT_FALSE(host.audit().empty());
}

class NoStage2Threads : public SpoiledHostThreads {
protected:
  NoStage2Threads() : SpoiledHostThreads{HostFault::s2} {}
};

TEST_F(NoStage2Threads, WithoutItsSecondStageTheDeviceFindsNothing) {
  start();
  source.offer();
  ASSERT_TRUE(line.wait()) << "a broken ring";
  EXPECT_EQ(host.account().functions[0].delivered.bytes, 0u);
  EXPECT_EQ(host.account().functions[0].stage2.requests, 0u);
}

class MessageThreads : public HostTest {
protected:
  static HostConfig with_msix(MsixCapability msix) {
    HostConfig config = small_host();
    config.functions[0].rng.msix = msix;
    return config;
  }
  explicit MessageThreads(MsixCapability msix = MsixCapability::plain) : HostTest{with_msix(msix)} {}
};

TEST_F(MessageThreads, AVectorsEventfdIsSignalledByTheDevicesMessage) {
  attach();
  const Eventfd unused;
  ASSERT_EQ(source.msix({unused.fd, line.fd}), 0);
  EXPECT_EQ(host.account().vectors, 2u);
  source.start(pages, iova, 1);
  source.offer();
  ASSERT_TRUE(line.wait());
  EXPECT_FALSE(unused.wait(0));
  EXPECT_EQ(pages.text(Source::buffers, 64), marks(0, 64));
  ASSERT_EQ(source.reset(), 0);
  EXPECT_EQ(host.account().functions[0].messages, 1u);
  source.file.reset();
  EXPECT_EQ(host.account().vectors, 0u);
  EXPECT_TRUE(close_all().nothing());
}

TEST_F(MessageThreads, MessagesFindTheDoorbellThroughEveryTable) {
  attach();
  ASSERT_EQ(source.msix({line.fd}), 0);
  ASSERT_EQ(source.attach(ioas), 0) << "one that is made for it";
  source.start(pages, iova, 0);
  source.offer();
  EXPECT_TRUE(line.wait());
  ASSERT_EQ(source.attach(table), 0);
  source.offer();
  EXPECT_TRUE(line.wait());
  EXPECT_TRUE(close_all().nothing());
}

class GuestMessageThreads : public MessageThreads, public GuestMessages {
protected:
  GuestMessageThreads() : MessageThreads{MsixCapability::disguised} { host.set_guest_messages(*this); }
  bool on_message(unsigned function, std::uint64_t address, std::uint32_t data) override {
    got = {function, address, data};
    const std::uint64_t one = 1;
    return ::write(line.fd, &one, sizeof one) == sizeof one;
  }
  struct Got {
    unsigned function{99};
    std::uint64_t address{};
    std::uint32_t data{};
  } got;
};

TEST_F(GuestMessageThreads, AMessageToTheGuestsControllerIsHandedToTheGuest) {
  attach();
  ASSERT_EQ(source.reset(), 0); // and the capability is what it is
  constexpr std::uint64_t gicv2m = 0x0802'0040;
  source.set<std::uint16_t>(v::region_config, pcie::config::command, pcie::config::command_memory_space);
  source.set<std::uint32_t>(1, 0, gicv2m);
  source.set<std::uint32_t>(1, 4, 0);
  source.set<std::uint32_t>(1, 8, 0x51);
  source.set<std::uint32_t>(1, 12, 0);
  source.set<std::uint16_t>(v::region_config, pcie::VirtioRng::msix_at + 2, pcie::Msix::enable_bit);
  source.start(pages, iova, 0);
  source.offer();
  ASSERT_TRUE(line.wait());
  ASSERT_EQ(source.reset(), 0);
  EXPECT_EQ(got.function, 0u);
  EXPECT_EQ(got.address, gicv2m);
  EXPECT_EQ(got.data, 0x51u);
}

TEST(TwoSmmusThreads, DevicesWithTheSameAddressesGetTheirOwnData) {
  Host host{small_host(2, 2)};
  Iommufds fds;
  host.set_iommufds(fds);
  Iommu iommu{host, 5};
  fds.all.push_back(&iommu);
  struct Part {
    Pages pages;
    Eventfd line;
    std::optional<Source> source;
  };
  std::array<Part, 2> parts;
  for (unsigned f = 0; f < 2; ++f) {
    Part& p = parts[f];
    p.source.emplace(host, f);
    ASSERT_EQ(p.source->bind(iommu), 0);
    const auto ioas = iommu.ioas();
    ASSERT_EQ(iommu.map(ioas, 0x1'0000, p.pages.at, p.pages.size), 0);
    ASSERT_EQ(p.source->attach(iommu.nest_parent(p.source->id, ioas)), 0);
    ASSERT_EQ(p.source->intx(p.line), 0);
    p.source->start(p.pages, 0x1'0000);
  }
  for (Part& p : parts) {
    p.source->offer();
  }
  for (unsigned f = 0; f < 2; ++f) {
    ASSERT_TRUE(parts[f].line.wait());
    EXPECT_EQ(parts[f].pages.text(Source::buffers, 64), host.rng(f).stream_of_marks().text(0, 64));
    EXPECT_EQ(host.account().functions[f].smmu, f);
  }
  const auto second = iommu.nest_parent(parts[1].source->id, iommu.ioas());
  EXPECT_EQ(parts[0].source->attach(second), EINVAL) << "another SMMU's";
  iommu.context.reset();
  parts[1].source.reset();
  parts[0].source.reset();
  EXPECT_TRUE(host.tear_down().nothing());
}

TEST(HostSetUp, FunctionsAreFoundByTheirAddresses) {
  const Host host{small_host(2)};
  EXPECT_EQ(host.find({.device = 4}), 1u);
  EXPECT_EQ(host.find({.device = 5}), std::nullopt);
  EXPECT_EQ(host.find({.domain = 1, .device = 4}), std::nullopt);
}

TEST(HostSetUp, WhatCannotBeMadeIsSaid) {
  HostConfig twice = small_host(2);
  twice.functions[1].address = twice.functions[0].address;
  EXPECT_THAT([&] { Host{twice}; }, ThrowsMessage<hosted::SetupError>(HasSubstr("0000:00:03.0")));

  HostConfig nowhere = small_host();
  nowhere.functions[0].smmu = 1;
  EXPECT_THAT([&] { Host{nowhere}; }, ThrowsMessage<hosted::SetupError>(HasSubstr("no SMMU 1")));

  HostConfig impossible = small_host();
  impossible.smmus[0].features.pri = true;
  EXPECT_THAT([&] { Host{impossible}; }, ThrowsMessage<hosted::SetupError>(HasSubstr("pri_without_ats")));

  HostConfig same_stream = small_host(2);
  same_stream.functions[1].stream = same_stream.functions[0].address.requester();
  EXPECT_THAT([&] { Host{same_stream}; }, ThrowsMessage<DriverRefused>(HasSubstr("shares_stream")));

  HostConfig far_stream = small_host();
  far_stream.functions[0].stream = 1u << 20;
  EXPECT_THAT([&] { Host{far_stream}; }, ThrowsMessage<DriverRefused>(HasSubstr("too_large")));
}

TEST(HostSetUp, SmallAddressSpacesHoldTheClientsMemoryToo) {
  HostConfig config = small_host();
  config.smmus[0].features.oas_bits = 32;
  Host host{config};
  Iommufds fds;
  host.set_iommufds(fds);
  Iommu iommu{host, 1};
  fds.all.push_back(&iommu);
  Source source{host, 0};
  Pages pages;
  ASSERT_EQ(source.bind(iommu), 0);
  const auto ioas = iommu.ioas();
  ASSERT_EQ(iommu.map(ioas, 0x10000, pages.at, pages.size), 0);
  EXPECT_EQ(source.attach(iommu.nest_parent(source.id, ioas)), 0);
}

TEST(PciAddressText, IsReadAndWrittenAsPciNamesFunctions) {
  EXPECT_EQ(parse_pci_address("0000:00:03.0"), (PciAddress{.device = 3}));
  EXPECT_EQ(parse_pci_address("00:03.0"), (PciAddress{.device = 3}));
  EXPECT_EQ(parse_pci_address("0001:ff:1f.7"), (PciAddress{1, 0xff, 0x1f, 7}));
  for (const char* bad : {"", "03.0", "0000:00:03", "0000:00:20.0", "0000:00:03.8", "0000:00:03.0 ", "x000:00:03.0",
                          "0000:00:3.0", "0000-00:03.0"}) {
    EXPECT_EQ(parse_pci_address(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(to_string(PciAddress{1, 0xff, 0x1f, 7}), "0001:ff:1f.7");
  EXPECT_EQ((PciAddress{0, 9, 2, 1}.requester()), 0x911u);
}

HostConfig limited_host() {
  HostConfig config = small_host();
  config.memory_limit = 0x20000;
  return config;
}

class LimitedHost : public HostTest {
protected:
  LimitedHost() : HostTest{limited_host()} {}
};

TEST_F(LimitedHost, WhatAllProgramsHaveMappedIsCountedTogether) {
  attach();
  EXPECT_EQ(iommu.map(ioas, iova + 0x10'0000, pages.at, pages.size), 0);
  EXPECT_EQ(iommu.map(ioas, iova + 0x20'0000, pages.at, 4096), ENOMEM);
  EXPECT_EQ(iommu.unmap(ioas, iova + 0x10'0000, pages.size), 0);
  EXPECT_EQ(iommu.map(ioas, iova + 0x20'0000, pages.at, 4096), 0);
}

} // namespace
} // namespace sluice::machine::test
