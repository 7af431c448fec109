#include "guest.hpp"

namespace sluice::test {
namespace {

using arch::Cerror;
using arch::Command;
using arch::Opcode;
namespace cmd = arch::cmd;

struct GuestInvalidate : Guest {
  using Guest::Guest;
  std::uint16_t vmid() const { return parent->tag().id; }
};

TEST_F(GuestInvalidate, TranslationsGoByOurVmid) {
  const auto [status, done] =
      invalidate({cmd::tlbi_nsnh_all(), cmd::tlbi_nh_all(0), cmd::tlbi_nh_asid(0, 4),
                  cmd::tlbi_nh_va(0, 4, 0xffff'f000, true), cmd::tlbi_nh_vaa(9, 0x1000, false)});
  EXPECT_TRUE(status);
  EXPECT_EQ(done, 5U);
  EXPECT_EQ(sent(), (std::vector<Command>{cmd::tlbi_nh_all(vmid()), cmd::tlbi_nh_all(vmid()),
                                          cmd::tlbi_nh_asid(vmid(), 4), cmd::tlbi_nh_va(vmid(), 4, 0xffff'f000, true),
                                          cmd::tlbi_nh_vaa(vmid(), 0x1000, false)}));
  EXPECT_EQ(m.fake.count(Opcode::CMD_SYNC), 1U);
  EXPECT_EQ(m.fake.commands().back(), cmd::sync());
}

TEST_F(GuestInvalidate, ConfigurationAndDeviceGoByOurStreamId) {
  const auto [status, done] =
      invalidate({cmd::cfgi_cd(vsid, 3, true), cmd::cfgi_cd_all(vsid), cmd::atc_inv_pasid(vsid, 3, 0x1000, 2)});
  EXPECT_TRUE(status);
  EXPECT_EQ(done, 3U);
  EXPECT_EQ(sent(), (std::vector<Command>{cmd::cfgi_cd(sid, 3, true), cmd::cfgi_cd_all(sid),
                                          cmd::atc_inv_pasid(sid, 3, 0x1000, 2)}));
}

TEST_F(GuestInvalidate, AnUnknownNameIsAnErrorAfterWhatCameBefore) {
  const auto [status, done] = invalidate({cmd::tlbi_nsnh_all(), cmd::cfgi_cd(sid, 0, true), cmd::tlbi_nh_asid(0, 1)});
  EXPECT_EQ(status, Errc::reserved_bits);
  EXPECT_EQ(done, 1U);
  EXPECT_EQ(sent(), (std::vector<Command>{cmd::tlbi_nh_all(vmid())}));
}

TEST_F(GuestInvalidate, ANameThatIsGoneIsUnknown) {
  ASSERT_TRUE(viommu->vdevice_remove(*device));
  EXPECT_EQ(invalidate({cmd::cfgi_cd_all(vsid)}).first, Errc::reserved_bits);
  ASSERT_TRUE(viommu->vdevice_add(*device, vsid + 16));
  EXPECT_EQ(invalidate({cmd::cfgi_cd_all(vsid)}).first, Errc::reserved_bits);
  EXPECT_TRUE(invalidate({cmd::cfgi_cd_all(vsid + 16)}).first);
}

TEST_F(GuestInvalidate, AllBeforeTheFirstBadEntryAreExecutedAndOnlyThose) {
  for (const std::size_t good : {0U, 1U, 5U, 31U, 32U, 33U, 64U, 100U}) {
    SCOPED_TRACE(good);
    std::vector<Command> commands;
    for (std::size_t i = 0; i < good; ++i) {
      commands.push_back(cmd::tlbi_nh_va(0, 1, i << 12, true));
    }
    commands.push_back(cmd::cfgi_ste(vsid, true)); // not a guest's to send
    commands.push_back(cmd::tlbi_nh_asid(0, 1));
    m.fake.forget();
    const auto [status, done] = invalidate(commands);
    EXPECT_EQ(status, Errc::reserved_bits);
    EXPECT_EQ(done, good);
    EXPECT_EQ(sent().size(), good);
    EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_ASID), 0U);
    if (good != 0) {
      EXPECT_EQ(m.fake.commands().back(), cmd::sync());
    }
  }
}

// A CMD_SYNC that the guest put in between is not an entry.
TEST_F(GuestInvalidate, WhatDependsOnOneAnotherIsKeptApartByASync) {
  ASSERT_TRUE(invalidate({cmd::cfgi_cd(vsid, 0, true), cmd::tlbi_nh_asid(0, 1), cmd::tlbi_nh_asid(0, 2),
                          cmd::atc_inv(vsid, 0, 52)})
                  .first);
  const auto s = cmd::sync();
  EXPECT_EQ(m.fake.commands(), (std::vector<Command>{cmd::cfgi_cd(sid, 0, true), s, cmd::tlbi_nh_asid(vmid(), 1),
                                                     cmd::tlbi_nh_asid(vmid(), 2), s, cmd::atc_inv(sid, 0, 52), s}));
}

TEST_F(GuestInvalidate, NothingOfARequestOfAnotherShapeIsExecuted) {
  const std::vector<Command> commands{cmd::tlbi_nsnh_all(), cmd::tlbi_nsnh_all()};
  const auto bytes = std::as_bytes(std::span{commands});
  const auto run = [&](std::uint32_t type, std::size_t size, std::size_t length) {
    iommu::InvalidateRequest request{.type = type, .entry_size = size, .entries = bytes.first(length), .done = 7};
    const auto status = viommu->invalidate(request);
    EXPECT_EQ(request.done, 0U);
    return status.ok() ? Errc{} : status.error();
  };
  EXPECT_EQ(run(0, 16, 32), Errc::invalid_argument);
  EXPECT_EQ(run(2, 16, 32), Errc::invalid_argument);
  EXPECT_EQ(run(1, 8, 32), Errc::invalid_argument);
  EXPECT_EQ(run(1, 0, 32), Errc::invalid_argument);
  EXPECT_EQ(run(1, 16, 24), Errc::invalid_argument);
  EXPECT_EQ(run(1, 16, 0), Errc::invalid_argument) << "no entry: not even to ask whether the type is known";
  EXPECT_EQ(run(1, 32, 32), Errc::trailing_data);
  EXPECT_TRUE(m.fake.seen().empty());
}

TEST_F(GuestInvalidate, ALongerEntryIsTakenIfItsTailIsZero) {
  struct Long {
    Command command;
    std::uint64_t tail[2];
  };
  const Long entries[2] = {{cmd::tlbi_nsnh_all(), {}}, {cmd::tlbi_nh_asid(0, 3), {}}};
  iommu::InvalidateRequest request{.type = 1, .entry_size = 32, .entries = std::as_bytes(std::span{entries})};
  EXPECT_TRUE(viommu->invalidate(request));
  EXPECT_EQ(request.done, 2U);
  EXPECT_EQ(sent(), (std::vector<Command>{cmd::tlbi_nh_all(vmid()), cmd::tlbi_nh_asid(vmid(), 3)}));
}

// An SMMU that refuses what the architecture allows.
TEST_F(GuestInvalidate, AfterACommandThatTheSmmuRefusesNothingIsExecuted) {
  for (const std::size_t bad : {0U, 1U, 3U, 4U, 31U, 40U}) {
    SCOPED_TRACE(bad);
    m.fake.judge = [&](const Command& c) {
      return c.get(Command::Opcode) == Opcode::CMD_TLBI_NH_VA && c.get(Command::Address) == bad << 12 ? Cerror::ILL
                                                                                                      : Cerror::NONE;
    };
    std::vector<Command> commands;
    for (std::size_t i = 0; i < 50; ++i) {
      commands.push_back(cmd::tlbi_nh_va(0, 1, i << 12, true));
    }
    m.fake.forget();
    const auto [status, done] = invalidate(commands);
    EXPECT_EQ(status, Errc::illegal_command);
    EXPECT_EQ(done, bad);
    EXPECT_EQ(sent().size(), bad) << "exactly what is reported";
  }
  m.fake.judge = nullptr;
  EXPECT_TRUE(invalidate({cmd::tlbi_nsnh_all()}).first) << "the queue goes on";
}

TEST_F(GuestInvalidate, AnAtcThatDoesNotAnswerIsNotCountedNorWhatFollowsExecuted) {
  unsigned invalidations = 0;
  m.fake.on_command = [&](const Command& c) { invalidations += c.get(Command::Opcode) == Opcode::CMD_ATC_INV; };
  bool told = false;
  m.fake.judge = [&](const Command& c) {
    const bool fails = c.get(Command::Opcode) == Opcode::CMD_SYNC && invalidations == 2 && !std::exchange(told, true);
    return fails ? Cerror::ATC_INV_SYNC : Cerror::NONE;
  };
  const auto [status, done] =
      invalidate({cmd::tlbi_nh_all(0), cmd::atc_inv(vsid, 0x1000, 0), cmd::atc_inv(vsid, 0x2000, 0),
                  cmd::atc_inv(vsid, 0x3000, 0), cmd::tlbi_nh_asid(0, 1)});
  EXPECT_EQ(status, Errc::atc_timed_out);
  EXPECT_EQ(done, 2U);
  EXPECT_EQ(invalidations, 2U);
  EXPECT_EQ(m.fake.count(Opcode::CMD_TLBI_NH_ASID), 0U);
}

struct StoppedGuestInvalidate : GuestInvalidate {
  StoppedGuestInvalidate() : GuestInvalidate{until_it_has_stopped} {}
};

TEST_F(StoppedGuestInvalidate, ReportsWhatWasConfirmed) {
  std::vector<Command> commands(40, cmd::tlbi_nh_asid(0, 1));
  m.fake.stop_after = m.fake.consumed() + 36; // 32 and a CMD_SYNC, then three of eight
  const auto [status, done] = invalidate(commands);
  EXPECT_EQ(status, Errc::timed_out);
  EXPECT_EQ(done, 32U);
  EXPECT_EQ(invalidate(commands).first, Errc::smmu_failed);
  EXPECT_EQ(invalidate(commands).second, 0U);
  m.fake.stop_after = ~0ULL;
}

TEST_F(GuestInvalidate, AllocatesNothing) {
  const std::vector<Command> commands(100, cmd::tlbi_nh_asid(0, 1));
  m.port.memory.fail(1);
  EXPECT_TRUE(invalidate(commands).first);
  m.port.memory.fail(0);
}

TEST_F(GuestInvalidate, OfTwoGuestsOnOneParentCarryTheSameVmid) {
  auto* other = make_viommu(*parent);
  std::swap(viommu, other);
  EXPECT_TRUE(invalidate({cmd::tlbi_nsnh_all()}).first);
  std::swap(viommu, other);
  EXPECT_EQ(sent(), (std::vector<Command>{cmd::tlbi_nh_all(vmid())}));
  ASSERT_TRUE(other->destroy());
}

} // namespace
} // namespace sluice::test
