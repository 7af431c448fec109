#pragma once

#include <sluice/arch/command.hpp>
#include <sluice/arch/descriptors.hpp>
#include <sluice/arch/event.hpp>
#include <sluice/arch/pri.hpp>
#include <sluice/arch/register_map.hpp>
#include <sluice/arch/ste.hpp>

#include <string_view>

// Words for encodings; empty for a value that has none.
namespace sluice::arch::names {

std::string_view name_of(Opcode);    // CMD_SYNC
std::string_view name_of(EventType); // F_TRANSLATION
std::string_view name_of(Cerror);    // CERROR_ILL
std::string_view name_of(EventClass);
std::string_view name_of(SyncSignal);
std::string_view name_of(PriResponse);
std::string_view name_of(PrgResponse);

std::string_view name_of(SteConfig);
std::string_view name_of(S1Format);
std::string_view name_of(S1Dss);
std::string_view name_of(Eats);
std::string_view name_of(Strw);
std::string_view name_of(StreamTableFormat);

std::string_view name_of(Shareability);
std::string_view name_of(Cacheability);
std::string_view name_of(RegisterCacheability);
std::string_view name_of(ShareabilityOverride);
std::string_view name_of(PrivilegeOverride);
std::string_view name_of(InstructionOverride);
std::string_view name_of(SecurityOverride);
std::string_view name_of(MemAttr);
std::string_view name_of(FwbMemAttr);

std::string_view name_of(AddressSize);
std::string_view name_of(Granule);
std::string_view name_of(Tg0);
std::string_view name_of(Tg1);
std::string_view name_of(S2Tg);
std::string_view name_of(TlbiTg);

std::string_view name_of(Ttf);
std::string_view name_of(Httu);
std::string_view name_of(TtEndian);
std::string_view name_of(StallModel);
std::string_view name_of(StLevel);
std::string_view name_of(Bbml);
std::string_view name_of(Vax);
std::string_view name_of(AtosType);
std::string_view name_of(AtosReason);

std::string_view name_of(Ap);
std::string_view name_of(S2Ap);
std::string_view name_of(S2Xn);
std::string_view name_of(DescriptorType);

std::string_view name_of(Feature);
std::string_view name_of(Access);
std::string_view name_of(Guard);
std::string_view name_of(Handshake);

} // namespace sluice::arch::names
