#include <sluice/arch/names/enums.hpp>
#include <sluice/arch/names/fields.hpp>

#include "layouts.hpp"

#include <map>
#include <set>
#include <string>

namespace sluice::arch::names {
namespace {

// The bits that the names of a structure cover together.
template <class S>
std::array<std::uint64_t, S::word_count> named_bits(const S& s) {
  std::array<std::uint64_t, S::word_count> bits{};
  for (const auto& field : fields_of(s)) {
    for (unsigned bit = field.lo; bit <= field.hi; ++bit) {
      bits.at(bit / 64) |= std::uint64_t{1} << (bit % 64);
    }
  }
  return bits;
}

template <class S>
void expect_good_names(const S& s, const std::string& what) {
  std::multiset<std::string_view> seen;
  for (const auto& field : fields_of(s)) {
    EXPECT_FALSE(field.name.empty()) << what;
    seen.insert(field.name);
  }
  for (auto name : seen) {
    EXPECT_TRUE(seen.count(name) == 1 || name == "IMPDEF") << what << " " << name;
  }
}

TEST(Names, EveryFieldOfEveryStructureHasAName) {
  Structures::each([](auto layout) {
    using S = typename decltype(layout)::Structure;
    EXPECT_EQ(named_bits(S{}), base::defined_bits<S>());
    expect_good_names(S{}, "structure");
  });
}
TEST(Names, EveryFieldOfEveryCommandHasAName) {
  for (const auto& form : command_forms) {
    const auto command = Command{}.with(Command::Opcode, form.opcode);
    EXPECT_EQ(named_bits(command), form.defined) << name_of(form.opcode);
    expect_good_names(command, std::string{name_of(form.opcode)});
  }
}
TEST(Names, EveryFieldOfEveryEventHasAName) {
  for (const auto& form : event_forms) {
    const auto event = Event{}.with(Event::Type, form.type);
    EXPECT_EQ(named_bits(event), form.defined) << name_of(form.type);
    expect_good_names(event, std::string{name_of(form.type)});
  }
}
TEST(Names, EveryFieldOfEveryRegisterHasAName) {
  const auto check = [](auto layout) {
    using R = typename decltype(layout)::Structure;
    EXPECT_EQ(named_bits(R{}), base::defined_bits<R>());
    expect_good_names(R{}, "register");
  };
  FrameRegisters::each(check);
  OtherRegisters::each(check);
}
TEST(Names, EveryRegisterOfTheMapHasAName) {
  std::set<std::string_view> names;
  for (const auto& info : register_map) {
    const auto* named = names::find_register(info.offset);
    ASSERT_NE(named, nullptr) << std::hex << info.offset;
    EXPECT_EQ(named->offset, info.offset);
    EXPECT_EQ(named->width, info.width);
    EXPECT_TRUE(names.insert(named->name).second) << named->name;
  }
  EXPECT_EQ(names::find_register(0x03c), nullptr);
}

TEST(Names, FieldsComeWithTheirValues) {
  const Ste ste{{{0x1'00e1'700b, 0x0800'00d6, 0, 0, 0, 0, 0, 0}}};
  std::map<std::string_view, std::uint64_t> values;
  for_each_field(ste, [&](std::string_view name, unsigned, unsigned, std::uint64_t value) { values[name] = value; });
  EXPECT_EQ(values["V"], 1u);
  EXPECT_EQ(values["Config"], 5u);
  EXPECT_EQ(values["S1ContextPtr"], 0x1'00e1'7000u);
  EXPECT_EQ(values["S1DSS"], 2u);
  EXPECT_EQ(values["S1STALLD"], 1u);
}
TEST(Names, FieldsGiveBackAllDefinedBits) {
  Cd cd;
  for (std::size_t i = 0; i < cd.w.size(); ++i) {
    cd.w[i] = 0x9e37'79b9'7f4a'7c15 * (i + 1);
  }
  Cd again;
  for (const auto& field : fields_of(cd)) {
    const std::uint64_t value = value_of(field, cd.w);
    again.w.at(field.lo / 64u) |= field.address ? value : value << (field.lo % 64);
  }
  constexpr auto defined = base::defined_bits<Cd>();
  for (std::size_t i = 0; i < cd.w.size(); ++i) {
    EXPECT_EQ(again.w[i], cd.w[i] & defined[i]);
  }
}
TEST(Names, AFieldBeyondTheWordsIsZero) {
  const NamedField field{"x", 64, 64, false, nullptr};
  const std::uint64_t word = ~std::uint64_t{0};
  EXPECT_EQ(value_of(field, {&word, 1}), 0u);
}

TEST(Names, AnUnknownOpcodeShowsItsOpcodeOnly) {
  const Command c{{{0xff, 0}}};
  ASSERT_EQ(fields_of(c).size(), 1u);
  EXPECT_EQ(fields_of(c)[0].name, "Opcode");
  EXPECT_EQ(name_of(c.get(Command::Opcode)), "");
}
TEST(Names, TheLayoutOfACommandFollowsItsOpcode) {
  const auto name_at = [](Opcode op, unsigned bit) {
    for (const auto& field : fields_of(Command{}.with(Command::Opcode, op))) {
      if (field.lo == bit) {
        return field.name;
      }
    }
    return std::string_view{};
  };
  EXPECT_EQ(name_at(Opcode::CMD_CFGI_STE_RANGE, 64), "Range");
  EXPECT_EQ(name_at(Opcode::CMD_PREFETCH_ADDR, 64), "Size");
  EXPECT_EQ(name_at(Opcode::CMD_CFGI_STE, 64), "Leaf");
  EXPECT_EQ(name_at(Opcode::CMD_RESUME, 64), "STAG");
  EXPECT_EQ(name_at(Opcode::CMD_SYNC, 12), "CS");
  EXPECT_EQ(name_at(Opcode::CMD_RESUME, 12), "Ac");
  EXPECT_EQ(name_at(Opcode::CMD_TLBI_S2_IPA, 76), "Address");
}
TEST(Names, TheLayoutOfAnEventFollowsItsType) {
  const auto name_at = [](EventType type, unsigned bit) {
    for (const auto& field : fields_of(Event{}.with(Event::Type, type))) {
      if (field.lo == bit) {
        return field.name;
      }
    }
    return std::string_view{};
  };
  EXPECT_EQ(name_at(EventType::F_TRANSLATION, 64), "STAG");
  EXPECT_EQ(name_at(EventType::F_UUT, 64), "Reason");
  EXPECT_EQ(name_at(EventType::F_TRANSLATION, 97), "PnU");
  EXPECT_EQ(name_at(EventType::E_PAGE_REQUEST, 97), "uX");
  EXPECT_EQ(name_at(EventType::F_TRANSLATION, 204), "IPA");
  EXPECT_EQ(name_at(EventType::F_BAD_ATS_TREQ, 140), "InputAddr");
}
TEST(Names, APageOfAtosThatFailedShowsWhy) {
  EXPECT_EQ(fields_of(GATOS_PAR::from(1))[1].name, "REASON");
  EXPECT_EQ(fields_of(GATOS_PAR::from(0))[1].name, "SH");
}
TEST(Names, AQueueOfTheControlPageIsNotTakenForAnIdRegister) { EXPECT_EQ(fields_of(ECMDQ_PROD{})[0].name, "WR"); }

TEST(Names, EncodingsHaveWords) {
  EXPECT_EQ(name_of(Opcode::CMD_SYNC), "CMD_SYNC");
  EXPECT_EQ(name_of(Opcode::CMD_TLBI_NH_VA), "CMD_TLBI_NH_VA");
  EXPECT_EQ(name_of(EventType::F_PERMISSION), "F_PERMISSION");
  EXPECT_EQ(name_of(Cerror::ILL), "CERROR_ILL");
  EXPECT_EQ(name_of(SteConfig::nested), "nested");
  EXPECT_EQ(name_of(SteConfig::bypass), "bypass");
  EXPECT_EQ(name_of(Tg1::k4), "4K");
  EXPECT_EQ(name_of(Tg0::k16), "16K");
  EXPECT_EQ(name_of(MemAttr::owb_iwb), "oWB-iWB");
  EXPECT_EQ(name_of(MemAttr::onc_inc), "oNC-iNC");
  EXPECT_EQ(name_of(Feature::never), "never");
  EXPECT_EQ(name_of(Guard::vatos_run), "VATOS_CTRL.RUN");
  EXPECT_EQ(name_of(static_cast<EventType>(0xe0)), "");
}
TEST(Names, AFieldWithEncodingsSaysWhichWordItsValueIs) {
  const Ste ste{{{0x1'00e1'700b, 0, 0, 0, 0, 0, 0, 0}}};
  for (const auto& field : fields_of(ste)) {
    if (field.name == "Config") {
      ASSERT_NE(field.word, nullptr);
      EXPECT_EQ(field.word(value_of(field, ste.w)), "stage 1");
    }
    if (field.name == "S1CDMax") {
      EXPECT_EQ(field.word, nullptr);
    }
  }
}
TEST(Names, EveryCommandAndEventHasItsManualName) {
  for (const auto& form : command_forms) {
    EXPECT_EQ(name_of(form.opcode).substr(0, 4), "CMD_");
  }
  for (const auto& form : event_forms) {
    EXPECT_FALSE(name_of(form.type).empty());
  }
}

} // namespace
} // namespace sluice::arch::names
