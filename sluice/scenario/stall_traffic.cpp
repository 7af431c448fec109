#include <sluice/scenario/stall_traffic.hpp>

#include <sluice/hosted/mmio_order.hpp>
#include <sluice/machine/copy.hpp>
#include <sluice/machine/machine.hpp>

#include <fmt/format.h>

namespace sluice::scenario {

namespace {

constexpr std::uint64_t base_iova = 0x50'0000'0000, page_size = 4096;
constexpr std::uint64_t answer_limit_us = 5'000'000;

} // namespace

StallTraffic::StallTraffic(driver::Smmu& driver, iommu::Device& device, model::Smmu& hardware, std::uint32_t stream,
                           machine::ClientMemory& memory, std::function<std::uint64_t()> disturbed,
                           hosted::Random random, Findings& findings)
    : driver_{driver}, device_{device}, stream_{stream}, memory_{memory},
      disturbed_{std::move(disturbed)}, random_{random}, findings_{findings} {
  port_.emplace(hardware);
  const auto domain = driver_.make_paging({.stage = iommu::Stage::first, .page_requests = true});
  if (!domain || !(*domain)->set_page_request_handler(this) || !device_.attach(**domain)) {
    throw machine::DriverRefused{"no domain whose devices wait for their pages"};
  }
  domain_ = *domain;
  for (platform::DmaBlock& block : blocks_) {
    const auto made = memory_.alloc(page_size);
    if (!made) {
      throw hosted::SetupError{"no memory for a device that waits"};
    }
    block = *made;
  }
}

StallTraffic::~StallTraffic() {
  port_.reset();
  static_cast<void>(device_.detach());
  static_cast<void>(domain_->set_page_request_handler(nullptr));
  static_cast<void>(domain_->destroy());
  for (const platform::DmaBlock& block : blocks_) {
    memory_.free(block);
  }
}

void StallTraffic::on_page_requests(const iommu::PageRequestGroup& group) {
  auto response = iommu::PageResponse::served;
  for (const iommu::PageRequest& request : group.pages) {
    const std::uint64_t page = (request.iova - base_iova) / page_size;
    if (page >= pages) {
      response = iommu::PageResponse::invalid;
      continue;
    }
    // Another access may have asked for it before.
    static_cast<void>(
        domain_->map(base_iova + page * page_size, blocks_.at(page).bus, page_size, iommu::prot::read_write));
  }
  static_cast<void>(driver_.respond(group.ticket, response));
}

void StallTraffic::run(const std::stop_token& stop) {
  while (!stop.stop_requested() && !findings_.any()) {
    turn();
    driver_.platform().time.relax();
  }
  port_.reset();
}

model::Outcome StallTraffic::finish(model::Outcome outcome, std::uint64_t* word) {
  static_cast<void>(platform::wait_until(driver_.platform().time, answer_limit_us, [&] {
    hosted::device_access([&] { outcome = port_->follow_up(outcome.stall, word); });
    return outcome.kind != model::Outcome::Kind::stalled;
  }));
  return outcome;
}

void StallTraffic::turn() {
  const std::size_t page = random_.below(pages + 1); // the last one is never there
  if (page < pages && random_.one_in(2)) {
    static_cast<void>(domain_->unmap(base_iova + page * page_size, page_size));
  }
  const std::uint64_t offset = random_.below(page_size / 8) * 8;
  std::uint64_t word = ++last_word_;
  const std::uint64_t before = disturbed_();
  model::Outcome outcome;
  hosted::device_access([&] {
    outcome = port_->access(
        {.stream_id = stream_, .address = base_iova + page * page_size + offset, .size = 8, .write = true}, &word);
  });
  if (outcome.kind == model::Outcome::Kind::stalled) {
    ++counts_.stalled;
    outcome = finish(outcome, &word);
    judge(outcome, page, offset, word, disturbed_() != before || before % 2 != 0);
  } else if (outcome.kind == model::Outcome::Kind::aborted) {
    findings_.add(Rule::stalls, "an access was aborted instead of waiting");
  }
}

void StallTraffic::judge(const model::Outcome& outcome, std::size_t page, std::uint64_t offset, std::uint64_t word,
                         bool disturbed) {
  if (outcome.kind == model::Outcome::Kind::stalled) {
    findings_.add(Rule::stalls, "an access waits that nobody answers");
  } else if (outcome.served()) {
    std::uint64_t now = 0;
    if (page < pages) {
      machine::copy_out(static_cast<const std::byte*>(blocks_.at(page).cpu) + offset, &now, sizeof now);
    }
    if (now != word) {
      findings_.add(Rule::stalls, fmt::format("an access that waited for page {} did not write there", page));
    }
    ++counts_.served;
  } else if (disturbed) { // also one that the guest would have refused
    ++counts_.ended;
  } else if (page == pages) {
    ++counts_.refused;
  } else {
    findings_.add(Rule::stalls, fmt::format("an access was aborted that waited for page {}, which it got", page));
  }
}

} // namespace sluice::scenario
