#include "rig.hpp"

#include <cerrno>

namespace sluice::vfio::test {
namespace {

constexpr std::uint32_t none = u::irq_set_data_none;
constexpr std::uint32_t boolean = u::irq_set_data_bool;
constexpr std::uint32_t eventfds = u::irq_set_data_eventfd;
constexpr std::uint32_t mask = u::irq_set_action_mask;
constexpr std::uint32_t unmask = u::irq_set_action_unmask;
constexpr std::uint32_t trigger = u::irq_set_action_trigger;

struct Bound : Rig {
  explicit Bound(MsixCapability msix = MsixCapability::none, CdevConfig cdev_config = {})
      : Rig{msix, std::move(cdev_config)} {
    EXPECT_EQ(bind(), 0);
  }
};

// --- form

struct BadRequest {
  const char* name;
  u::IrqSet cmd;
  int result;
};

void PrintTo(const BadRequest& request, std::ostream* out) { *out << request.name; }

class BadRequests : public testing::TestWithParam<BadRequest> {};

TEST_P(BadRequests, AreRefusedAsByLinux) {
  Bound r;
  Event event;
  ASSERT_EQ(r.intx(event), 0);
  u::IrqSet cmd = GetParam().cmd;
  EXPECT_EQ(r.call(u::device_set_irqs, cmd), GetParam().result);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(event.take(), 1u) << "and have changed nothing";
}

const BadRequest bad_requests[] = {
    {"TooShort", {19, none | trigger, 0, 0, 1}, EINVAL},
    {"NoSuchIndex", {20, none | trigger, 5, 0, 1}, EINVAL},
    {"UnknownFlag", {20, none | trigger | 64, 0, 0, 1}, EINVAL},
    {"NoDataType", {20, trigger, 0, 0, 1}, EINVAL},
    {"TwoDataTypes", {24, none | boolean | trigger, 0, 0, 1}, EINVAL},
    {"StartBeyond", {20, none | trigger, 0, 1, 0}, EINVAL},
    {"CountBeyond", {20, none | trigger, 0, 0, 2}, EINVAL},
    {"CountThatWraps", {20, none | trigger, 0, 1, ~0u}, EINVAL},
    {"DataMissing", {20, eventfds | trigger, 0, 0, 1}, EINVAL},
    {"DataTooShort", {23, eventfds | trigger, 0, 0, 1}, EINVAL},
    {"NoAction", {20, none, 0, 0, 1}, ENOTTY},
    {"TwoActions", {20, none | mask | trigger, 0, 0, 1}, ENOTTY},
    {"MaskOfNone", {20, none | mask, 0, 0, 0}, EINVAL},
    {"MaskOfTheErrorInterrupt", {20, none | mask, 3, 0, 1}, ENOTTY},
    {"UnmaskOfTheRequestInterrupt", {20, none | unmask, 4, 0, 1}, ENOTTY},
    {"MsiThatIsNotThere", {20, none | trigger, 1, 0, 0}, EINVAL},
    {"MsixThatIsNotThere", {20, none | trigger, 2, 0, 0}, EINVAL},
};

INSTANTIATE_TEST_SUITE_P(Vfio, BadRequests, testing::ValuesIn(bad_requests),
                         [](const auto& test) { return test.param.name; });

TEST(VfioIrqs, ABadPointerIsEFAULT) {
  Bound r;
  EXPECT_EQ(r.file->ioctl(u::device_set_irqs, 0), -EFAULT);
  u::IrqSet cmd{.argsz = 24, .flags = eventfds | trigger, .index = 0, .start = 0, .count = 1};
  std::memcpy(&r.caller.bytes[r.caller.bytes.size() - sizeof cmd], &cmd, sizeof cmd);
  EXPECT_EQ(r.file->ioctl(u::device_set_irqs, r.caller.bytes.size() - sizeof cmd), -EFAULT) << "its data";
}

// --- INTx

TEST(VfioIntx, AnInterruptIsOneSignal) {
  Bound r;
  Event event;
  EXPECT_EQ(r.intx(event), 0);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(event.take(), 1u);
}

TEST(VfioIntx, MasksItself) {
  Bound r;
  Event event;
  r.intx(event);
  r.start_guest();
  r.deliver();
  r.guest.isr();
  r.deliver();
  EXPECT_EQ(event.take(), 1u) << "the second waits for UNMASK";
}

TEST(VfioIntx, UnmaskFiresAgainWhileTheLineIsUp) {
  Bound r;
  Event event;
  r.intx(event);
  r.start_guest();
  r.deliver();
  event.take();
  EXPECT_EQ(r.unmask(), 0);
  EXPECT_EQ(event.take(), 1u);
  EXPECT_EQ(r.unmask(), 0);
  EXPECT_EQ(event.take(), 1u) << "as long as nobody reads the ISR";
}

TEST(VfioIntx, UnmaskIsQuietOnceTheLineIsDown) {
  Bound r;
  Event event;
  r.intx(event);
  r.start_guest();
  r.deliver();
  event.take();
  r.guest.isr();
  EXPECT_EQ(r.unmask(), 0);
  EXPECT_EQ(event.take(), 0u);
  r.deliver();
  EXPECT_EQ(event.take(), 1u);
}

TEST(VfioIntx, MaskHoldsItBack) {
  Bound r;
  Event event;
  r.intx(event);
  EXPECT_EQ(r.act(mask), 0);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(event.take(), 0u);
  EXPECT_EQ(r.unmask(), 0);
  EXPECT_EQ(event.take(), 1u);
}

TEST(VfioIntx, ABooleanMasksOnlyIfItSaysSo) {
  Bound r;
  Event event;
  r.intx(event);
  EXPECT_EQ(r.irqs(boolean | mask, 0, 0, 1, {0}), 0);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(event.take(), 1u);
  r.guest.isr();
  EXPECT_EQ(r.irqs(boolean | unmask, 0, 0, 1, {1}), 0);
  r.deliver();
  EXPECT_EQ(event.take(), 1u);
}

TEST(VfioIntx, MaskingByEventfdIsENOTTY) {
  Bound r;
  Event event;
  r.intx(event);
  EXPECT_EQ(r.irqs(eventfds | mask, 0, 0, 1, {event.fd}), ENOTTY);
  EXPECT_EQ(r.irqs(eventfds | mask, 0, 0, 1, {-1}), ENOTTY);
}

TEST(VfioIntx, AnEventfdUnmasks) {
  Bound r;
  Event event;
  Event resample;
  r.intx(event);
  EXPECT_EQ(r.unmask_by(resample.fd), 0);
  r.start_guest();
  r.deliver();
  event.take();
  eventfd_write(resample.fd, 1);
  r.wakeups.look();
  EXPECT_EQ(event.take(), 1u) << "the line is up";
  EXPECT_EQ(resample.take(), 0u) << "it was taken";
  r.guest.isr();
  eventfd_write(resample.fd, 1);
  r.wakeups.look();
  EXPECT_EQ(event.take(), 0u);
  r.deliver();
  EXPECT_EQ(event.take(), 1u);
}

TEST(VfioIntx, OneEventfdUnmasksUntilItIsTakenAway) {
  Bound r;
  Event event;
  Event resample;
  EXPECT_EQ(r.unmask_by(resample.fd), EINVAL) << "no INTx yet";
  r.intx(event);
  EXPECT_EQ(r.unmask_by(-1), 0) << "there was none";
  EXPECT_EQ(r.unmask_by(123456), EBADF);
  EXPECT_EQ(r.unmask_by(resample.fd), 0);
  EXPECT_EQ(r.unmask_by(resample.fd), EBUSY);
  EXPECT_EQ(r.wakeups.watched.size(), 1u);
  EXPECT_EQ(r.unmask_by(-1), 0);
  EXPECT_TRUE(r.wakeups.watched.empty());
  EXPECT_EQ(r.unmask_by(resample.fd), 0);
  EXPECT_EQ(r.act(trigger, u::irq_intx, 0), 0);
  EXPECT_TRUE(r.wakeups.watched.empty()) << "it goes with INTx";
  r.intx(event);
  EXPECT_EQ(r.unmask_by(resample.fd), 0);
  r.file.reset();
  EXPECT_TRUE(r.wakeups.watched.empty());
}

TEST(VfioIntx, AnEventfdThatCannotBeWaitedForIsNotKept) {
  Bound r;
  Event event;
  Event resample;
  r.intx(event);
  r.wakeups.refuses = true;
  EXPECT_EQ(r.unmask_by(resample.fd), ENOMEM);
  r.wakeups.refuses = false;
  EXPECT_EQ(r.unmask_by(resample.fd), 0);
}

TEST(VfioIntx, MaskingAndTriggeringNeedAnEventfdBefore) {
  Bound r;
  EXPECT_EQ(r.act(mask), EINVAL);
  EXPECT_EQ(r.unmask(), EINVAL);
  EXPECT_EQ(r.act(trigger), EINVAL);
  EXPECT_EQ(r.act(trigger, u::irq_intx, 0), EINVAL) << "nothing to disable";
}

TEST(VfioIntx, InterruptDisableHoldsItBack) {
  Bound r;
  Event event;
  r.intx(event);
  r.set_cfg(config::command, 2, config::command_interrupt_disable | config::command_memory_space);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(r.unmask(), 0);
  EXPECT_EQ(event.take(), 0u);
  r.set_cfg(config::command, 2, config::command_memory_space | config::command_bus_master);
  EXPECT_EQ(event.take(), 1u) << "it was pending";
}

TEST(VfioIntx, AnInterruptThatIsUpAlreadyIsSignalledAtOnce) {
  Bound r;
  Event event;
  r.start_guest();
  r.deliver();
  EXPECT_EQ(r.intx(event), 0);
  EXPECT_EQ(event.take(), 1u);
}

TEST(VfioIntx, ATriggerSignalsWithoutTheDevice) {
  Bound r;
  Event event;
  r.intx(event);
  EXPECT_EQ(r.act(trigger), 0);
  EXPECT_EQ(r.irqs(boolean | trigger, 0, 0, 1, {1}), 0);
  EXPECT_EQ(r.irqs(boolean | trigger, 0, 0, 1, {0}), 0);
  EXPECT_EQ(event.take(), 2u);
}

TEST(VfioIntx, AnotherEventfdTakesTheFirstOnesPlace) {
  Bound r;
  Event first;
  Event second;
  r.intx(first);
  EXPECT_EQ(r.intx(second), 0);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(first.take(), 0u);
  EXPECT_EQ(second.take(), 1u);
  EXPECT_EQ(r.eventfds(u::irq_intx, 0, {-1}), 0);
  EXPECT_EQ(r.act(trigger), 0) << "still INTx, and nobody to tell";
  EXPECT_EQ(second.take(), 0u);
}

TEST(VfioIntx, DisablingEndsIt) {
  Bound r;
  Event event;
  r.intx(event);
  EXPECT_EQ(r.act(trigger, u::irq_intx, 0), 0);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(event.take(), 0u);
  EXPECT_EQ(r.intx(event), 0);
  EXPECT_EQ(event.take(), 1u);
}

TEST(VfioIntx, ABadDescriptorIsEBADFAndAFileThatIsNoEventfdEINVAL) {
  Bound r;
  Event event;
  r.intx(event);
  EXPECT_EQ(r.eventfds(u::irq_intx, 0, {123456}), EBADF);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(r.eventfds(u::irq_intx, 0, {ends[1]}), EINVAL);
  close(ends[0]);
  close(ends[1]);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(event.take(), 1u) << "the one before stays";
}

TEST(VfioIntx, TheClientMayCloseItsDescriptor) {
  Bound r;
  Event keeper;
  const int copy = dup(keeper.fd);
  EXPECT_EQ(r.eventfds(u::irq_intx, 0, {copy}), 0);
  close(copy);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(keeper.take(), 1u);
}

TEST(VfioIntx, AFullEventfdThatBlocksDoesNotHoldTheDeviceUp) {
  Bound r;
  Event event{0};
  const std::uint64_t most = ~1ULL;
  ASSERT_EQ(write(event.fd, &most, sizeof most), 8);
  r.intx(event);
  r.start_guest();
  r.deliver();
  EXPECT_GE(event.take(), most);
}

TEST(VfioIntx, AResetKeepsTheEventfd) {
  Bound r;
  Event event;
  r.intx(event);
  r.start_guest();
  r.deliver();
  EXPECT_EQ(event.take(), 1u);
  EXPECT_EQ(r.file->ioctl(u::device_reset, 0), 0);
  EXPECT_EQ(r.unmask(), 0);
  EXPECT_EQ(event.take(), 0u) << "the reset took the line down";
}

TEST(VfioIntx, NothingIsSignalledAfterTheFileIsClosed) {
  Bound r;
  Event event;
  r.intx(event);
  r.file.reset();
  r.start_guest();
  r.deliver();
  EXPECT_EQ(event.take(), 0u);
}

// --- errors and requests

TEST(VfioErr, ASingleEventfdIsSetSignalledAndTakenAway) {
  for (const std::uint32_t index : {u::irq_err, u::irq_req}) {
    Bound r;
    Event event;
    EXPECT_EQ(r.act(trigger, index), EINVAL) << "none yet";
    EXPECT_EQ(r.act(trigger, index, 0), EINVAL);
    EXPECT_EQ(r.eventfds(index, 0, {event.fd}), 0);
    EXPECT_EQ(r.act(trigger, index), 0);
    index == u::irq_err ? r.cdev.signal_error() : r.cdev.signal_request();
    EXPECT_EQ(event.take(), 2u);
    EXPECT_EQ(r.irqs(eventfds | trigger, index, 0, 0), EINVAL);
    EXPECT_EQ(r.irqs(boolean | trigger, index, 0, 1, {1}), 0);
    EXPECT_EQ(event.take(), 1u);
    EXPECT_EQ(r.eventfds(index, 0, {123456}), EBADF);
    EXPECT_EQ(r.eventfds(index, 0, {-2}), 0) << "which does nothing";
    EXPECT_EQ(r.act(trigger, index), 0);
    EXPECT_EQ(event.take(), 1u);
    EXPECT_EQ(r.eventfds(index, 0, {-1}), 0);
    EXPECT_EQ(r.act(trigger, index), EINVAL);
    EXPECT_EQ(r.irqs(boolean | trigger, index, 0, 1, {1}), 0);
    EXPECT_EQ(event.take(), 0u);
  }
}

// --- MSI-X

class VfioMsix : public testing::Test {
protected:
  int set(std::uint32_t start, std::vector<std::int32_t> fds) { return r.eventfds(u::irq_msix, start, std::move(fds)); }
  void use_vectors() {
    r.start_guest();
    r.guest.set_common(pcie::virtio::common::queue_msix_vector, 2, 1);
    r.guest.set_common(pcie::virtio::common::config_msix_vector, 2, 0);
  }
  bool enabled() { return (r.cfg(pcie::VirtioRng::msix_at + 2, 2) & pcie::Msix::enable_bit) != 0; }

  Bound r{MsixCapability::plain};
  Event a;
  Event b;
};

TEST_F(VfioMsix, AMessageOfTheDeviceReachesItsEventfd) {
  EXPECT_EQ(set(0, {a.fd, b.fd}), 0);
  EXPECT_TRUE(enabled());
  use_vectors();
  r.deliver();
  EXPECT_EQ(a.take(), 0u);
  EXPECT_EQ(b.take(), 1u);
}

TEST_F(VfioMsix, NoDescriptorEnablesWithoutAVector) {
  EXPECT_EQ(set(0, {-1}), 0);
  EXPECT_TRUE(enabled());
  EXPECT_TRUE(r.vectors.connected.empty());
  EXPECT_EQ(r.act(trigger, u::irq_msix, 0), 0);
  EXPECT_FALSE(enabled());
}

TEST_F(VfioMsix, GrowsByDisableAndAgain) {
  EXPECT_EQ(set(0, {a.fd}), 0);
  EXPECT_EQ(r.act(trigger, u::irq_msix, 0), 0);
  EXPECT_TRUE(r.vectors.connected.empty());
  EXPECT_EQ(set(0, {a.fd, b.fd}), 0);
  EXPECT_EQ(r.vectors.connected.size(), 2u);
}

TEST_F(VfioMsix, GrowsInPlace) {
  EXPECT_EQ(set(0, {a.fd}), 0);
  EXPECT_EQ(set(1, {b.fd}), 0);
  use_vectors();
  r.deliver();
  EXPECT_EQ(b.take(), 1u);
}

TEST_F(VfioMsix, ADescriptorLessThanZeroTakesAVectorAway) {
  set(0, {a.fd, b.fd});
  EXPECT_EQ(set(1, {-1}), 0);
  use_vectors();
  r.deliver();
  EXPECT_EQ(r.vectors.connected.size(), 1u);
  EXPECT_EQ(r.guest.rng.messages(), 0u) << "its entry is masked";
}

TEST_F(VfioMsix, MessagesOfAMaskedVectorComeWhenItIsSet) {
  set(0, {a.fd});
  use_vectors();
  r.deliver();
  EXPECT_EQ(set(1, {b.fd}), 0);
  r.guest.run();
  r.vectors.look(r.guest.memory);
  EXPECT_EQ(b.take(), 1u);
}

TEST_F(VfioMsix, AFailureUndoesTheWholeCall) {
  EXPECT_EQ(set(0, {a.fd, 123456}), EBADF);
  EXPECT_TRUE(r.vectors.connected.empty());
  EXPECT_FALSE(enabled());
  r.vectors.room = 1;
  EXPECT_EQ(set(0, {a.fd, b.fd}), ENOSPC);
  EXPECT_TRUE(r.vectors.connected.empty());
}

TEST_F(VfioMsix, NoVectorAtAllIsERANGE) { EXPECT_EQ(r.irqs(eventfds | trigger, u::irq_msix, 0, 0), ERANGE); }

TEST_F(VfioMsix, TriggersSignalWithoutTheDevice) {
  EXPECT_EQ(r.act(trigger, u::irq_msix, 1), EINVAL) << "not enabled";
  set(0, {a.fd, b.fd});
  EXPECT_EQ(r.act(trigger, u::irq_msix, 2), 0);
  EXPECT_EQ(a.take(), 1u);
  EXPECT_EQ(b.take(), 1u);
}

TEST_F(VfioMsix, HasNoMask) {
  set(0, {a.fd});
  EXPECT_EQ(r.act(mask, u::irq_msix), ENOTTY);
  EXPECT_EQ(r.act(unmask, u::irq_msix), ENOTTY);
}

TEST_F(VfioMsix, AndIntxExcludeEachOther) {
  EXPECT_EQ(r.intx(a), 0);
  EXPECT_EQ(set(0, {b.fd}), EINVAL);
  EXPECT_EQ(r.act(trigger, u::irq_intx, 0), 0);
  EXPECT_EQ(set(0, {b.fd}), 0);
  EXPECT_EQ(r.intx(a), EINVAL);
}

TEST_F(VfioMsix, AResetBringsTheTableBack) {
  set(0, {a.fd, b.fd});
  EXPECT_EQ(r.file->ioctl(u::device_reset, 0), 0);
  EXPECT_TRUE(enabled());
  r.guest.available = 0;
  use_vectors();
  r.deliver();
  EXPECT_EQ(b.take(), 1u);
}

TEST_F(VfioMsix, EndsWithTheFile) {
  set(0, {a.fd, b.fd});
  r.file.reset();
  EXPECT_TRUE(r.vectors.connected.empty());
  EXPECT_EQ(r.guest.rng.config_read(pcie::VirtioRng::msix_at + 2, 2) & pcie::Msix::enable_bit, 0u);
}

TEST(VfioMsixFixed, ABlockOfVectorsDoesNotGrow) {
  Bound r{MsixCapability::plain, {.dynamic_msix = false}};
  Event a;
  EXPECT_EQ(r.eventfds(u::irq_msix, 0, {a.fd}), 0);
  EXPECT_EQ(r.eventfds(u::irq_msix, 1, {a.fd}), EINVAL);
  EXPECT_EQ(r.eventfds(u::irq_msix, 1, {-1}), 0);
}

} // namespace
} // namespace sluice::vfio::test
