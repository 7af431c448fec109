#include "rig.hpp"

namespace sluice::vsmmu::test {
namespace {

using namespace arch;

class Features : public testing::Test {
protected:
  base::Result<IdRegisters> offered(const Own& own = {}) {
    return offer({kernel.info, kernel.max_pasid_log2, kernel.capabilities}, own, &why);
  }
  template <class F, class V>
  void host(F field, V value) {
    using R = typename F::Structure;
    const std::size_t word = R::offset / 4;
    kernel.info.idr[word] = R::from(kernel.info.idr[word]).with(field, value).raw();
  }

  FakeKernel kernel;
  Refusal why;
};

TEST_F(Features, OfTheHostOnlyWhatProgramsMayRelyOnIsOffered) {
  host(IDR0::HTTU, Httu::access_dirty);
  host(IDR0::BTM, 1U);
  host(IDR0::Hyp, 1U);
  host(IDR3::HAD, 1U);
  host(IDR5::OAS, AddressSize::bits52);
  const auto id = offered();
  ASSERT_TRUE(id);
  EXPECT_EQ(id->idr0.get(IDR0::HTTU), Httu::none);
  EXPECT_EQ(id->idr0.get(IDR0::BTM), 0U);
  EXPECT_EQ(id->idr0.get(IDR0::Hyp), 0U);
  EXPECT_EQ(id->idr0.get(IDR0::S2P), 0U) << "stage 2 is the monitor's";
  EXPECT_EQ(id->idr3.get(IDR3::HAD), 0U);
  EXPECT_EQ(id->idr5.get(IDR5::OAS), AddressSize::bits44) << "the monitor's own";
  EXPECT_EQ(id->idr0.get(IDR0::ASID16), 1U);
  EXPECT_EQ(id->idr0.get(IDR0::CD2L), 1U);
  EXPECT_EQ(id->idr3.get(IDR3::RIL), 1U);
  EXPECT_EQ(id->idr5.get(IDR5::GRAN16K), 0U);
}

TEST_F(Features, SubstreamsAreTheFewestOfHostDeviceAndMonitor) {
  const auto bits = [&](std::uint8_t device, unsigned monitor) {
    kernel.max_pasid_log2 = device;
    Own own;
    own.substream_bits = monitor;
    return substream_id_bits(*offered(own));
  };
  EXPECT_EQ(bits(0, 20), 0U);
  EXPECT_EQ(bits(16, 20), 16U);
  EXPECT_EQ(bits(20, 8), 8U);
  host(IDR1::SSIDSIZE, 5U);
  EXPECT_EQ(bits(20, 20), 5U);
}

TEST_F(Features, AtsTakesTheSmmuAndTheDevice) {
  EXPECT_FALSE(has(*offered(), Feature::ats));
  host(IDR0::ATS, 1U);
  EXPECT_TRUE(has(*offered(), Feature::ats));
  kernel.capabilities = uapi::iommufd::hw_cap_ats_not_supported;
  EXPECT_FALSE(has(*offered(), Feature::ats));
}

TEST_F(Features, StallsAreLeftOutAndARefusalNamesWhoMustStall) {
  EXPECT_EQ(offered()->idr0.get(IDR0::STALL_MODEL), StallModel::terminate);
  host(IDR0::STALL_MODEL, StallModel::stall);
  EXPECT_EQ(offered(), base::Errc::missing_feature);
  EXPECT_EQ(why.reg, "IDR0");
  EXPECT_EQ(why.field, "STALL_MODEL");
}

TEST_F(Features, StallsAreForWhoAsksForThemOnAHostThatHasThem) {
  Own own;
  own.stalls = 8;
  const auto with = [&](StallModel model) {
    host(IDR0::STALL_MODEL, model);
    return offer({kernel.info, 0, 0}, own);
  };
  EXPECT_EQ(with(StallModel::terminate)->idr5.get(IDR5::STALL_MAX), 0U);
  EXPECT_FALSE(has(*with(StallModel::terminate), Feature::stall));
  for (const auto model : {StallModel::stall_or_terminate, StallModel::stall}) {
    EXPECT_EQ(with(model)->idr0.get(IDR0::STALL_MODEL), model);
    EXPECT_EQ(with(model)->idr5.get(IDR5::STALL_MAX), 8U);
  }
  const auto both = intersect(*with(StallModel::stall_or_terminate), *with(StallModel::terminate));
  EXPECT_EQ(both->idr0.get(IDR0::STALL_MODEL), StallModel::terminate);
  EXPECT_EQ(both->idr5.get(IDR5::STALL_MAX), 0U);
}

TEST_F(Features, AHostWithoutTheseTablesOrGranulesIsRefusedByName) {
  host(IDR0::TTF, Ttf::aarch32);
  EXPECT_EQ(offered(), base::Errc::missing_feature);
  EXPECT_EQ(why.field, "TTF");
  host(IDR0::TTF, Ttf::both);
  EXPECT_EQ(offered()->idr0.get(IDR0::TTF), Ttf::aarch64);
  host(IDR5::GRAN4K, 0U);
  host(IDR5::GRAN64K, 0U);
  EXPECT_EQ(offered(), base::Errc::missing_feature);
  EXPECT_EQ(why.field, "GRAN4K");
}

TEST_F(Features, MoreThanIsOfferedIsNamed) {
  const IdRegisters most = *offered();
  EXPECT_FALSE(beyond(most, most));
  const auto named = [&](IdRegisters wanted) {
    const auto refusal = beyond(wanted, most);
    return refusal ? std::string{refusal->reg} + "." + std::string{refusal->field} : std::string{};
  };
  IdRegisters id = most;
  id.idr0.set(IDR0::BTM, 1);
  EXPECT_EQ(named(id), "IDR0.BTM");
  id = most;
  id.idr1.set(IDR1::SSIDSIZE, 1);
  EXPECT_EQ(named(id), "IDR1.SSIDSIZE");
  id = most;
  id.idr5.set(IDR5::GRAN16K, 1);
  EXPECT_EQ(named(id), "IDR5.GRAN16K");
  id = most;
  id.idr0.set(IDR0::ASID16, 0);
  id.idr0.set(IDR0::TERM_MODEL, 1);
  id.idr1.set(IDR1::SIDSIZE, 8);
  id.idr3.set(IDR3::BBML, Bbml::level1);
  EXPECT_EQ(named(id), "") << "less is always given";
}

TEST_F(Features, TerminationAsZeroIsMoreThanWithout) {
  host(IDR0::TERM_MODEL, 1U);
  const IdRegisters less = *offered();
  host(IDR0::TERM_MODEL, 0U);
  const IdRegisters more = *offered();
  EXPECT_FALSE(beyond(less, more));
  ASSERT_TRUE(beyond(more, less));
  EXPECT_EQ(beyond(more, less)->field, "TERM_MODEL");
  EXPECT_EQ(intersect(more, less)->idr0.get(IDR0::TERM_MODEL), 1U);
}

TEST_F(Features, TwoHostsAgreeOnWhatBothHave) {
  host(IDR5::GRAN16K, 1U);
  const IdRegisters a = *offered();
  host(IDR5::GRAN16K, 0U);
  host(IDR3::RIL, 0U);
  host(IDR0::ASID16, 0U);
  host(IDR0::TTENDIAN, TtEndian::mixed);
  const IdRegisters b = *offered();
  const auto both = intersect(a, b);
  ASSERT_TRUE(both);
  EXPECT_FALSE(beyond(*both, a));
  EXPECT_FALSE(beyond(*both, b));
  EXPECT_EQ(both->idr0.get(IDR0::TTENDIAN), TtEndian::little) << "within mixed";
  EXPECT_EQ(both->idr3.get(IDR3::RIL), 0U);
  EXPECT_EQ(both->idr5.get(IDR5::GRAN4K), 1U);
}

TEST_F(Features, HostsThatHaveNothingInCommonAreNamed) {
  const IdRegisters little = *offered();
  host(IDR0::TTENDIAN, TtEndian::big);
  EXPECT_EQ(intersect(little, *offered(), &why), base::Errc::missing_feature);
  EXPECT_EQ(why.field, "TTENDIAN");
  host(IDR0::TTENDIAN, TtEndian::little);
  host(IDR5::GRAN4K, 0U);
  host(IDR5::GRAN64K, 0U);
  host(IDR5::GRAN16K, 1U);
  EXPECT_EQ(intersect(little, *offered(), &why), base::Errc::missing_feature);
  EXPECT_EQ(why.field, "GRAN4K");
}

TEST_F(Features, LargeInputAddressesGoWithTheirGranule) {
  host(IDR5::VAX, Vax::bits52);
  const IdRegisters a = *offered();
  EXPECT_EQ(a.idr5.get(IDR5::VAX), Vax::bits52);
  IdRegisters b = a;
  b.idr5.set(IDR5::GRAN64K, 0);
  EXPECT_EQ(intersect(a, b)->idr5.get(IDR5::VAX), Vax::bits48);
}

TEST_F(Features, OfSeveralDevicesTheSmmuHasWhatAnyOfThemCanUse) {
  const HostFacts plain{kernel.info, 0, i::hw_cap_ats_not_supported | i::hw_cap_pasid_privileged};
  const HostFacts able{kernel.info, 9, i::hw_cap_pasid_execute};
  for (const auto& both : {together(plain, able), together(able, plain)}) {
    EXPECT_EQ(both.max_pasid_log2, 9U);
    EXPECT_EQ(both.capabilities, std::uint64_t{i::hw_cap_pasid_execute | i::hw_cap_pasid_privileged});
  }
  EXPECT_EQ(together(plain, plain).capabilities, plain.capabilities);
}

using AddDevice = Rig;

TEST_F(AddDevice, ADeviceWithoutAtsOrPasidsGoesBehindAnSmmuThatHasThem) {
  kernel.max_pasid_log2 = 8;
  kernel.info.idr[0] |= IDR0{}.with(IDR0::ATS, 1).raw();
  make();
  kernel.max_pasid_log2 = 0;
  kernel.capabilities = i::hw_cap_ats_not_supported;
  EXPECT_TRUE(smmu->add_device({device, 7, sid}));
  kernel.info.idr[1] &= ~static_cast<std::uint32_t>(IDR1::SSIDSIZE.mask);
  EXPECT_EQ(smmu->add_device({device + 1, 8, sid + 1}), base::Errc::missing_feature);
  EXPECT_EQ(smmu->refusal()->field, "SSIDSIZE");
}

TEST_F(AddDevice, WhatTheGuestWasPromisedIsAskedOfEachHost) {
  kernel.info.idr[0] &= ~static_cast<std::uint32_t>(IDR0::ASID16.mask);
  EXPECT_EQ(smmu->add_device({device, 7, sid}), base::Errc::missing_feature);
  ASSERT_TRUE(smmu->refusal());
  EXPECT_EQ(smmu->refusal()->field, "ASID16");
  EXPECT_TRUE(kernel.live.empty()) << "nothing was made";
}

TEST_F(AddDevice, AnotherKindOfIommuIsRefused) {
  kernel.info_type = 1;
  EXPECT_EQ(smmu->add_device({device, 7, sid}), base::Errc::unsupported);
}

TEST_F(AddDevice, AHostThatCannotInvalidateIsFoundBeforeTheGuestWaits) {
  kernel.has_invalidate = false;
  EXPECT_EQ(smmu->add_device({device, 7, sid}), base::Errc::unsupported);
  EXPECT_TRUE(kernel.live.empty());
}

TEST_F(AddDevice, AHostWithoutEventQueuesIsTaken) {
  kernel.has_events = false;
  EXPECT_TRUE(smmu->add_device({device, 7, sid}));
  EXPECT_EQ(smmu->event_descriptor(), -1);
}

TEST_F(AddDevice, AStreamIdIsGivenOnceAndFits) {
  add();
  EXPECT_EQ(smmu->event_descriptor(), 70);
  EXPECT_EQ(smmu->add_device({device + 1, 8, sid}), base::Errc::already_exists);
  EXPECT_EQ(smmu->add_device({device + 1, 8, 1U << 16}), base::Errc::too_large);
  EXPECT_TRUE(smmu->add_device({device + 1, 8, sid + 1}));
  EXPECT_EQ(kernel.names.size(), 2U);
  EXPECT_EQ(kernel.attached[device], parent) << "as long as the guest has not switched its SMMU on";
}

TEST_F(AddDevice, ADeviceIsLeftOnTheGuestsMemory) {
  start();
  ASSERT_TRUE(smmu->remove_device(sid));
  EXPECT_EQ(kernel.attached[device], parent);
  EXPECT_TRUE(kernel.names.empty());
  EXPECT_EQ(smmu->remove_device(sid), base::Errc::not_found);
  EXPECT_FALSE(smmu->place_of(sid));
}

TEST_F(AddDevice, EverythingThatWasMadeIsDestroyed) {
  start();
  put_ste(sid, stage1_ste());
  send({cmd::cfgi_ste(sid, true)});
  ASSERT_EQ(smmu->place_of(sid), Place::stage1);
  smmu.reset();
  EXPECT_TRUE(kernel.live.empty());
}

TEST_F(AddDevice, EachCallMayFailAndLeavesNothing) {
  std::uint64_t n = 1;
  for (;; ++n) {
    kernel.attached.clear();
    kernel.fail(n, Errno::no_memory);
    const auto added = smmu->add_device({device, 7, sid});
    if (kernel.calls < kernel.fail_at) {
      EXPECT_TRUE(added);
      break;
    }
    if (added) { // an event queue is optional, and a device that cannot have memory aborts
      ASSERT_TRUE(smmu->remove_device(sid));
      make();
    }
    EXPECT_TRUE(kernel.live.empty()) << "after call " << n;
    EXPECT_FALSE(smmu->place_of(sid));
  }
  EXPECT_EQ(n, 9U) << "HW_INFO, vIOMMU, a first invalidation, abort, bypass, events, vDEVICE, attach: 8 calls";
}

TEST_F(AddDevice, FeaturesThatNoSmmuHasAreRefused) {
  const auto refused = [&](auto change) {
    config.features = small_features(kernel);
    change(config.features);
    return Vsmmu::make(config, kernel.seam(), memory, interrupts) == base::Errc::bad_hardware;
  };
  EXPECT_FALSE(refused([](IdRegisters&) {}));
  EXPECT_TRUE(refused([](IdRegisters& id) { id.idr0.set(IDR0::S1P, 0); }));
  EXPECT_TRUE(refused([](IdRegisters& id) { id.idr0.set(IDR0::S2P, 1); }));
  EXPECT_TRUE(refused([](IdRegisters& id) { id.idr0.set(IDR0::ST_LEVEL, StLevel::linear); }));
  EXPECT_TRUE(refused([](IdRegisters& id) { id.idr1.set(IDR1::CMDQS, 20); }));
  EXPECT_TRUE(refused([](IdRegisters& id) { id.idr1.set(IDR1::SIDSIZE, 33); }));
  EXPECT_TRUE(refused([](IdRegisters& id) { id.idr0.set(IDR0::PRI, 1).set(IDR0::ATS, 1); }));
}

} // namespace
} // namespace sluice::vsmmu::test
