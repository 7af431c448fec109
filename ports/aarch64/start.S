// EL1, one processor, nothing underneath. The MMU is on because exclusives need Normal memory. One block descriptor for
// each GiB: RAM at 1 GiB is Normal write-back; registers and BARs at 0, and ECAM at 256 GiB, are Device.
    .section .text.start, "ax"
    .globl _start
_start:
    msr     daifset, #0xf
    ldr     x0, =stack_top
    mov     sp, x0
    adr     x0, vectors
    msr     vbar_el1, x0
    mov     x0, #(3 << 20)              // CPACR_EL1.FPEN: the compiler uses SIMD registers
    msr     cpacr_el1, x0
    mov     x0, #0xff                   // MAIR: attribute 0 Normal WB RWA, 1 Device-nGnRnE
    msr     mair_el1, x0
    ldr     x0, =0x200803519            // TCR: T0SZ 25, WB RWA ISH, 4K, EPD1, IPS 40 bits
    msr     tcr_el1, x0
    adr     x0, blocks
    msr     ttbr0_el1, x0
    tlbi    vmalle1; dsb nsh; isb
    mrs     x0, sctlr_el1
    mov     x1, #0x1005                 // SCTLR_EL1.I, C, M
    orr     x0, x0, x1
    msr     sctlr_el1, x0
    isb
    b       boot
    .balign 4096
blocks:
    .quad   0x0060000000000405          // Device, AF, XN
    .quad   0x0000000040000701          // Normal, ISH, AF
    .fill   254, 8, 0
    .quad   0x0060004000000405
    .fill   255, 8, 0
    .balign 2048
vectors:
    .irp    slot, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    .if     \slot == 5                  // an IRQ at EL1 with SP_EL1; anything else is a fault of ours
    b       irq
    .endif
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    b       on_exception
    .balign 128
    .endr
    .macro  each op                     // what a function may change
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 29, 30
    \op     x\n, [sp, #8 * \n]
    .endr
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \op     q\n, [sp, #256 + 16 * \n]
    .endr
    .endm
irq:                                    // IRQs stay masked until eret, so it does not nest
    sub     sp, sp, #768
    each    str
    bl      on_interrupt
    each    ldr
    add     sp, sp, #768
    eret
