//! What the dynamic linker and the kernel are asked for.

use anyhow::Result;
use object::elf;
use object::read::elf::{ProgramHeader as _, Rela as _, SectionHeader as _, Sym as _};

use super::Library;

/// What is used of libc where there is one: functions for the C API, the
/// environment where constructors are not given it (musl), the list of libraries, and
/// what glibc knows of the CPU.
const WEAK_REFERENCES: &[&str] = &[
    "__environ",
    "__errno_location",
    "__register_atfork",
    "_r_debug",
    "gnu_get_libc_version",
    "__libc_start_main",
    "pthread_cancel",
    "pthread_create",
    "pthread_join",
    "pthread_setcancelstate",
    "__x86_get_cpuid_feature_leaf",
];

/// Most relative relocations: pointers that the dynamic linker fills in when a
/// program starts, each on a page that the process then has for itself. Those
/// there are belong to vtables and to references to what assembly defines.
const RELATIVE_LIMIT: usize = 100;

const PAGE: u64 = 4096;

/// Names every property that does not hold.
pub fn check(library: &Library) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    dynamic_section(library, &mut failures)?;
    segments(library, &mut failures);
    variables(library, &mut failures)?;
    relocations(library, &mut failures)?;
    undefined_symbols(library, &mut failures)?;
    Ok(failures)
}

fn dynamic_section(library: &Library, failures: &mut Vec<String>) -> Result<()> {
    let dynamic = library.elf_dynamic_table()?;
    let mut flags = elf::DynamicFlags(0);
    let mut flags_1 = elf::DynamicFlags1(0);
    for entry in dynamic.iter() {
        match entry.tag {
            elf::DT_NEEDED => failures
                .push(format!("DT_NEEDED {}", String::from_utf8_lossy(dynamic.string(entry)?))),
            elf::DT_TEXTREL => failures.push("DT_TEXTREL: text is relocated".to_owned()),
            elf::DT_FLAGS => flags = elf::DynamicFlags(entry.val),
            elf::DT_FLAGS_1 => flags_1 = elf::DynamicFlags1(entry.val),
            _ => {}
        }
    }
    if flags.contains(elf::DF_TEXTREL) {
        failures.push("DF_TEXTREL: text is relocated".to_owned());
    }
    if !flags.contains(elf::DF_BIND_NOW) && !flags_1.contains(elf::DF_1_NOW) {
        failures.push("not bound at load time: RELRO is partial".to_owned());
    }
    if !flags_1.contains(elf::DF_1_INITFIRST) {
        failures.push("DF_1_INITFIRST is missing".to_owned());
    }
    let has_tls = has_segment(library, elf::PT_TLS);
    if has_tls && !flags.contains(elf::DF_STATIC_TLS) {
        failures.push("DF_STATIC_TLS is missing: TLS is not initial-exec".to_owned());
    }
    Ok(())
}

fn segments(library: &Library, failures: &mut Vec<String>) {
    let endian = library.endian();
    for segment in library.elf_program_headers() {
        let flags = segment.p_flags(endian);
        match segment.p_type(endian) {
            elf::PT_LOAD if flags.contains(elf::PF_W) && flags.contains(elf::PF_X) => {
                failures.push(format!(
                    "the segment at {:#x} is writable and executable",
                    segment.p_vaddr(endian)
                ));
            }
            elf::PT_GNU_STACK if flags.contains(elf::PF_X) => {
                failures.push("the stack is made executable".to_owned());
            }
            _ => {}
        }
    }
    if !has_segment(library, elf::PT_GNU_RELRO) {
        failures.push("PT_GNU_RELRO is missing".to_owned());
    }
    if !has_segment(library, elf::PT_GNU_STACK) {
        failures.push("PT_GNU_STACK is missing: the stack becomes executable".to_owned());
    }
    if !has_segment(library, elf::PT_GNU_EH_FRAME) {
        failures.push("PT_GNU_EH_FRAME is missing: unwinders find nothing".to_owned());
    }
}

/// Variables lie on one page, which start-up writes to, and a forked child;
/// tables of which few entries are used lie behind them.
fn variables(library: &Library, failures: &mut Vec<String>) -> Result<()> {
    let endian = library.endian();
    let sections = library.elf_section_table();
    let (mut low, mut high) = (u64::MAX, 0);
    for section in sections.iter() {
        if matches!(sections.section_name(endian, section)?, b".data" | b".bss") {
            let start = section.sh_addr(endian);
            (low, high) = (low.min(start), high.max(start + section.sh_size(endian)));
        }
    }
    if low / PAGE != high.saturating_sub(1) / PAGE {
        failures.push(format!(
            "variables lie on several pages, {low:#x} to {high:#x}: is there a new table? Put it \
             in the section .bss.tables"
        ));
    }
    Ok(())
}

fn has_segment(library: &Library, kind: elf::ProgramType) -> bool {
    let endian = library.endian();
    library.elf_program_headers().iter().any(|segment| segment.p_type(endian) == kind)
}

fn relocations(library: &Library, failures: &mut Vec<String>) -> Result<()> {
    let endian = library.endian();
    let mut relative = 0;
    for section in library.elf_section_table().iter() {
        let Some((entries, _)) = section.rela(endian, library.data())? else {
            continue;
        };
        for entry in entries {
            let kind = entry.r_type(endian, false);
            relative += usize::from(kind == elf::R_X86_64_RELATIVE);
            if [elf::R_X86_64_DTPMOD64, elf::R_X86_64_DTPOFF64, elf::R_X86_64_TLSDESC]
                .contains(&kind)
            {
                failures.push(format!(
                    "relocation {} at {:#x} asks for dynamic TLS",
                    kind.0,
                    entry.r_offset(endian)
                ));
            }
        }
    }
    if relative > RELATIVE_LIMIT {
        failures.push(format!(
            "{relative} relative relocations, the limit is {RELATIVE_LIMIT}: does a table hold \
             references? crates/calls/src/pack.rs does without"
        ));
    }
    Ok(())
}

fn undefined_symbols(library: &Library, failures: &mut Vec<String>) -> Result<()> {
    let endian = library.endian();
    let symbols = library.elf_dynamic_symbol_table();
    for (_, symbol) in symbols.enumerate() {
        let name = String::from_utf8_lossy(symbols.symbol_name(endian, symbol)?);
        if name.is_empty() || !symbol.is_undefined(endian) {
            continue;
        }
        if !symbol.is_weak() {
            failures.push(format!("`{name}` is undefined and not weak"));
        } else if !WEAK_REFERENCES.contains(&name.as_ref()) {
            failures.push(format!("`{name}` is not among the allowed weak references"));
        }
    }
    Ok(())
}
