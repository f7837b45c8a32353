// What a debugger is told of an area of stubs: an ELF file in memory, by which
// it names the stubs and unwinds out of them (src/patch/symfile.rs).
//
// A stub has no frame: the stack pointer is the program's, and its caller, so to
// speak, is the site. One rule says so for all stubs of an area: the return
// address is the address after the site, which an expression looks up in the
// area's index.

.macro INTERCEPTOR_SYMFILE_HOLE kind
    .pushsection .rodata.interceptor_symfile_holes, "a"
    .long   97f - interceptor_symfile
    .long   \kind
    .popsection
97: .quad   0
.endm

    // Kinds of holes, as src/patch/symfile.rs fills them.
    .set    HOLE_AREA, 0                // start of the area
    .set    HOLE_INDEX, 1               // start of its index
    .set    HOLE_STUBS, 2               // start of the stubs
    .set    HOLE_LEN, 3                 // their length

    .pushsection .rodata.interceptor_symfile_holes, "a"
    .balign 4
    .hidden interceptor_symfile_holes
    .globl  interceptor_symfile_holes
interceptor_symfile_holes:
    .popsection

    .pushsection .rodata.interceptor_symfile, "a"
    .hidden interceptor_symfile, interceptor_symfile_end
    .globl  interceptor_symfile, interceptor_symfile_end
    .balign 16
interceptor_symfile:
    // ELF header: ELFCLASS64, ELFDATA2LSB, EV_CURRENT; ET_REL, EM_X86_64.
    .byte   0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .short  1, 62
    .long   1
    .quad   0, 0, 80f - interceptor_symfile
    .long   0
    .short  64, 0, 0, 64, 5, 4          // 5 section headers, names in the fourth

80: // Section headers: name, type, flags, address, offset, size, link, info,
    // alignment, entry size.
    .skip   64
    .long   91f - 90f, 8                // .text: SHT_NOBITS, SHF_ALLOC | SHF_EXECINSTR
    .quad   6
    INTERCEPTOR_SYMFILE_HOLE HOLE_STUBS
    .quad   0
    INTERCEPTOR_SYMFILE_HOLE HOLE_LEN
    .long   0, 0
    .quad   16, 0
    .long   92f - 90f, 1                // .eh_frame: SHT_PROGBITS, SHF_ALLOC
    .quad   2, 0, 81f - interceptor_symfile, 82f - 81f
    .long   0, 0
    .quad   8, 0
    .long   93f - 90f, 2                // .symtab: SHT_SYMTAB, names in .strtab, one local symbol
    .quad   0, 0, 83f - interceptor_symfile, 84f - 83f
    .long   4, 1
    .quad   8, 24
    .long   94f - 90f, 3                // .strtab: SHT_STRTAB
    .quad   0, 0, 90f - interceptor_symfile, 96f - 90f
    .long   0, 0
    .quad   1, 0

    .balign 8
81: // CIE: version 1, augmentation "zR", factors 1 and -8, return address r16,
    // absolute addresses.
    .long   86f - 85f
85: .long   0
    .byte   1
    .asciz  "zR"
    .byte   1, 0x78, 16, 1, 0
    .byte   0x0c, 7, 0                  // DW_CFA_def_cfa rsp + 0
    .byte   0x16, 16, 89f - 87f         // DW_CFA_val_expression r16
87: .byte   0x80, 0                     // DW_OP_breg16 0                   pc
    .byte   0x03                        // DW_OP_addr                       pc area
    INTERCEPTOR_SYMFILE_HOLE HOLE_AREA
    .byte   0x1c                        // DW_OP_minus                      offset
    .byte   0x03                        // DW_OP_addr                       offset entry
    INTERCEPTOR_SYMFILE_HOLE HOLE_INDEX
interceptor_symfile_loop:
    .byte   0x12, 0x23, 16, 0x06        // dup, plus_uconst 16, deref       offset entry next.site
    .byte   0x30, 0x29, 0x28            // lit0, eq, bra: the last one
    .short  interceptor_symfile_found - (. + 2)
    .byte   0x12, 0x23, 24, 0x94, 4     // dup, plus_uconst 24, deref_size 4  offset entry next.stub
    .byte   0x15, 2, 0x2c               // pick 2, le                       offset entry next.stub<=offset
    .byte   0x30, 0x29, 0x28            // lit0, eq, bra: the next is beyond
    .short  interceptor_symfile_found - (. + 2)
    .byte   0x23, 16, 0x2f              // plus_uconst 16, skip
    .short  interceptor_symfile_loop - (. + 2)
interceptor_symfile_found:
    .byte   0x06, 0x23, 2, 0x16, 0x13   // deref, plus_uconst 2, swap, drop address after the site
89:
    .balign 8, 0
86: // FDE.
    .long   82f - 88f
88: .long   88b - 81b
    INTERCEPTOR_SYMFILE_HOLE HOLE_STUBS
    INTERCEPTOR_SYMFILE_HOLE HOLE_LEN
    .byte   0
    .balign 8, 0
82:
    .balign 8
83: .skip   24
    .long   95f - 90f                   // interceptor_stubs: local function in section 1
    .byte   2, 0
    .short  1
    .quad   0
    INTERCEPTOR_SYMFILE_HOLE HOLE_LEN
84:
90: .byte   0
91: .asciz  ".text"
92: .asciz  ".eh_frame"
93: .asciz  ".symtab"
94: .asciz  ".strtab"
95: .asciz  "interceptor_stub"
96:
    .balign 8
interceptor_symfile_end:
    .popsection

    .pushsection .rodata.interceptor_symfile_holes, "a"
    .hidden interceptor_symfile_holes_end
    .globl  interceptor_symfile_holes_end
interceptor_symfile_holes_end:
    .popsection
