#include <sluice/machine/names.hpp>

namespace sluice::machine {

std::string_view name(model::Refusal refusal) {
  switch (refusal) {
    using enum model::Refusal;
  case none:
    return "none";
  case version:
    return "version";
  case oas:
    return "oas";
  case streamid_bits:
    return "streamid_bits";
  case substream_bits:
    return "substream_bits";
  case queue_size:
    return "queue_size";
  case bbml:
    return "bbml";
  case httu:
    return "httu";
  case stall_model:
    return "stall_model";
  case stall_max:
    return "stall_max";
  case cache_size:
    return "cache_size";
  case no_stage:
    return "no_stage";
  case hyp_stages:
    return "hyp_stages";
  case needs_two_level:
    return "needs_two_level";
  case pri_without_ats:
    return "pri_without_ats";
  case no_granule:
    return "no_granule";
  case oas_version:
    return "oas_version";
  case oas52_granule:
    return "oas52_granule";
  case va52_granule:
    return "va52_granule";
  case v31_features:
    return "v31_features";
  case v32_features:
    return "v32_features";
  case too_new:
    return "too_new";
  case stall_max_zero:
    return "stall_max_zero";
  case no_httu:
    return "no_httu";
  case no_stalls:
    return "no_stalls";
  case no_msi:
    return "no_msi";
  case no_sev:
    return "no_sev";
  case no_ats:
    return "no_ats";
  case no_pri:
    return "no_pri";
  case no_btm:
    return "no_btm";
  }
  return "a refusal without a name";
}

} // namespace sluice::machine
