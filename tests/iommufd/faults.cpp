#include "fakes.hpp"

#include <sluice/iommu/group.hpp>
#include <sluice/iommufd/fault_queue.hpp>

#include <gtest/gtest.h>

#include <algorithm>

// Pages that devices wait for: to the client as records, and back as its answers.
namespace sluice::iommufd::test {
namespace {

using iommu::PageResponse;

struct Faults : ::testing::Test {
  static constexpr std::size_t record = sizeof(u::HwptPgfault);

  Client c;
  std::uint32_t ioas = c.ioas();
  Device* device = nullptr;
  std::uint32_t queue = 0;
  std::uint32_t hwpt = 0;
  FakeDomain* domain = nullptr;

  void SetUp() override {
    c.rng.pasids = 16;
    device = *c.context.bind(c.rng, {});
    queue = c.fault_queue();
    ASSERT_NE(queue, 0u);
    hwpt = table();
    domain = c.unit.last_paging;
    ASSERT_TRUE(c.context.attach(*device, hwpt));
  }
  void TearDown() override {
    if (device != nullptr) {
      c.context.unbind(*device);
    }
  }
  std::uint32_t table(std::uint32_t flags = u::hwpt_pasid) {
    EXPECT_EQ(c.hwpt(device->id(), ioas, flags | u::hwpt_fault_id_valid, queue), 0);
    return c.made;
  }
  // A group of as many pages, from `iova` on. Whether somebody takes it.
  bool fault(std::uint64_t iova, std::size_t pages = 1, iommu::Target target = {}, FakeDevice* from = nullptr,
             FakeDomain* in = nullptr) {
    std::vector<iommu::PageRequest> requests;
    for (std::size_t i = 0; i < pages; ++i) {
      requests.push_back({.iova = iova + i * 4096, .read = true, .write = i % 2 == 1});
    }
    const platform::ReadSection section{c.port.sync};
    return (in != nullptr ? in : domain)
        ->deliver({.device = from != nullptr ? from : &c.rng,
                   .domain = in != nullptr ? in : domain,
                   .target = target,
                   .stalled = pages == 1,
                   .tag = 0x77,
                   .pages = requests,
                   .ticket = {}});
  }
  // Records, or a negative errno.
  std::int64_t read(std::uint64_t count, std::uint64_t offset = 0) {
    const auto bytes = c.channels.queue_file->read(Client::buffer, count, offset);
    records.resize(bytes > 0 ? static_cast<std::size_t>(bytes) / record : 0);
    std::copy_n(&c.caller.bytes[Client::buffer], records.size() * record, reinterpret_cast<std::byte*>(records.data()));
    return bytes < 0 ? bytes : bytes / static_cast<std::int64_t>(record);
  }
  std::int64_t answer(const std::vector<u::HwptPageResponse>& responses) {
    std::memcpy(&c.caller.bytes[Client::buffer], responses.data(), responses.size() * 8);
    const auto bytes = c.channels.queue_file->write(Client::buffer, responses.size() * 8, 0);
    return bytes < 0 ? bytes : bytes / 8;
  }
  bool readable() const { return c.channels.last_queue->readable; }

  std::vector<u::HwptPgfault> records;
};

TEST_F(Faults, AGroupIsReadAsRecordsOfItsPages) {
  EXPECT_FALSE(readable());
  ASSERT_TRUE(fault(0x5000, 3, iommu::Target::pasid(7)));
  EXPECT_TRUE(readable());
  ASSERT_EQ(read(8 * record), 3);
  EXPECT_FALSE(readable());
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(records[i].flags, u::pgfault_pasid_valid | (i == 2 ? u::pgfault_last_page : 0U));
    EXPECT_EQ(records[i].dev_id, device->id());
    EXPECT_EQ(records[i].pasid, 7u);
    EXPECT_EQ(records[i].grpid, 0x77u);
    EXPECT_EQ(records[i].perm, i == 1 ? u::pgfault_read | u::pgfault_write : u::pgfault_read);
    EXPECT_EQ(records[i].addr, 0x5000 + i * 4096);
    EXPECT_EQ(records[i].length, 0u);
    EXPECT_EQ(records[i].cookie, 1u);
  }
}

TEST_F(Faults, ARequestWithoutPasidHasNone) {
  ASSERT_TRUE(fault(0x5000));
  ASSERT_EQ(read(record), 1);
  EXPECT_EQ(records[0].flags, u::pgfault_last_page);
  EXPECT_EQ(records[0].pasid, 0u);
}

TEST_F(Faults, TheDescriptorIsTheClientsWhenTheCallHasSucceeded) {
  EXPECT_TRUE(c.channels.last_queue->given);
  c.caller.read_only_from = Client::at;
  EXPECT_EQ(c.fault_queue(), 0u);
  EXPECT_EQ(c.channels.live_queues, 1) << "and no other is left";
}

TEST_F(Faults, NothingThereIsZeroAndNoError) {
  EXPECT_EQ(read(record), 0);
  EXPECT_EQ(read(0), 0);
}

TEST_F(Faults, OnlyWholeRecordsFromTheStartAreRead) {
  ASSERT_TRUE(fault(0x5000));
  EXPECT_EQ(read(record - 1), -ESPIPE);
  EXPECT_EQ(read(record, record), -ESPIPE);
  EXPECT_EQ(read(record), 1);
}

TEST_F(Faults, AGroupThatDoesNotFitIsEINVALOrWaitsForTheNextRead) {
  ASSERT_TRUE(fault(0x5000, 3));
  ASSERT_TRUE(fault(0x9000, 2));
  EXPECT_EQ(read(2 * record), -EINVAL);
  EXPECT_TRUE(readable());
  EXPECT_EQ(read(4 * record), 3);
  EXPECT_TRUE(readable());
  EXPECT_EQ(read(4 * record), 2);
  EXPECT_EQ(records[0].addr, 0x9000u);
  EXPECT_EQ(records[0].cookie, 2u);
}

TEST_F(Faults, ABufferThatIsNotThereIsEFAULTAndLosesNothing) {
  ASSERT_TRUE(fault(0x5000, 2));
  EXPECT_EQ(c.channels.queue_file->read(0, 2 * record, 0), -EFAULT);
  EXPECT_EQ(c.channels.queue_file->read(c.caller.bytes.size() - record, 2 * record, 0), -EFAULT) << "half of it";
  EXPECT_TRUE(readable());
  ASSERT_EQ(read(2 * record), 2);
  EXPECT_EQ(records[0].cookie, 1u);
}

TEST_F(Faults, AnAnswerReachesTheDeviceOnce) {
  ASSERT_TRUE(fault(0x5000));
  ASSERT_TRUE(fault(0x6000));
  ASSERT_EQ(read(2 * record), 2);
  EXPECT_EQ(answer({{.cookie = 2, .code = u::page_response_invalid}}), 1);
  EXPECT_EQ(answer({{.cookie = 2, .code = u::page_response_success}}), -EINVAL);
  EXPECT_EQ(answer({{.cookie = 1, .code = u::page_response_success}}), 1);
  EXPECT_EQ(c.unit.responses, (std::vector{PageResponse::invalid, PageResponse::served}));
}

TEST_F(Faults, ACookieIsTheLowestThatIsFree) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(fault(0x5000));
  }
  ASSERT_EQ(read(3 * record), 3);
  ASSERT_EQ(answer({{.cookie = 2, .code = 0}}), 1);
  ASSERT_TRUE(fault(0x5000));
  ASSERT_TRUE(fault(0x5000));
  ASSERT_EQ(read(2 * record), 2);
  EXPECT_EQ(records[0].cookie, 2u);
  EXPECT_EQ(records[1].cookie, 4u);
}

TEST_F(Faults, SeveralAnswersAreTakenUpToTheFirstBadOne) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(fault(0x5000));
  }
  ASSERT_EQ(read(3 * record), 3);
  EXPECT_EQ(answer({{.cookie = 1, .code = 0}, {.cookie = 9, .code = 0}, {.cookie = 2, .code = 0}}), 1);
  EXPECT_EQ(c.unit.responses.size(), 1u);
  EXPECT_EQ(answer({{.cookie = 2, .code = 0}, {.cookie = 3, .code = 0}}), 2);
}

TEST_F(Faults, ABadAnswerIsEINVALOfAWrongSizeESPIPEAndOutOfNowhereEFAULT) {
  ASSERT_TRUE(fault(0x5000));
  EXPECT_EQ(answer({{.cookie = 1, .code = 0}}), -EINVAL) << "not read yet";
  ASSERT_EQ(read(record), 1);
  EXPECT_EQ(answer({{.cookie = 1, .code = 2}}), -EINVAL);
  EXPECT_EQ(c.channels.queue_file->write(Client::buffer, 7, 0), -ESPIPE);
  EXPECT_EQ(c.channels.queue_file->write(Client::buffer, 8, 8), -ESPIPE);
  EXPECT_EQ(c.channels.queue_file->write(0, 8, 0), -EFAULT);
  EXPECT_EQ(c.channels.queue_file->write(Client::buffer, 0, 0), 0);
  EXPECT_TRUE(c.unit.responses.empty());
  EXPECT_EQ(answer({{.cookie = 1, .code = 0}}), 1);
}

TEST_F(Faults, AnAnswerToWhatTheDriverHasAnsweredMeanwhileIsTaken) {
  ASSERT_TRUE(fault(0x5000));
  ASSERT_EQ(read(record), 1);
  c.unit.answered_before = true;
  EXPECT_EQ(answer({{.cookie = 1, .code = 0}}), 1);
  EXPECT_EQ(answer({{.cookie = 1, .code = 0}}), -EINVAL);
}

TEST_F(Faults, ADetachForgetsWhatWaitsForItReadOrNot) {
  ASSERT_TRUE(fault(0x5000));
  ASSERT_EQ(read(record), 1);
  ASSERT_TRUE(fault(0x6000));
  c.context.detach(*device);
  EXPECT_EQ(answer({{.cookie = 1, .code = 0}}), -EINVAL);
  EXPECT_EQ(read(record), 0);
  EXPECT_TRUE(c.unit.responses.empty()) << "the driver answers when an attachment ends";
}

TEST_F(Faults, OnlyWhatCameThroughTheAttachmentThatIsReplacedIsForgotten) {
  ASSERT_TRUE(c.context.attach(*device, hwpt, 5));
  ASSERT_TRUE(fault(0x5000));
  ASSERT_TRUE(fault(0x6000, 1, iommu::Target::pasid(5)));
  ASSERT_TRUE(c.context.attach(*device, table(), no_pasid));
  ASSERT_EQ(read(2 * record), 1);
  EXPECT_EQ(records[0].pasid, 5u);
  EXPECT_EQ(answer({{.cookie = 1, .code = 0}}), 1);
}

TEST_F(Faults, FaultsOfTheNewTableComeInTheirPlace) {
  ASSERT_TRUE(c.context.attach(*device, table(), no_pasid));
  ASSERT_TRUE(fault(0x7000, 1, {}, nullptr, c.unit.last_paging));
  ASSERT_EQ(read(record), 1);
  EXPECT_EQ(records[0].addr, 0x7000u);
}

TEST_F(Faults, OneOfADeviceThatIsNotAttachedHereFailsAtOnce) {
  EXPECT_TRUE(fault(0x5000, 1, {}, &c.second));
  EXPECT_EQ(c.unit.responses, std::vector{PageResponse::failed});
  EXPECT_EQ(read(record), 0);
}

TEST_F(Faults, AQueueThatNobodyReadsHasABound) {
  for (std::size_t i = 0; i < FaultQueue::most_groups; ++i) {
    ASSERT_TRUE(fault(0x5000));
  }
  EXPECT_TRUE(c.unit.responses.empty());
  ASSERT_TRUE(fault(0x6000));
  EXPECT_EQ(c.unit.responses, std::vector{PageResponse::failed});
  ASSERT_EQ(read(record), 1);
  ASSERT_EQ(answer({{.cookie = 1, .code = 0}}), 1);
  ASSERT_TRUE(fault(0x7000));
  EXPECT_EQ(c.unit.responses.size(), 2u) << "there is room for one again";
}

TEST_F(Faults, AQueueLivesAsLongAsATableUsesItOrItsDescriptorIsOpen) {
  EXPECT_EQ(c.destroy(queue), EBUSY);
  c.context.detach(*device);
  ASSERT_EQ(c.destroy(hwpt), 0);
  EXPECT_EQ(c.destroy(queue), EBUSY) << "its descriptor";
  c.channels.last_queue->open = false;
  EXPECT_EQ(c.destroy(queue), 0);
  EXPECT_EQ(c.channels.live_queues, 0);
}

TEST_F(Faults, ADescriptorThatIsClosedLeavesGroupsToTheEndOfTheirAttachment) {
  ASSERT_TRUE(fault(0x5000));
  c.channels.last_queue->open = false;
  EXPECT_EQ(c.destroy(queue), EBUSY);
  c.context.detach(*device);
  ASSERT_EQ(c.destroy(hwpt), 0);
  EXPECT_EQ(c.destroy(queue), 0);
}

TEST_F(Faults, AQueueThatIsNotThereIsENOENTAndTheTableGoesAgain) {
  const auto domains = c.unit.domains.size();
  EXPECT_EQ(c.hwpt(device->id(), ioas, u::hwpt_fault_id_valid, 99), ENOENT);
  EXPECT_EQ(c.hwpt(device->id(), ioas, u::hwpt_fault_id_valid, ioas), ENOENT);
  EXPECT_EQ(c.unit.domains.size(), domains);
  EXPECT_EQ(c.hwpt(device->id(), ioas, 0, 99), 0) << "not looked at";
}

TEST_F(Faults, AParentOfNestedTablesTakesNone) {
  EXPECT_EQ(c.hwpt(device->id(), ioas, u::hwpt_nest_parent | u::hwpt_fault_id_valid, queue), EOPNOTSUPP);
}

TEST_F(Faults, ANestedTableTakesThem) {
  ASSERT_EQ(c.hwpt(device->id(), ioas, u::hwpt_nest_parent), 0);
  ASSERT_EQ(c.viommu(device->id(), c.made), 0);
  const std::uint32_t viommu = c.made;
  u::HwptAlloc cmd{.flags = u::hwpt_fault_id_valid,
                   .dev_id = device->id(),
                   .pt_id = viommu,
                   .data_type = 2,
                   .data_len = 16,
                   .data_uptr = Client::buffer,
                   .fault_id = queue};
  ASSERT_EQ(c.call(cmd), 0);
  ASSERT_TRUE(c.context.attach(*device, cmd.out_hwpt_id));
  ASSERT_TRUE(fault(0x5000, 1, iommu::Target::pasid(3), nullptr, c.unit.last_viommu->last_nested));
  ASSERT_EQ(read(record), 1);
  EXPECT_EQ(records[0].pasid, 3u) << "a guest's own";
  cmd.flags |= u::hwpt_pasid;
  EXPECT_EQ(c.call(cmd), EOPNOTSUPP);
}

TEST_F(Faults, WhereDevicesCannotWaitTheQueueStaysEmpty) {
  c.unit.stalls = false;
  const std::uint32_t id = table(0);
  EXPECT_FALSE(c.unit.last_paging->options.page_requests);
  EXPECT_TRUE(c.context.attach(*device, id));
}

TEST_F(Faults, AMemberOfTheGroupThatIsNotAttachedItselfIsReportedAsTheOneThatIs) {
  c.context.detach(*device);
  c.context.unbind(*device);
  iommu::Group group{c.unit};
  ASSERT_TRUE(group.add(c.rng));
  ASSERT_TRUE(group.add(c.second));
  device = *c.context.bind(c.rng, {});
  ASSERT_TRUE(c.context.attach(*device, hwpt));
  ASSERT_TRUE(fault(0x5000, 1, {}, &c.second));
  ASSERT_EQ(read(record), 1);
  EXPECT_EQ(records[0].dev_id, device->id());
  c.context.detach(*device);
  EXPECT_EQ(answer({{.cookie = 1, .code = 0}}), -EINVAL) << "forgotten with the group";
  c.context.unbind(*std::exchange(device, nullptr));
  ASSERT_TRUE(group.remove(c.rng));
  ASSERT_TRUE(group.remove(c.second));
}

} // namespace
} // namespace sluice::iommufd::test
