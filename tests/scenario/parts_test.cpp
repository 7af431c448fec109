#include <sluice/arch/event.hpp>
#include <sluice/hosted/arena.hpp>
#include <sluice/scenario/event_book.hpp>
#include <sluice/scenario/history.hpp>
#include <sluice/scenario/lease.hpp>
#include <sluice/scenario/stamp.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace sluice::scenario {
namespace {

TEST(Stamp, IsReadBackFromItsWord) {
  for (const Stamp s : {Stamp{0, 0}, Stamp{1, 8}, Stamp{0xffffff, (1ULL << 43) - 8}, Stamp{77, 0x4000123450}}) {
    EXPECT_EQ(stamp_of(word_of(s)), s);
  }
}

TEST(Stamp, EveryByteTellsOwnersApartSomewhereInAPage) {
  for (unsigned byte = 0; byte < 8; ++byte) {
    unsigned differs = 0;
    for (std::uint64_t iova = 0; iova < 4096; iova += 8) {
      differs += byte_of(1, iova + byte) != byte_of(2, iova + byte) ? 1 : 0;
    }
    EXPECT_GT(differs, 480u) << "byte " << byte;
  }
}

TEST(Stamp, AnyPieceOfABufferIsRecognised) {
  alignas(8) std::array<std::byte, 256> ram{};
  stamp(ram.data(), 5, 0x1000, ram.size());
  for (std::size_t begin = 0; begin < 17; ++begin) {
    for (std::size_t size = 1; size < 40; ++size) {
      EXPECT_TRUE(stamped(ram.data() + begin, 5, 0x1000 + begin, size));
    }
  }
}

TEST(Stamp, OneWrongByteIsNotRecognised) {
  alignas(8) std::array<std::byte, 64> ram{};
  stamp(ram.data(), 5, 0x1000, ram.size());
  for (std::size_t i = 3; i < 50; ++i) {
    auto copy = ram;
    copy[i] ^= std::byte{1};
    EXPECT_FALSE(stamped(copy.data() + 3, 5, 0x1003, 47)) << i;
  }
}

TEST(Stamp, AnotherOwnerOrAddressIsNotRecognised) {
  alignas(8) std::array<std::byte, 64> ram{};
  stamp(ram.data(), 5, 0x1000, ram.size());
  EXPECT_FALSE(stamped(ram.data(), 6, 0x1000, ram.size()));
  EXPECT_FALSE(stamped(ram.data(), 5, 0x2000, ram.size()));
}

TEST(Findings, CountPerRuleAndKeepTheFirst) {
  Findings findings;
  EXPECT_FALSE(findings.any());
  findings.add(Rule::unmap, "first");
  findings.add(Rule::unmap, "second");
  EXPECT_TRUE(findings.any());
  const auto checks = findings.checks();
  ASSERT_EQ(checks.size(), rules);
  const auto& unmap = checks[static_cast<std::size_t>(Rule::unmap)];
  EXPECT_EQ(unmap.rule, Rule::unmap);
  EXPECT_EQ(unmap.failures, 2u);
  EXPECT_EQ(unmap.first, "first");
  EXPECT_TRUE(checks[0].holds());
}

// Spaces are only told apart here.
class HistoryTest : public testing::Test {
protected:
  Space& space(std::size_t i) { return *reinterpret_cast<Space*>(&dummies[i]); }
  std::array<std::uint64_t, 8> dummies{};
  History history;
};

TEST_F(HistoryTest, AnAccessBetweenChangesHasOneRightAnswer) {
  history.begin(space(0));
  history.end();
  const auto range = history.since(history.mark());
  EXPECT_EQ(range.first, range.last);
  EXPECT_EQ(&history.at(range.first), &space(0));
}

TEST_F(HistoryTest, AnAccessDuringAChangeHasTwo) {
  history.begin(space(0));
  history.end();
  const auto mark = history.mark();
  history.begin(space(1));
  const auto range = history.since(mark);
  EXPECT_EQ(&history.at(range.first), &space(0));
  EXPECT_EQ(&history.at(range.last), &space(1));
}

TEST_F(HistoryTest, AnAccessThatBeginsAfterAChangeHasOnlyTheNewOne) {
  history.begin(space(0));
  history.end();
  history.begin(space(1));
  history.end();
  const auto range = history.since(history.mark());
  EXPECT_EQ(range.first, range.last);
  EXPECT_EQ(&history.at(range.first), &space(1));
}

TEST_F(HistoryTest, ChangesWaitForTheTrafficToComeAlong) {
  for (std::uint64_t i = 0; i < History::ahead; ++i) {
    ASSERT_TRUE(history.may_begin());
    history.begin(space(i % 2));
    history.end();
  }
  EXPECT_FALSE(history.may_begin());
  history.pass();
  EXPECT_TRUE(history.may_begin());
}

class EventBookTest : public testing::Test {
protected:
  static arch::Event record(arch::EventType type, std::uint32_t stream, std::uint64_t iova) {
    arch::Event event;
    event.set(arch::Event::Type, type).set(arch::Event::StreamID, stream);
    event.set(arch::Event::InputAddr, iova).set(arch::Event::RnW, 1);
    return event;
  }
  void arrives(const arch::Event& event, iommu::FaultKind kind = iommu::FaultKind::translation) {
    iommu::Fault fault;
    fault.kind = kind;
    fault.requester = static_cast<std::uint32_t>(event.get(arch::Event::StreamID));
    fault.has_address = true;
    fault.iova = event.get(arch::Event::InputAddr);
    fault.record = std::as_bytes(std::span{event.w});
    book.on_fault(fault);
  }

  Findings findings;
  EventBook book{{7, 9}, findings};
};

TEST_F(EventBookTest, AnExpectedTranslationFaultIsSeenOnce) {
  book.expect(1, 0x1008);
  EXPECT_FALSE(book.seen(1));
  arrives(record(arch::EventType::F_TRANSLATION, 9, 0x1008));
  EXPECT_TRUE(book.seen(1));
  EXPECT_FALSE(findings.any());
  arrives(record(arch::EventType::F_TRANSLATION, 9, 0x1008));
  EXPECT_TRUE(findings.any()) << "a second record of the same access";
}

TEST_F(EventBookTest, AnotherAddressIsWrong) {
  book.expect(1, 0x1008);
  arrives(record(arch::EventType::F_TRANSLATION, 9, 0x1000));
  EXPECT_FALSE(book.seen(1));
  EXPECT_TRUE(findings.any());
}

TEST_F(EventBookTest, AnotherStreamIsWrong) {
  book.expect(1, 0x1008);
  arrives(record(arch::EventType::F_TRANSLATION, 7, 0x1008));
  EXPECT_FALSE(book.seen(1));
  EXPECT_EQ(book.unexpected(), 1u);
}

TEST_F(EventBookTest, AnotherEventIsWrong) {
  book.expect(1, 0x1008);
  arrives(record(arch::EventType::F_PERMISSION, 9, 0x1008), iommu::FaultKind::permission);
  EXPECT_FALSE(book.seen(1));
  EXPECT_TRUE(findings.any());
}

TEST_F(EventBookTest, NothingIsExpectedAfterTheProbeIsSettled) {
  book.expect(0, 0x1008);
  book.settle(0);
  arrives(record(arch::EventType::F_TRANSLATION, 7, 0x1008));
  EXPECT_EQ(book.expected(), 0u);
  EXPECT_EQ(book.unexpected(), 1u);
}

} // namespace
} // namespace sluice::scenario
