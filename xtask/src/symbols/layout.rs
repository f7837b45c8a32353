//! Which code lies together: what `linker/layout.ld` says by names that the compiler makes.

use anyhow::Result;
use object::read::elf::SectionHeader as _;

use super::Library;
use super::symbol_map::SymbolMap;

/// What the kernel brings for one fault.
const AROUND: u64 = 64 * 1024;

/// Of each section some functions that show that its names are still right.
const PLACES: &[(&str, &[&str])] = &[
    (
        ".often",
        &[
            "interceptor_route_enter",
            "interceptor_hook_exit",
            "interceptor::lifecycle::enter",
            "interceptor::lifecycle::exit",
            "interceptor::thread::pool::take",
        ],
    ),
    (
        ".seldom",
        &[
            "interceptor::startup::Patched::begin",
            "interceptor::patch::round::Round::apply",
            "interceptor_rewrite::plan::Planner::finish",
            "interceptor_rewrite::survey::pass::Pass::pass",
            "interceptor_calls::format::format_enter",
        ],
    ),
];

/// Names every function that lies elsewhere; none of a library without a symbol table.
pub fn check(library: &Library) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    if library.elf_symbol_table().is_empty() {
        return Ok(failures);
    }
    let endian = library.endian();
    let sections = library.elf_section_table();
    let map = SymbolMap::of(library)?;
    for (place, functions) in PLACES {
        let Some((_, section)) = sections.section_by_name(endian, place.as_bytes()) else {
            failures.push(format!("there is no section {place}"));
            continue;
        };
        let start = section.sh_addr(endian);
        let range = start..start + section.sh_size(endian);
        for function in *functions {
            let found = map.find(function);
            if !found.is_some_and(|found| range.contains(&found.start)) {
                failures.push(format!("{function} is not in {place}: see linker/layout.ld"));
            }
        }
        if *place == ".often" && range.end > AROUND {
            failures.push(format!("{place} ends at {:#x}, behind {AROUND:#x}", range.end));
        }
    }
    Ok(failures)
}
