#include <sluice/pcie/translation_capabilities.hpp>

#include <gtest/gtest.h>

namespace sluice::pcie {
namespace {

namespace pci = platform::pci;
using base::Errc;
using platform::PciTranslation;

// A configuration space as a driver sees it.
class Space final : public platform::PciFunction {
public:
  platform::PciFacts facts() const override { return facts_; }
  std::uint32_t config_read(std::uint16_t offset, unsigned size) override { return space.read(offset, size); }
  void config_write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    space.write(offset, size, value);
    if (capabilities != nullptr && capabilities->take_pri_reset()) {
      ++pri_resets;
    }
  }

  platform::PciFacts facts_{.ats_allowed = true};
  ConfigSpace space;
  TranslationCapabilities* capabilities{};
  unsigned pri_resets{};
};

class Translation : public testing::Test {
protected:
  Translation() { function.capabilities = &capabilities; }

  Space function;
  TranslationCapabilities capabilities{
      function.space, {.ats = true, .pasid_bits = 16, .execute = true, .page_requests = 32, .pasid_in_response = true}};
  PciTranslation driver{function};
};

TEST_F(Translation, ADriverFindsWhatTheFunctionOffers) {
  EXPECT_TRUE(driver.has_ats() && driver.has_pri() && driver.has_pasid());
  EXPECT_EQ(driver.pasid_bits(), 16u);
  EXPECT_TRUE(driver.can_execute());
  EXPECT_FALSE(driver.can_be_privileged());
  EXPECT_TRUE(driver.pasid_in_response());
  EXPECT_EQ(driver.page_request_capacity(), 32u);
}

TEST_F(Translation, NothingIsEnabledBeforeSomebodyEnablesIt) {
  EXPECT_FALSE(capabilities.ats_enabled() || capabilities.pasid_enabled() || capabilities.pri_enabled());
  EXPECT_FALSE(driver.ats_enabled() || driver.pasid_enabled() || driver.pri_enabled());
  EXPECT_TRUE(driver.pri_stopped());
}

TEST_F(Translation, ATSIsEnabledWithItsSmallestTranslationUnit) {
  ASSERT_TRUE(driver.enable_ats(16).ok());
  EXPECT_TRUE(capabilities.ats_enabled());
  EXPECT_EQ(capabilities.stu(), 16u);
  EXPECT_EQ(driver.enable_ats(12).error(), Errc::busy);
  driver.disable_ats();
  EXPECT_FALSE(capabilities.ats_enabled());
  EXPECT_EQ(driver.enable_ats(11).error(), Errc::invalid_argument);
  EXPECT_EQ(driver.enable_ats(12 + 32).error(), Errc::invalid_argument);
}

TEST_F(Translation, PASIDsDoNotChangeWhileATSIsEnabled) {
  ASSERT_TRUE(driver.enable_ats(12).ok());
  EXPECT_EQ(driver.enable_pasid(false, false).error(), Errc::busy);
  driver.disable_ats();
  ASSERT_TRUE(driver.enable_pasid(true, false).ok());
  EXPECT_TRUE(capabilities.pasid_enabled() && capabilities.may_execute());
  EXPECT_FALSE(capabilities.may_be_privileged());
  ASSERT_TRUE(driver.enable_ats(12).ok());
  EXPECT_EQ(driver.disable_pasid().error(), Errc::busy);
}

TEST_F(Translation, WhatAFunctionCannotDoIsNotEnabled) {
  EXPECT_EQ(driver.enable_pasid(true, true).error(), Errc::unsupported);
  EXPECT_EQ(driver.enable_pri(33).error(), Errc::invalid_argument);
  EXPECT_EQ(driver.enable_pri(0).error(), Errc::invalid_argument);
}

TEST_F(Translation, PRIIsResetBeforeItIsEnabled) {
  capabilities.set_unexpected_index();
  capabilities.set_response_failure();
  ASSERT_TRUE(driver.enable_pri(8).ok());
  EXPECT_EQ(function.pri_resets, 1u);
  EXPECT_TRUE(capabilities.pri_enabled());
  EXPECT_EQ(capabilities.allocation(), 8u);
  const std::uint16_t at = pci::find_extended(function, pci::pri_id);
  EXPECT_EQ(function.config_read(static_cast<std::uint16_t>(at + pci::pri_status), 2) & 3u, 0u);
}

TEST_F(Translation, PRIIsEnabledAgainOnlyWhenAllItsRequestsAreOver) {
  ASSERT_TRUE(driver.enable_pri(8).ok());
  EXPECT_EQ(driver.enable_pri(8).error(), Errc::busy);
  capabilities.set_stopped(false);
  driver.disable_pri();
  EXPECT_FALSE(driver.pri_stopped());
  EXPECT_EQ(driver.enable_pri(8).error(), Errc::busy);
  capabilities.set_stopped(true);
  EXPECT_TRUE(driver.enable_pri(8).ok());
}

TEST_F(Translation, AResetOfTheFunctionDisablesAll) {
  ASSERT_TRUE(driver.enable_pasid(true, false).ok());
  ASSERT_TRUE(driver.enable_pri(8).ok());
  ASSERT_TRUE(driver.enable_ats(12).ok());
  capabilities.reset();
  EXPECT_FALSE(driver.ats_enabled() || driver.pasid_enabled() || driver.pri_enabled());
  EXPECT_EQ(capabilities.allocation(), 0u);
  EXPECT_TRUE(driver.pri_stopped() && driver.pasid_in_response());
}

TEST_F(Translation, WhereTheWayToTheSMMULetsNoATSThroughThereIsNone) {
  function.facts_.ats_allowed = false;
  EXPECT_FALSE(driver.has_ats() || driver.has_pri());
  EXPECT_EQ(driver.enable_ats(12).error(), Errc::unsupported);
  EXPECT_EQ(driver.enable_pri(8).error(), Errc::unsupported);
}

TEST(TranslationCapabilitiesOf, AFunctionWithoutAnyHasAnEmptyList) {
  Space function;
  TranslationCapabilities capabilities{function.space, {}};
  PciTranslation driver{function};
  EXPECT_FALSE(driver.has_ats() || driver.has_pri() || driver.has_pasid());
  EXPECT_EQ(driver.enable_pasid(false, false).error(), Errc::unsupported);
  EXPECT_EQ(driver.pasid_bits(), 0u);
  EXPECT_FALSE(capabilities.take_pri_reset());
}

TEST(TranslationCapabilitiesOf, AListThatGoesInCirclesIsLeft) {
  Space function;
  function.space.set(pci::extended_capabilities, 4, 0x1001'0001 | pci::extended_capabilities << 20);
  EXPECT_EQ(pci::find_extended(function, pci::ats_id), 0u);
}

} // namespace
} // namespace sluice::pcie
