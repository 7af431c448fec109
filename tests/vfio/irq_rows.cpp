#include "rig.hpp"

#include <array>
#include <cerrno>
#include <string>

// SET_IRQS: what each action answers for each kind of data, in each state of the device.
namespace sluice::vfio::test {
namespace {

enum class Before { nothing, intx, msix, error, request };

struct IrqRow {
  const char* name;
  Before before;
  std::uint32_t index;
  std::uint32_t action;
  // For counts of 0 and of 1
  std::array<int, 2> none, boolean, eventfd;
};

void PrintTo(const IrqRow& row, std::ostream* out) { *out << row.name; }

class VfioIrqRows : public testing::TestWithParam<IrqRow> {
protected:
  static int answer(std::uint32_t data, std::uint32_t count) {
    const IrqRow& row = GetParam();
    Rig r{MsixCapability::plain};
    EXPECT_EQ(r.bind(), 0);
    const Event before;
    const Event now;
    switch (row.before) {
    case Before::nothing:
      break;
    case Before::intx:
      EXPECT_EQ(r.intx(before), 0);
      break;
    case Before::msix:
      EXPECT_EQ(r.eventfds(u::irq_msix, 0, {before.fd}), 0);
      break;
    case Before::error:
      EXPECT_EQ(r.eventfds(u::irq_err, 0, {before.fd}), 0);
      break;
    case Before::request:
      EXPECT_EQ(r.eventfds(u::irq_req, 0, {before.fd}), 0);
      break;
    }
    const std::int32_t value = data == u::irq_set_data_eventfd ? now.fd : 1;
    return r.irqs(data | row.action, row.index, 0, count, {value});
  }
};

TEST_P(VfioIrqRows, AreAnsweredAsByLinux) {
  for (const std::uint32_t count : {0u, 1u}) {
    EXPECT_EQ(answer(u::irq_set_data_none, count), GetParam().none[count]) << "none, " << count;
    EXPECT_EQ(answer(u::irq_set_data_bool, count), GetParam().boolean[count]) << "bool, " << count;
    EXPECT_EQ(answer(u::irq_set_data_eventfd, count), GetParam().eventfd[count]) << "eventfd, " << count;
  }
}

constexpr std::uint32_t mask = u::irq_set_action_mask;
constexpr std::uint32_t unmask = u::irq_set_action_unmask;
constexpr std::uint32_t trigger = u::irq_set_action_trigger;
constexpr std::array never{EINVAL, EINVAL};
constexpr std::array absent{ENOTTY, ENOTTY};

const IrqRow irq_rows[] = {
    {"MaskOfIntxThatIsOff", Before::nothing, u::irq_intx, mask, never, never, never},
    {"UnmaskOfIntxThatIsOff", Before::nothing, u::irq_intx, unmask, never, never, never},
    {"TriggerOfIntxThatIsOff", Before::nothing, u::irq_intx, trigger, never, never, {EINVAL, 0}},
    {"MaskOfIntx", Before::intx, u::irq_intx, mask, {EINVAL, 0}, {EINVAL, 0}, {EINVAL, ENOTTY}},
    {"UnmaskOfIntx", Before::intx, u::irq_intx, unmask, {EINVAL, 0}, {EINVAL, 0}, {EINVAL, 0}},
    {"TriggerOfIntx", Before::intx, u::irq_intx, trigger, {0, 0}, {EINVAL, 0}, {EINVAL, 0}},
    {"TriggerOfIntxBesideMsix", Before::msix, u::irq_intx, trigger, never, never, never},
    {"TriggerOfMsi", Before::nothing, u::irq_msi, trigger, never, never, never},
    {"MaskOfMsix", Before::msix, u::irq_msix, mask, absent, absent, absent},
    {"UnmaskOfMsix", Before::msix, u::irq_msix, unmask, absent, absent, absent},
    {"TriggerOfMsixThatIsOff", Before::nothing, u::irq_msix, trigger, never, never, {ERANGE, 0}},
    {"TriggerOfMsix", Before::msix, u::irq_msix, trigger, {0, 0}, {0, 0}, {0, 0}},
    {"TriggerOfMsixBesideIntx", Before::intx, u::irq_msix, trigger, never, never, never},
    {"MaskOfTheError", Before::error, u::irq_err, mask, absent, absent, absent},
    {"UnmaskOfTheError", Before::error, u::irq_err, unmask, absent, absent, absent},
    {"TriggerOfTheErrorThatNobodyHears", Before::nothing, u::irq_err, trigger, never, {EINVAL, 0}, {EINVAL, 0}},
    {"TriggerOfTheError", Before::error, u::irq_err, trigger, {0, 0}, {EINVAL, 0}, {EINVAL, 0}},
    {"MaskOfTheRequest", Before::request, u::irq_req, mask, absent, absent, absent},
    {"TriggerOfTheRequestThatNobodyHears", Before::nothing, u::irq_req, trigger, never, {EINVAL, 0}, {EINVAL, 0}},
    {"TriggerOfTheRequest", Before::request, u::irq_req, trigger, {0, 0}, {EINVAL, 0}, {EINVAL, 0}},
};

INSTANTIATE_TEST_SUITE_P(Vfio, VfioIrqRows, testing::ValuesIn(irq_rows),
                         [](const auto& test) { return test.param.name; });

TEST(VfioIrqLimits, VectorsAreThoseOfTheTable) {
  struct Range {
    std::uint32_t start, count;
    int result;
  };
  for (const auto& [start, count, result] : {Range{0, 2, 0}, Range{1, 1, 0}, Range{0, 3, EINVAL}, Range{1, 2, EINVAL},
                                             Range{2, 0, EINVAL}, Range{2, 1, EINVAL}, Range{1, ~0u - 1, EINVAL}}) {
    Rig r{MsixCapability::plain};
    ASSERT_EQ(r.bind(), 0);
    const Event event;
    ASSERT_EQ(r.eventfds(u::irq_msix, 0, {event.fd}), 0);
    EXPECT_EQ(r.irqs(u::irq_set_data_none | trigger, u::irq_msix, start, count), result) << start << ", " << count;
    EXPECT_EQ(event.take(), result == 0 && start == 0 ? 1u : 0u);
  }
}

} // namespace
} // namespace sluice::vfio::test
