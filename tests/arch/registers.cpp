#include <sluice/arch/register_map.hpp>

#include "layouts.hpp"

namespace sluice::arch {
namespace {

const RegisterInfo& at(std::uint32_t offset) {
  const auto* r = find_register(offset);
  EXPECT_NE(r, nullptr) << std::hex << offset;
  static const RegisterInfo none{};
  return r != nullptr ? *r : none;
}

TEST(RegisterMap, IsInOrderWithoutOverlap) {
  for (std::size_t i = 1; i < register_map.size(); ++i) {
    EXPECT_LE(register_map[i - 1].offset + register_map[i - 1].width / 8, register_map[i].offset);
  }
}
TEST(RegisterMap, EveryRegisterIsAlignedToItsWidth) {
  for (const auto& r : register_map) {
    EXPECT_TRUE(r.width == 32 || r.width == 64);
    EXPECT_EQ(r.offset % (r.width / 8), 0u);
    EXPECT_LT(r.offset, frame_size);
  }
}
TEST(RegisterMap, HasEveryRegisterOfTheTypes) {
  std::size_t count = 0;
  FrameRegisters::each([&](auto layout) {
    using R = typename decltype(layout)::Structure;
    const auto& r = at(R::offset);
    EXPECT_EQ(r.offset, R::offset);
    EXPECT_EQ(r.width, R::width);
    EXPECT_EQ(r.access, R::access);
    EXPECT_EQ(r.defined, base::defined_bits<R>()[0]);
    ++count;
  });
  EXPECT_EQ(count + 12, register_map.size()); // and twelve words of PIDR and CIDR
}

TEST(RegisterMap, OffsetsAreThoseOfTheManual) {
  EXPECT_EQ(CR0::offset, 0x20u);
  EXPECT_EQ(CR0ACK::offset, 0x24u);
  EXPECT_EQ(GBPA::offset, 0x44u);
  EXPECT_EQ(IRQ_CTRL::offset, 0x50u);
  EXPECT_EQ(GERROR::offset, 0x60u);
  EXPECT_EQ(GERRORN::offset, 0x64u);
  EXPECT_EQ(STRTAB_BASE::offset, 0x80u);
  EXPECT_EQ(STRTAB_BASE_CFG::offset, 0x88u);
  EXPECT_EQ(CMDQ_BASE::offset, 0x90u);
  EXPECT_EQ(CMDQ_PROD::offset, 0x98u);
  EXPECT_EQ(CMDQ_CONS::offset, 0x9cu);
  EXPECT_EQ(EVENTQ_BASE::offset, 0xa0u);
  EXPECT_EQ(EVENTQ_PROD::offset, 0x100a8u);
  EXPECT_EQ(EVENTQ_CONS::offset, 0x100acu);
  EXPECT_EQ(EVENTQ_IRQ_CFG0::offset, 0xb0u);
  EXPECT_EQ(PRIQ_BASE::offset, 0xc0u);
  EXPECT_EQ(PRIQ_PROD::offset, 0x100c8u);
  EXPECT_EQ(PRIQ_CONS::offset, 0x100ccu);
  EXPECT_EQ(PRIQ_IRQ_CFG2::offset, 0xdcu);
  EXPECT_EQ(GATOS_PAR::offset, 0x118u);
  EXPECT_EQ(IDR6::offset, 0x190u);
}

TEST(RegisterMap, TheUpperHalfOf64BitsIsFoundToo) {
  EXPECT_EQ(find_register(STRTAB_BASE::offset + 4), find_register(STRTAB_BASE::offset));
  EXPECT_EQ(find_register(STRTAB_BASE::offset + 8)->offset, STRTAB_BASE_CFG::offset);
}
TEST(RegisterMap, APlaceWithoutARegisterIsNotFound) {
  for (std::uint32_t nowhere : {0x038u, 0x03cu, 0x04cu, 0x058u, 0x078u, 0x0a8u, 0x0acu, 0x0c8u, 0x10000u, 0x100b0u}) {
    EXPECT_EQ(find_register(nowhere), nullptr) << std::hex << nowhere;
  }
}

TEST(RegisterMap, ARegisterThatIsReadOnlyHasNoWritableBits) {
  for (const auto& r : register_map) {
    EXPECT_EQ(r.access == Access::ro, r.writable == 0 && r.offset != DPT_BASE::offset &&
                                          r.offset != DPT_BASE_CFG::offset && r.offset != DPT_CFG_FAR::offset)
        << std::hex << r.offset;
    EXPECT_EQ(r.writable & ~r.defined, 0u);
  }
}
TEST(RegisterMap, WritableBitsAreThoseOfTheManual) {
  EXPECT_EQ(at(CR0::offset).writable, 0x5dfu);
  EXPECT_EQ(at(CR1::offset).writable, 0xfffu);
  EXPECT_EQ(at(CR2::offset).writable, 0xfu);
  EXPECT_EQ(at(GBPA::offset).writable, 0x801f'3f1fu);
  EXPECT_EQ(at(IRQ_CTRL::offset).writable, 0x7u);
  EXPECT_EQ(at(GERRORN::offset).writable, 0x7fdu);
  EXPECT_EQ(at(STRTAB_BASE::offset).writable, 0x40ff'ffff'ffff'ffc0u);
  EXPECT_EQ(at(STRTAB_BASE_CFG::offset).writable, 0x3'07ffu);
  EXPECT_EQ(at(CMDQ_BASE::offset).writable, 0x40ff'ffff'ffff'ffffu);
  EXPECT_EQ(at(CMDQ_PROD::offset).writable, 0xf'ffffu);
  EXPECT_EQ(at(CMDQ_CONS::offset).writable, 0x7f0f'ffffu);
  EXPECT_EQ(at(EVENTQ_PROD::offset).writable, 0x800f'ffffu);
  EXPECT_EQ(at(EVENTQ_IRQ_CFG0::offset).writable, 0x00ff'ffff'ffff'fffcu);
  EXPECT_EQ(at(EVENTQ_IRQ_CFG2::offset).writable, 0x3fu);
  EXPECT_EQ(at(PRIQ_IRQ_CFG2::offset).writable, 0x8000'003fu);
}

TEST(RegisterMap, GuardsAreThoseOfTheManual) {
  const auto guard = [](std::uint32_t offset) { return at(offset).guards[0].guard; };
  EXPECT_EQ(guard(STRTAB_BASE::offset), Guard::smmuen);
  EXPECT_EQ(guard(STRTAB_BASE_CFG::offset), Guard::smmuen);
  EXPECT_EQ(guard(CR2::offset), Guard::smmuen);
  EXPECT_EQ(guard(CMDQ_BASE::offset), Guard::cmdqen);
  EXPECT_EQ(guard(CMDQ_PROD::offset), Guard::none);
  EXPECT_EQ(guard(CMDQ_CONS::offset), Guard::cmdqen);
  EXPECT_EQ(guard(EVENTQ_PROD::offset), Guard::eventqen);
  EXPECT_EQ(guard(EVENTQ_CONS::offset), Guard::none);
  EXPECT_EQ(guard(PRIQ_PROD::offset), Guard::priqen);
  EXPECT_EQ(guard(PRIQ_CONS::offset), Guard::none);
  EXPECT_EQ(guard(GBPA::offset), Guard::update);
  EXPECT_EQ(guard(GERROR_IRQ_CFG0::offset), Guard::gerror_irqen);
  EXPECT_EQ(guard(EVENTQ_IRQ_CFG1::offset), Guard::eventq_irqen);
  EXPECT_EQ(guard(PRIQ_IRQ_CFG2::offset), Guard::priq_irqen);
  EXPECT_EQ(guard(CR0::offset), Guard::none);
}
TEST(RegisterMap, TheTwoHalvesOfCr1HaveTwoGuards) {
  const auto& cr1 = at(CR1::offset);
  EXPECT_EQ(cr1.guards[0].guard, Guard::any_queue);
  EXPECT_EQ(cr1.guards[0].bits, 0x3fu);
  EXPECT_EQ(cr1.guards[1].guard, Guard::smmuen);
  EXPECT_EQ(cr1.guards[1].bits, 0xfc0u);
}

TEST(RegisterMap, OptionalBitsAreWritableBitsOfTheirRegister) {
  for (const auto& o : optional_bits) {
    EXPECT_EQ(o.bits & ~at(o.offset).writable, 0u) << std::hex << o.offset;
  }
}
TEST(RegisterMap, AnAcknowledgeIsOfRegistersThatHaveTheBits) {
  for (const auto& a : acknowledges) {
    EXPECT_EQ(a.bits & ~at(a.control).defined, 0u);
    EXPECT_EQ(a.bits & ~at(a.answer).defined, 0u);
    EXPECT_EQ(a.control == a.answer, a.kind == Handshake::update);
  }
}

TEST(RegisterLayout, FieldsAreWhereTheManualHasThem) {
  EXPECT_EQ(CR0{}.set(CR0::SMMUEN, 1).raw(), 0x1u);
  EXPECT_EQ(CR0{}.set(CR0::PRIQEN, 1).raw(), 0x2u);
  EXPECT_EQ(CR0{}.set(CR0::EVENTQEN, 1).raw(), 0x4u);
  EXPECT_EQ(CR0{}.set(CR0::CMDQEN, 1).raw(), 0x8u);
  EXPECT_EQ(CR0{}.set(CR0::ATSCHK, 1).raw(), 0x10u);
  EXPECT_EQ(CR0{}.set(CR0::VMW, 4).raw(), 0x100u);
  EXPECT_EQ(CR1{}.set(CR1::TABLE_SH, Shareability::inner).raw(), 0xc00u);
  EXPECT_EQ(GBPA{}.set(GBPA::ABORT, 1).set(GBPA::Update, 1).raw(), 0x8010'0000u);
  EXPECT_EQ(GBPA{}.set(GBPA::SHCFG, ShareabilityOverride::incoming).raw(), 0x1000u);
  EXPECT_EQ(CMDQ_CONS::from(0x0100'0007).get(CMDQ_CONS::ERR), Cerror::ILL);
  EXPECT_EQ(CMDQ_CONS::from(0x0100'0007).get(CMDQ_CONS::RD), 7u);
  EXPECT_EQ(STRTAB_BASE_CFG{}
                .set(STRTAB_BASE_CFG::LOG2SIZE, 16)
                .set(STRTAB_BASE_CFG::SPLIT, 8)
                .set(STRTAB_BASE_CFG::FMT, StreamTableFormat::two_level)
                .raw(),
            0x1'0210u);
  EXPECT_EQ(GERROR::from(0x201).get(GERROR::CMDQP_ERR), 1u);
  EXPECT_EQ(ECMDQ_PROD{}.set(ECMDQ_PROD::EN, 1).set(ECMDQ_PROD::ERRACK, 1).raw(), 0x8080'0000u);
  EXPECT_EQ(ECMDQ_CONS::from(0x8280'0005).get(ECMDQ_CONS::ERR_REASON), Cerror::ABT);
}
TEST(RegisterLayout, ARegisterIsMadeFromAndTurnedIntoItsValue) {
  static_assert(std::is_same_v<CR0::Raw, std::uint32_t> && std::is_same_v<STRTAB_BASE::Raw, std::uint64_t>);
  EXPECT_EQ(CR0::from(0xffff'ffff).raw(), 0xffff'ffffu);
  EXPECT_EQ(STRTAB_BASE::from(~std::uint64_t{0}).raw(), ~std::uint64_t{0});
}
TEST(RegisterLayout, AParHasOneLayoutForSuccessAndOneForFailure) {
  const auto ok = GATOS_PAR::from(0xff00'0001'2345'6b00);
  EXPECT_EQ(ok.get(GATOS_PAR::FAULT), 0u);
  EXPECT_EQ(ok.get(GATOS_PAR::SH), 3u);
  EXPECT_EQ(ok.get(GATOS_PAR::Size), 1u);
  EXPECT_EQ(ok.get(GATOS_PAR::ADDR), 0x1'2345'6000u);
  EXPECT_EQ(ok.get(GATOS_PAR::ATTR), 0xffu);
  const auto fault = GATOS_PAR::from(0x0000'0001'2345'6107);
  EXPECT_EQ(fault.get(GATOS_PAR::FAULT), 1u);
  EXPECT_EQ(fault.get(GATOS_PAR::REASON), AtosReason::stage2_in);
  EXPECT_EQ(fault.get(GATOS_PAR::FAULTCODE), 0x10u);
  EXPECT_EQ(fault.get(GATOS_PAR::FADDR), 0x1'2345'6000u);
}

} // namespace
} // namespace sluice::arch
