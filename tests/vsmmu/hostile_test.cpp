#include "rig.hpp"

#include <random>

// A guest that does what no driver does. The host is given nothing that a well-behaved guest's SMMU would not give it.
namespace sluice::vsmmu::test {
namespace {

using namespace arch;

class Hostile : public Rig {
protected:
  void SetUp() override {
    Rig::SetUp();
    kernel.refuses = [this](const Command& c) {
      wrong += fits(c) ? 0 : 1;
      return 0;
    };
    kernel.no_ste = [this](const SteWords& words) {
      wrong += fits(words) ? 0 : 1;
      return false;
    };
    start();
  }

  // As the host checks: iommufd.md 1.3 and 1.4, by hand.
  static bool fits(const Command& c) {
    const std::uint64_t opcode = c.w[0] & 0xff;
    const std::set<std::uint64_t> allowed{0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x30};
    const bool stream = opcode == 0x05 || opcode == 0x06;
    if (!allowed.contains(opcode) || (stream && c.w[0] >> 32 != sid)) {
      return false;
    }
    const bool va = opcode == 0x12 || opcode == 0x13;
    const std::uint64_t tg = c.w[1] >> 10 & 3, ttl = c.w[1] >> 8 & 3;
    const std::uint64_t num = c.w[0] >> 12 & 31, scale = c.w[0] >> 20 & 31;
    const bool range =
        tg == 0 ? num == 0 && scale == 0 && ttl == 0 : (num != 0 || scale != 0 || ttl != 0) && !(tg == 2 && ttl == 1);
    const std::uint64_t low = va ? 0xff + (31ULL << 12) + (31ULL << 20) : 0xff;
    const std::uint64_t vmid = 0xffffULL << 32, asid = 0xffffULL << 48;
    const std::uint64_t high = stream                             ? 0xffff'ffffULL << 32
                               : opcode == 0x30                   ? 0
                               : opcode == 0x10 || opcode == 0x13 ? vmid
                                                                  : vmid | asid;
    const std::uint64_t second = va ? 0xffff'ffff'ffff'f000 | 0xf01 : opcode == 0x05 ? 1 : 0;
    return (c.w[0] & ~(low | high)) == 0 && (c.w[1] & ~second) == 0 && (!va || range);
  }
  static bool fits(const SteWords& words) {
    const std::uint64_t config = words[0] >> 1 & 7;
    const std::uint64_t first = 1 | 7ULL << 1 | ((1ULL << 44) - 1 - 63); // no substreams
    return (words[0] & 1) == 1 && (config == 0 || config == 4 || config == 5) && (words[0] & ~first) == 0 &&
           (words[1] & ~0xfcULL) == 0;
  }
  std::uint64_t pick(std::uint64_t below) { return random() % below; }

  std::mt19937_64 random{5};
  std::uint64_t wrong{};
};

TEST_F(Hostile, EveryRegisterAtEverySizeAndOffset) {
  for (std::uint32_t offset = 0; offset < frame_size + 64; ++offset) {
    for (const unsigned size : {0U, 1U, 2U, 3U, 4U, 8U, 16U}) {
      for (const std::uint64_t value : {0ULL, ~0ULL, 0x5555'5555'5555'5555ULL}) {
        if ((offset & 0xfff) < 0x240 || offset % 64 == 0 || value == 0) {
          smmu->write(offset, size, value);
          const std::uint64_t read = smmu->read(offset, size);
          EXPECT_TRUE(((size == 4 || size == 8) && offset % size == 0 && offset < frame_size) || read == 0)
              << offset << " " << size;
        }
      }
    }
  }
  EXPECT_EQ(wrong, 0U);
}

TEST_F(Hostile, IdentificationCannotBeWritten) {
  for (std::uint32_t offset = 0; offset < CR0::offset; offset += 4) {
    const std::uint64_t before = smmu->read(offset, 4);
    smmu->write(offset, 4, ~before);
    EXPECT_EQ(smmu->read(offset, 4), before);
  }
}

TEST_F(Hostile, WhatIsGuardedIsNotWritten) {
  set<CMDQ_BASE>(0);
  set<STRTAB_BASE>(0);
  set<EVENTQ_BASE>(0);
  set(CMDQ_CONS{}.with(CMDQ_CONS::RD, 5));
  EXPECT_EQ(get<CMDQ_BASE>().get(CMDQ_BASE::ADDR), commands);
  EXPECT_EQ(get<STRTAB_BASE>().get(STRTAB_BASE::ADDR), table);
  EXPECT_EQ(get<EVENTQ_BASE>().get(EVENTQ_BASE::ADDR), events);
  EXPECT_EQ(consumed(), 0U);
}

TEST_F(Hostile, EveryBitOfEveryCommand) {
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    for (unsigned bit = 8; bit < 128; ++bit) {
      Command c;
      c.w[0] = opcode | std::uint64_t{sid} << 32;
      c.w[bit / 64] ^= 1ULL << bit % 64;
      send({c, cmd::sync()});
      if (stopped()) {
        EXPECT_EQ(command_error(), Cerror::ILL);
        put_command(produced - 2, cmd::sync());
        acknowledge();
      }
      ASSERT_EQ(consumed(), queue_pointer(produced, cmdq_log2)) << opcode << " " << bit;
    }
  }
  EXPECT_EQ(wrong, 0U) << "nothing that a host would refuse";
}

TEST_F(Hostile, EveryBitOfEverySte) {
  for (unsigned kind = 0; kind < 8; ++kind) {
    for (unsigned bit = 0; bit < 512; ++bit) {
      Ste ste = stage1_ste().with(Ste::Config, static_cast<SteConfig>(kind));
      ste.w[bit / 64] ^= 1ULL << bit % 64;
      put_ste(sid, ste);
      send({cmd::cfgi_ste(sid, true), cmd::sync()});
      set<EVENTQ_CONS>(get<EVENTQ_PROD>().raw());
      ASSERT_FALSE(stopped());
    }
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_LE(kernel.live.size(), 6U) << "vIOMMU, abort, bypass, events, vDEVICE, and one of the device's own";
}

TEST_F(Hostile, RandomWordsInTheQueueAndTheTable) {
  for (int turn = 0; turn < 4000; ++turn) {
    std::vector<Command> list(pick(12) + 1);
    for (Command& c : list) {
      c.w = {random(), random()};
      c.set(Command::StreamID, pick(2) != 0 ? sid : c.get(Command::StreamID));
      const std::array known{3, 4, 5, 6, 0x10, 0x11, 0x12, 0x13, 0x30, 0x46};
      c.w[0] = (c.w[0] & ~0xffULL) | static_cast<unsigned>(known[pick(known.size())]);
      c.set(Command::SSec, 0);
    }
    Ste ste;
    for (std::uint64_t& word : ste.w) {
      word = random();
    }
    put_ste(sid, ste.with(Ste::V, 1));
    send(list);
    for (int n = 0; stopped() && n < 20; ++n) {
      put_command(consumed(), cmd::sync());
      acknowledge();
    }
    set<EVENTQ_CONS>(get<EVENTQ_PROD>().raw());
    ASSERT_EQ(consumed(), queue_pointer(produced, cmdq_log2));
  }
  EXPECT_EQ(wrong, 0U);
}

TEST_F(Hostile, RandomRegistersWhileEverythingRuns) {
  const std::array offsets{CR0::offset,
                           CR1::offset,
                           CR2::offset,
                           GBPA::offset,
                           IRQ_CTRL::offset,
                           GERRORN::offset,
                           STRTAB_BASE::offset,
                           STRTAB_BASE_CFG::offset,
                           CMDQ_BASE::offset,
                           CMDQ_PROD::offset,
                           CMDQ_CONS::offset,
                           EVENTQ_BASE::offset,
                           EVENTQ_PROD::offset,
                           EVENTQ_CONS::offset,
                           EVENTQ_IRQ_CFG0::offset};
  for (auto& byte : memory.bytes) {
    byte = static_cast<std::byte>(random());
  }
  for (int turn = 0; turn < 20000; ++turn) {
    const std::uint32_t offset = offsets[pick(offsets.size())];
    std::uint64_t value = random() >> pick(64);
    value = pick(4) == 0 ? ram + pick(1 << 20) : value;
    value = offset == CR0::offset && pick(2) != 0 ? 0xd : value;
    smmu->write(offset + 4 * static_cast<std::uint32_t>(pick(2) * (pick(4) == 0)), pick(2) != 0 ? 4 : 8, value);
    if (pick(16) == 0) {
      acknowledge();
    }
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_LE(kernel.live.size(), 6U);
  smmu.reset();
  EXPECT_TRUE(kernel.live.empty());
}

// The n-th call of a guest's life fails, for each n and what a host may say.
TEST_F(Hostile, EachCallOfAGuestsLifeMayFail) {
  smmu.reset();
  for (const Errno error : {Errno::no_memory, Errno::io, Errno::invalid, Errno::busy, Errno::unsupported,
                            Errno::no_device, Errno::timed_out, Errno::no_entry}) {
    std::uint64_t n = 1;
    for (bool failed = true; failed; ++n) {
      ASSERT_LT(n, 60U);
      kernel.attached.clear();
      kernel.live.clear();
      make();
      produced = 0;
      memory.bytes.assign(memory.bytes.size(), {});
      kernel.fail(n, error);
      if (smmu->add_device({device, 7, sid})) {
        place_queues();
        enable();
        put_ste(sid, config_ste(SteConfig::bypass));
        send({cmd::tlbi_nsnh_all(), cmd::cfgi_all(), cmd::sync()});
        put_ste(sid, stage1_ste());
        send({cmd::cfgi_ste(sid, true), cmd::tlbi_nh_asid(0, 1), cmd::tlbi_nh_asid(0, 2), cmd::sync()});
        for (int tries = 0; stopped() && tries < 3; ++tries) { // a driver skips what is illegal
          if (command_error() == Cerror::ILL) {
            put_command(consumed(), cmd::sync());
          }
          acknowledge();
        }
        EXPECT_EQ(consumed(), queue_pointer(produced, cmdq_log2));
        const auto place = smmu->place_of(sid);
        const bool there = kernel.attached.contains(device);
        EXPECT_EQ(there, place != Place::nowhere) << "what it says is where the device is";
        if (place == Place::stage1) {
          EXPECT_EQ(kernel.nested[kernel.attached[device]][0] >> 1 & 7, 5U);
        }
      }
      failed = kernel.calls >= kernel.fail_at;
      smmu.reset();
    }
    EXPECT_GT(n, 12U);
  }
}

} // namespace
} // namespace sluice::vsmmu::test
