#include "rig.hpp"

#include <cerrno>

// What all calls of a device with a structure have in common: how much of it there has to be.
namespace sluice::vfio::test {
namespace {

struct CallRow {
  const char* name;
  std::uint32_t number;
  std::uint32_t least;
};

void PrintTo(const CallRow& row, std::ostream* out) { *out << row.name; }

class VfioCallRows : public testing::TestWithParam<CallRow> {
protected:
  VfioCallRows() {
    if (GetParam().number != u::device_bind_iommufd) {
      EXPECT_EQ(r.bind(), 0);
    }
  }
  // With nothing in it but its size.
  int call(std::uint64_t at, std::uint32_t argsz) {
    std::fill(r.caller.bytes.begin() + static_cast<std::ptrdiff_t>(Rig::at), r.caller.bytes.end(), std::byte{});
    std::memcpy(&r.caller.bytes[at], &argsz, sizeof argsz);
    return -r.file->ioctl(GetParam().number, at);
  }

  Rig r;
};

TEST_P(VfioCallRows, LessThanTheFirstKernelKnewIsEINVAL) {
  EXPECT_EQ(call(Rig::at, GetParam().least - 1), EINVAL);
  EXPECT_EQ(call(Rig::at, 0), EINVAL);
}

TEST_P(VfioCallRows, AStructureThatIsNotAllThereIsEFAULT) {
  EXPECT_EQ(call(r.caller.bytes.size() - (GetParam().least - 1), GetParam().least), EFAULT);
  EXPECT_EQ(-r.file->ioctl(GetParam().number, 0), EFAULT);
}

TEST_P(VfioCallRows, NothingButBindingWorksBeforeIt) {
  const auto other = r.cdev.open();
  const int result = -other->ioctl(GetParam().number, 0);
  EXPECT_EQ(result, GetParam().number == u::device_bind_iommufd ? EFAULT : EINVAL);
}

const CallRow call_rows[] = {
    {"GetInfo", u::device_get_info, 16},
    {"GetRegionInfo", u::device_get_region_info, 32},
    {"GetIrqInfo", u::device_get_irq_info, 16},
    {"SetIrqs", u::device_set_irqs, 20},
    {"GetPciHotResetInfo", u::device_get_pci_hot_reset_info, 12},
    {"PciHotReset", u::device_pci_hot_reset, 12},
    {"Ioeventfd", u::device_ioeventfd, 28},
    {"Feature", u::device_feature, 8},
    {"BindIommufd", u::device_bind_iommufd, 16},
    {"AttachIommufdPt", u::device_attach_iommufd_pt, 12},
    {"DetachIommufdPt", u::device_detach_iommufd_pt, 8},
};

INSTANTIATE_TEST_SUITE_P(Vfio, VfioCallRows, testing::ValuesIn(call_rows),
                         [](const auto& test) { return test.param.name; });

} // namespace
} // namespace sluice::vfio::test
