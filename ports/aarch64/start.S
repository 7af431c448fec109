// EL1, one processor, nothing underneath. The MMU is on because exclusives need Normal memory: 0..1 GiB is Device,
// 1..2 GiB (the RAM of QEMU's `virt`) Normal write-back, one block descriptor each.
    .section .text.start, "ax"
    .globl _start
_start:
    msr     daifset, #0xf
    ldr     x0, =stack_top
    mov     sp, x0
    ldr     x0, =vectors
    msr     vbar_el1, x0
    mov     x0, #(3 << 20)              // CPACR_EL1.FPEN: the compiler uses SIMD registers
    msr     cpacr_el1, x0
    mov     x0, #0xff                   // MAIR: attribute 0 Normal WB RWA, 1 Device-nGnRnE
    msr     mair_el1, x0
    ldr     x0, =0x200803519            // TCR: T0SZ 25, WB RWA ISH, 4K, EPD1, IPS 40 bits
    msr     tcr_el1, x0
    adr     x0, blocks
    msr     ttbr0_el1, x0
    tlbi    vmalle1
    dsb     nsh
    isb
    mrs     x0, sctlr_el1
    mov     x1, #0x1005                 // SCTLR_EL1.I, C, M
    orr     x0, x0, x1
    msr     sctlr_el1, x0
    isb
    ldr     x0, =bss_start
    ldr     x1, =bss_end
1:  cmp     x0, x1
    b.hs    boot
    str     xzr, [x0], #8
    b       1b
    .balign 4096
blocks:
    .quad   0x0060000000000405          // Device, AF, XN
    .quad   0x0000000040000701          // Normal, ISH, AF
    .fill   510, 8, 0
    .balign 2048
vectors:
    .rept   16
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    b       on_exception
    .balign 128
    .endr
