#include <sluice/machine/host_parts.hpp>

namespace sluice::machine {

using platform::MutexGuard;

namespace {
constexpr std::size_t remembered = 16;
}

std::vector<StaleUse> Host::Parts::audit_smmu(unsigned smmu, std::span<const arch::Command> scope,
                                              std::uint64_t& compared) {
  std::vector<StaleUse> stale;
  for (unsigned f = 0; f < functions.size(); ++f) {
    if (functions[f]->config().smmu != smmu) {
      continue;
    }
    const model::Audit audit = functions[f]->audit(scope);
    compared += audit.compared;
    for (const model::StaleTranslation& s : audit.stale) {
      stale.push_back({f, s.address, s.by_ipa, s.cached, s.fresh});
    }
  }
  return stale;
}

void Host::Parts::audit_invalidated() {
  for (unsigned i = 0; i < smmus.size(); ++i) {
    const auto scope = smmus[i]->take_invalidations();
    if (scope.empty()) {
      continue;
    }
    std::uint64_t compared = 0;
    const auto stale = audit_smmu(i, scope, compared);
    const MutexGuard guard{port.sync, mutex};
    Audited& sum = audited[i];
    ++sum.audits;
    sum.compared += compared;
    sum.stale += stale.size();
    for (const StaleUse& s : stale) {
      if (sum.first.size() < remembered) {
        sum.first.push_back(s);
      }
    }
  }
}

std::vector<StaleUse> Host::audit() {
  std::vector<StaleUse> all;
  std::uint64_t compared = 0;
  for (unsigned i = 0; i < smmus(); ++i) {
    const auto stale = parts_->audit_smmu(i, {}, compared);
    all.insert(all.end(), stale.begin(), stale.end());
  }
  return all;
}

} // namespace sluice::machine
