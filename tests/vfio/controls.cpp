#include <sluice/hosted/port.hpp>
#include <sluice/pcie/copy_engine.hpp>
#include <sluice/vfio/translation_controls.hpp>

#include <gtest/gtest.h>

namespace sluice::vfio {
namespace {

class VfioControls : public testing::Test {
protected:
  static pcie::CopyEngineConfig config() {
    pcie::CopyEngineConfig c;
    c.ats.capabilities = {.ats = true, .pasid_bits = 8, .page_requests = 16};
    return c;
  }
  struct Pci final : platform::PciFunction {
    explicit Pci(pcie::Function& f) : function{f} {}
    platform::PciFacts facts() const override { return {.ats_allowed = true}; }
    std::uint32_t config_read(std::uint16_t at, unsigned size) override { return function.config_read(at, size); }
    void config_write(std::uint16_t at, unsigned size, std::uint32_t value) override {
      function.config_write(at, size, value);
    }
    pcie::Function& function;
  };

  hosted::Port port;
  pcie::CopyEngine engine{{8, 8}, config(), port.device_sync, port.time};
  Pci pci{engine};
  platform::PciTranslation driver{pci};
};

TEST_F(VfioControls, WhatTheDriverHasSwitchedOnIsOnAfterAReset) {
  ASSERT_TRUE(driver.enable_pasid(false, false));
  ASSERT_TRUE(driver.enable_pri(7));
  ASSERT_TRUE(driver.enable_ats(14));
  TranslationControls controls{engine};
  engine.reset();
  ASSERT_FALSE(driver.ats_enabled() || driver.pasid_enabled() || driver.pri_enabled());
  controls.restore();
  EXPECT_TRUE(driver.ats_enabled() && driver.pasid_enabled() && driver.pri_enabled());
  EXPECT_EQ(engine.ats()->capabilities().stu(), 14U);
  EXPECT_EQ(engine.ats()->capabilities().allocation(), 7U);
}

TEST_F(VfioControls, WhatWasOffStaysOff) {
  TranslationControls controls{engine};
  engine.reset();
  controls.restore();
  EXPECT_FALSE(driver.ats_enabled() || driver.pasid_enabled() || driver.pri_enabled());
}

TEST_F(VfioControls, AFunctionWithoutAnyIsLeftAlone) {
  pcie::CopyEngine plain{{8, 8}};
  TranslationControls controls{plain};
  plain.reset();
  controls.restore();
  EXPECT_EQ(plain.config_read(platform::pci::extended_capabilities, 4), 0U);
}

} // namespace
} // namespace sluice::vfio
