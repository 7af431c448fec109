#include "guest.hpp"
#include "host_client.hpp"

#include <sluice/arch/commands.hpp>
#include <sluice/arch/event.hpp>

#include <algorithm>
#include <cerrno>

// A monitor's calls on /dev/iommu for a guest with an SMMU of its own, on the driver and the hardware model.
namespace sluice::machine::test {
namespace {

using arch::Command;
using arch::Event;
using arch::Ste;
using arch::SteConfig;
using uapi::arm_smmuv3::NestedSte;
namespace cmd = arch::cmd;
namespace u = uapi::arm_smmuv3;

class NestedClient : public testing::Test {
protected:
  static constexpr std::uint64_t ipa = 0x4000'0000; // where a guest's RAM begins
  static constexpr std::uint64_t iova = 0xffff'0000;
  static constexpr std::uint32_t vsid = 0x900;
  static constexpr std::uint16_t asid = 4;

  NestedClient() {
    host.set_iommufds(fds);
    fds.all.push_back(&iommu);
    static_cast<void>(memory.alloc()); // the ring
    static_cast<void>(memory.alloc()); // the buffers
    root = memory.alloc();
    cds = memory.cd_table(root, asid);
    memory.map(root, iova, ipa);
    memory.map(root, iova + 0x1000, ipa + 0x1000);
  }
  ~NestedClient() override {
    if (event_fd >= 0) {
      close(event_fd);
    }
  }

  // As QEMU begins: the guest's RAM as parent of what is to come.
  void begin() {
    ASSERT_EQ(source.bind(iommu), 0);
    ioas = iommu.ioas();
    parent = iommu.nest_parent(source.id, ioas);
    ASSERT_NE(parent, 0U);
    ASSERT_EQ(source.attach(parent), 0);
    ASSERT_EQ(iommu.map(ioas, ipa, ram.at, ram.size), 0);
    ASSERT_EQ(make_viommu(parent), 0);
    viommu = made;
  }
  void begin_with_name() {
    begin();
    ASSERT_EQ(name(source, vsid), 0);
  }
  // The guest's device on its own tables, with its driver running.
  void start() {
    begin_with_name();
    ASSERT_EQ(nested(guest_stage1(cds)), 0);
    ASSERT_EQ(source.attach(made), 0);
    source.start(ram, iova);
  }

  int make_viommu(std::uint32_t on, std::uint32_t type = u::viommu_type) {
    i::ViommuAlloc c;
    c.type = type;
    c.dev_id = source.id;
    c.hwpt_id = on;
    const int result = iommu.call(c);
    made = c.out_viommu_id;
    return result;
  }
  int name(const Source& device, std::uint64_t virtual_id) {
    i::VdeviceAlloc c;
    c.viommu_id = viommu;
    c.dev_id = device.id;
    c.virt_id = virtual_id;
    const int result = iommu.call(c);
    made = c.out_vdevice_id;
    return result;
  }
  i::HwptAlloc nested_call(const NestedSte& ste) const {
    i::HwptAlloc c;
    c.dev_id = source.id;
    c.pt_id = viommu;
    c.data_type = u::hwpt_data_type;
    c.data_len = sizeof ste;
    c.data_uptr = pointer(&ste);
    return c;
  }
  int nested(const NestedSte& ste) {
    auto c = nested_call(ste);
    const int result = iommu.call(c);
    made = c.out_hwpt_id;
    return result;
  }
  int paging(std::uint32_t flags) {
    i::HwptAlloc c;
    c.flags = flags;
    c.dev_id = source.id;
    c.pt_id = ioas;
    const int result = iommu.call(c);
    made = c.out_hwpt_id;
    return result;
  }
  int make_events(std::uint32_t depth = 16) {
    i::VeventqAlloc c;
    c.viommu_id = viommu;
    c.type = u::veventq_type;
    c.veventq_depth = depth;
    const int result = iommu.call(c);
    made = c.out_veventq_id;
    event_fd = result == 0 ? static_cast<int>(c.out_veventq_fd) : -1;
    return result;
  }
  int destroy(std::uint32_t id) {
    i::Destroy c;
    c.id = id;
    return iommu.call(c);
  }
  template <class T>
  int invalidate(const std::vector<T>& entries, std::uint32_t id, std::uint32_t type = u::invalidate_data_type,
                 std::uint32_t length = sizeof(T)) {
    i::HwptInvalidate c;
    c.hwpt_id = id;
    c.data_uptr = pointer(entries.data());
    c.data_type = type;
    c.entry_len = length;
    c.entry_num = static_cast<std::uint32_t>(entries.size());
    const int result = iommu.call(c);
    done = c.entry_num;
    return result;
  }
  int invalidate(const std::vector<Command>& commands) { return invalidate(commands, viommu); }

  bool used(std::uint16_t count) {
    return platform::wait_until(host.port().time, 20'000'000, [&] { return source.used() == count; });
  }
  bool faulted(std::uint64_t count) {
    return platform::wait_until(host.port().time, 20'000'000,
                                [&] { return host.account().functions[0].dma.faulted == count; });
  }
  struct Vevent {
    i::VeventHeader header;
    Event event;
  };
  // The next that arrives in time.
  Vevent next_event() {
    Vevent v{};
    pollfd p{.fd = event_fd, .events = POLLIN, .revents = 0};
    EXPECT_EQ(poll(&p, 1, 20'000), 1);
    EXPECT_EQ(host.queues().find(event_fd)->read(event_fd, pointer(&v), sizeof v), static_cast<std::int64_t>(sizeof v));
    return v;
  }

  Host host{small_host(2, 2)};
  Iommufds fds;
  Iommu iommu{host, 100};
  Source source{host, 0};
  Source elsewhere{host, 1}; // behind another SMMU
  Pages ram{0x40000};
  GuestMemory memory{ram.at, ram.size, ipa};
  std::uint64_t root{}, cds{};
  std::uint32_t ioas{}, parent{}, viommu{}, made{}, done{};
  int event_fd{-1};
};

using NestedClientThreads = NestedClient;

TEST_F(NestedClientThreads, AGuestsDeviceIsFilledThroughItsOwnTables) {
  start();
  source.offer();
  ASSERT_TRUE(used(1));
  EXPECT_EQ(ram.text(Source::buffers, 64), host.rng(0).stream_of_marks().text(0, 64));
  const Account account = host.account();
  EXPECT_GE(account.functions[0].nested.bytes, 64U);
  EXPECT_GT(account.functions[0].nested_looked_up, 0U);
  EXPECT_EQ(account.functions[0].nested_in_ioas, 0U) << "a missing stage 1 would have hit";
  EXPECT_EQ(account.functions[0].dma.faulted, 0U);
  EXPECT_EQ(account.stale(), 0U);
}

TEST_F(NestedClientThreads, AGuestMovesFromBypassToItsTablesAndBack) {
  begin();
  ASSERT_EQ(nested(guest_config(SteConfig::bypass)), 0);
  const std::uint32_t bypass = made;
  ASSERT_EQ(source.attach(bypass), 0) << "before the guest has named the device";
  source.start(ram, ipa);
  source.offer();
  ASSERT_TRUE(used(1));
  ASSERT_EQ(name(source, vsid), 0);
  ASSERT_EQ(nested(guest_stage1(cds)), 0);
  const std::uint32_t stage1 = made;
  ASSERT_EQ(source.attach(stage1), 0);
  source.start(ram, iova);
  source.offer();
  ASSERT_TRUE(used(1));
  ASSERT_EQ(source.attach(bypass), 0);
  ASSERT_EQ(source.attach(bypass), 0) << "the same again";
  EXPECT_EQ(destroy(stage1), 0);
  EXPECT_EQ(destroy(bypass), EBUSY);
}

TEST_F(NestedClientThreads, WhatAGuestHasNotMappedIsItsEvent) {
  start();
  ASSERT_EQ(make_events(), 0);
  source.offer_at(0x12'3456'7000);
  const auto v = next_event();
  EXPECT_EQ(v.header.flags, 0U);
  EXPECT_EQ(v.header.sequence, 0U);
  EXPECT_EQ(v.event.get(Event::Type), arch::EventType::F_TRANSLATION);
  EXPECT_EQ(v.event.get(Event::StreamID), vsid);
  EXPECT_EQ(v.event.get(Event::InputAddr), 0x12'3456'7000U);
  EXPECT_EQ(v.event.get(Event::RnW), 0U);
  EXPECT_EQ(v.event.get(Event::S2), 0U);
  EXPECT_TRUE(platform::wait_until(host.port().time, 20'000'000,
                                   [&] { return host.account().smmus[0].driver.events_of_guests == 1; }));
}

TEST_F(NestedClientThreads, WhatTheMonitorHasNotMappedIsNotTheGuestsEvent) {
  start();
  ASSERT_EQ(make_events(), 0);
  memory.map(root, iova + 0x2000, 0x9000'0000);
  source.offer_at(iova + 0x2000);
  ASSERT_TRUE(faulted(1));
  EXPECT_TRUE(platform::wait_until(host.port().time, 20'000'000,
                                   [&] { return host.account().smmus[0].driver.events_unhandled == 1; }));
  EXPECT_EQ(host.account().smmus[0].driver.events_of_guests, 0U);
}

TEST_F(NestedClientThreads, ATranslationIsGoneWhenItsInvalidationReturns) {
  start();
  source.offer();
  ASSERT_TRUE(used(1));
  memory.unmap(root, iova + 0x1000);
  EXPECT_FALSE(host.audit().empty()) << "stale until then";
  ASSERT_EQ(invalidate({cmd::tlbi_nh_va(0, asid, iova + 0x1000, true)}), 0);
  EXPECT_EQ(done, 1U);
  EXPECT_TRUE(host.audit().empty());
  source.offer();
  EXPECT_TRUE(faulted(1));
  EXPECT_EQ(host.account().stale(), 0U);
}

TEST_F(NestedClientThreads, AnUnmapOfTheMonitorsEndsTheGuestsUse) {
  start();
  source.offer();
  ASSERT_TRUE(used(1));
  i::IoasUnmap c;
  c.ioas_id = ioas;
  c.iova = ipa;
  c.length = ram.size;
  ASSERT_EQ(iommu.call(c), 0);
  EXPECT_TRUE(host.audit().empty());
  source.offer();
  EXPECT_TRUE(faulted(1));
}

TEST_F(NestedClientThreads, EverythingIsGivenBackInAnyOrder) {
  start();
  ASSERT_EQ(make_events(), 0);
  source.offer();
  ASSERT_TRUE(used(1));
  source.file.reset();
  elsewhere.file.reset();
  iommu.context.reset(); // the queue's descriptor is still open
  const Remains remains = host.tear_down();
  EXPECT_TRUE(remains.nothing());
  EXPECT_TRUE(remains.queues_idle);
}

// What the interface answers, and that the driver's own answers become the right numbers.

TEST_F(NestedClientThreads, HwInfoIsTheSmmus) {
  begin();
  u::HwInfo info;
  i::GetHwInfo c;
  c.dev_id = source.id;
  c.data_len = sizeof info;
  c.data_uptr = pointer(&info);
  ASSERT_EQ(iommu.call(c), 0);
  EXPECT_EQ(c.data_type, u::hw_info_type);
  EXPECT_EQ(c.data_len, sizeof info);
  EXPECT_EQ(arch::IDR0::from(info.idr[0]).get(arch::IDR0::S1P), 1U);
  EXPECT_EQ(arch::IDR1::from(info.idr[1]).get(arch::IDR1::SIDSIZE), 16U);
  EXPECT_EQ(arch::IDR3::from(info.idr[3]).get(arch::IDR3::RIL), 1U);
  EXPECT_EQ(arch::IDR5::from(info.idr[5]).get(arch::IDR5::GRAN4K), 1U);
  c.flags = i::hw_info_input_type;
  c.data_type = 3;
  EXPECT_EQ(iommu.call(c), EOPNOTSUPP);
}

TEST_F(NestedClientThreads, AParentHasNoOtherUse) {
  begin();
  EXPECT_EQ(paging(i::hwpt_nest_parent | i::hwpt_dirty_tracking), EOPNOTSUPP);
  EXPECT_EQ(paging(i::hwpt_nest_parent | i::hwpt_pasid), EOPNOTSUPP);
}

TEST_F(NestedClientThreads, AViommuNeedsAParentOfItsSmmu) {
  begin();
  EXPECT_EQ(make_viommu(parent, 2), EOPNOTSUPP);
  EXPECT_EQ(make_viommu(parent, 0), EOPNOTSUPP);
  EXPECT_EQ(make_viommu(ioas), ENOENT);
  ASSERT_EQ(paging(0), 0);
  EXPECT_EQ(make_viommu(made), EINVAL);
  ASSERT_EQ(elsewhere.bind(iommu), 0);
  EXPECT_EQ(elsewhere.attach(parent), EINVAL);
  const std::uint32_t other = iommu.nest_parent(elsewhere.id, ioas);
  ASSERT_NE(other, 0U) << "a second parent on the same IOAS";
  EXPECT_EQ(make_viommu(other), EINVAL);
}

TEST_F(NestedClientThreads, AGuestsSteIsCheckedBitByBit) {
  begin();
  EXPECT_EQ(nested({{0, 0}}), 0);
  EXPECT_EQ(nested({{1, 0}}), 0);
  EXPECT_EQ(nested({{9, 0}}), 0);
  EXPECT_EQ(nested({{1ULL << 56 | 0xb, 0}}), EIO);
  EXPECT_EQ(nested({{0xd, 0}}), EIO) << "stage 2 is not a guest's";
  EXPECT_EQ(nested({{0xf, 0}}), EIO);
  EXPECT_EQ(nested({{0xb, Ste::MEV.mask}}), EIO);
  EXPECT_EQ(nested({{0xb, 2ULL << Ste::EATS.shift}}), EIO);
  EXPECT_EQ(nested({{0xb, 1ULL << Ste::EATS.shift}}), 0);
}

TEST_F(NestedClientThreads, AGuestsSteHasOneShape) {
  begin();
  const NestedSte ste = guest_stage1(cds);
  const auto with = [&](auto change) {
    auto c = nested_call(ste);
    change(c);
    return iommu.call(c);
  };
  EXPECT_EQ(with([](auto& c) { c.data_type = 1; }), EINVAL);
  EXPECT_EQ(with([](auto& c) { c.data_len = 8; }), EINVAL);
  EXPECT_EQ(with([](auto& c) { c.data_len = 24; }), EINVAL);
  EXPECT_EQ(with([](auto& c) { c.data_uptr = 0; }), EFAULT);
  EXPECT_EQ(with([](auto& c) { c.flags = i::hwpt_pasid; }), EOPNOTSUPP);
  EXPECT_EQ(with([&](auto& c) { c.pt_id = parent; }), EOPNOTSUPP) << "only on a vIOMMU";
  EXPECT_EQ(with([](auto&) {}), 0);
}

TEST_F(NestedClientThreads, AGuestNamesADeviceBeforeItsTables) {
  begin();
  ASSERT_EQ(nested(guest_stage1(cds)), 0);
  const std::uint32_t stage1 = made;
  EXPECT_EQ(source.attach(stage1), ENOENT);
  ASSERT_EQ(name(source, vsid), 0);
  EXPECT_EQ(source.attach(stage1), 0);
}

TEST_F(NestedClientThreads, ANameIsGivenOnceAndFits) {
  begin();
  EXPECT_EQ(name(source, 1ULL << 32), EINVAL);
  ASSERT_EQ(name(source, vsid), 0);
  EXPECT_EQ(name(source, vsid + 1), EEXIST);
  ASSERT_EQ(elsewhere.bind(iommu), 0);
  EXPECT_EQ(name(elsewhere, vsid + 1), EINVAL);
}

TEST_F(NestedClientThreads, InvalidationsAreCountedAsFarAsTheyWereExecuted) {
  begin_with_name();
  const auto commands = host.account().smmus[0].driver.commands;
  EXPECT_EQ(invalidate({cmd::tlbi_nsnh_all(), cmd::cfgi_cd_all(vsid), cmd::cfgi_ste(vsid, true)}), EIO);
  EXPECT_EQ(done, 2U);
  EXPECT_EQ(host.account().smmus[0].driver.commands, commands + 4) << "each with a CMD_SYNC";
  EXPECT_EQ(invalidate({cmd::cfgi_cd(vsid + 1, 0, true)}), EIO);
  EXPECT_EQ(done, 0U);
  EXPECT_EQ(invalidate({cmd::sync()}), EIO);
  EXPECT_EQ(invalidate({cmd::tlbi_el2_all()}), EIO);
  EXPECT_EQ(invalidate({cmd::atc_inv(vsid, 0, 52)}), EIO) << "this SMMU has no ATS";
  EXPECT_EQ(invalidate({cmd::tlbi_nh_vaa(0, 0, true, {0, 0, arch::TlbiTg::k4, 0})}), EIO);
  EXPECT_EQ(host.account().smmus[0].driver.command_errors, 0U) << "none of that reached the SMMU";
}

TEST_F(NestedClientThreads, InvalidationsHaveOneShapeAndPlace) {
  begin_with_name();
  const std::vector<Command> one{cmd::tlbi_nsnh_all()};
  EXPECT_EQ(invalidate(one, viommu, 0), EINVAL);
  EXPECT_EQ(done, 0U);
  EXPECT_EQ(invalidate(one, viommu, 2), EINVAL);
  EXPECT_EQ(invalidate(one, viommu, 1, 8), EINVAL);
  EXPECT_EQ(invalidate(std::vector<Command>{}, viommu), EINVAL) << "no probe on this kind";
  EXPECT_EQ(invalidate(one, parent), EINVAL);
  EXPECT_EQ(invalidate(one, 77), ENOENT);
  ASSERT_EQ(nested(guest_stage1(cds)), 0);
  EXPECT_EQ(invalidate(one, made), EOPNOTSUPP);
  struct Long {
    Command command;
    std::uint64_t more[2];
  };
  EXPECT_EQ(invalidate(std::vector<Long>{{cmd::tlbi_nsnh_all(), {}}}, viommu), 0);
  EXPECT_EQ(done, 1U);
  EXPECT_EQ(invalidate(std::vector<Long>{{cmd::tlbi_nsnh_all(), {}}, {cmd::tlbi_nsnh_all(), {0, 1}}}, viommu), E2BIG);
  EXPECT_EQ(done, 0U);
}

TEST_F(NestedClientThreads, ManyLongInvalidationsAreTakenInPieces) {
  begin_with_name();
  struct Long {
    Command command;
    std::byte more[4096 - sizeof(Command)];
  };
  constexpr std::uint32_t count = 4500; // 18 MB
  Pages pages{count * sizeof(Long)};
  const auto commands = reinterpret_cast<Long*>(pages.at);
  std::fill_n(commands, count, Long{cmd::cfgi_cd_all(vsid), {}});
  i::HwptInvalidate call;
  const auto errno_of = [&] {
    call.hwpt_id = viommu;
    call.data_uptr = pointer(commands);
    call.data_type = u::invalidate_data_type;
    call.entry_len = sizeof(Long);
    call.entry_num = count;
    return iommu.call(call);
  };
  EXPECT_EQ(errno_of(), 0);
  EXPECT_EQ(call.entry_num, count);
  commands[4200].command = cmd::sync();
  EXPECT_EQ(errno_of(), EIO);
  EXPECT_EQ(call.entry_num, 4200U);
  const auto before = host.account().smmus[0].driver.commands;
  ASSERT_EQ(mprotect(commands + count - 1, sizeof(Long), PROT_NONE), 0);
  EXPECT_EQ(errno_of(), EFAULT);
  EXPECT_EQ(call.entry_num, 0U);
  EXPECT_EQ(host.account().smmus[0].driver.commands, before) << "all can be read, or none is executed";
}

TEST_F(NestedClientThreads, WhatOthersStandOnIsBusy) {
  begin_with_name();
  const std::uint32_t vdevice = made;
  ASSERT_EQ(nested(guest_stage1(cds)), 0);
  const std::uint32_t stage1 = made;
  ASSERT_EQ(source.attach(stage1), 0);
  EXPECT_EQ(destroy(parent), EBUSY);
  EXPECT_EQ(destroy(viommu), EBUSY);
  EXPECT_EQ(destroy(stage1), EBUSY);
  ASSERT_EQ(source.attach(parent), 0);
  EXPECT_EQ(destroy(stage1), 0);
  EXPECT_EQ(destroy(vdevice), 0);
  EXPECT_EQ(destroy(viommu), 0);
}

TEST_F(NestedClientThreads, ADeviceThatIsClosedLosesItsName) {
  begin_with_name();
  const std::uint32_t vdevice = made;
  source.file.reset();
  EXPECT_EQ(destroy(vdevice), ENOENT);
  EXPECT_EQ(invalidate({cmd::cfgi_cd_all(vsid)}), EIO);
  EXPECT_EQ(destroy(viommu), 0);
}

} // namespace
} // namespace sluice::machine::test
