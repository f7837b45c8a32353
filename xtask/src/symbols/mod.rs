//! `symbols`: properties of the built library that its source cannot show.
//!
//! The library is loaded into programs we know nothing of, so its linkage is
//! part of its interface: what it needs, what it exports, what it maps and
//! which registers its fast path touches are checked on the finished file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use object::Endianness;
use object::read::elf::ElfFile64;

use crate::build;
use crate::dist;
use crate::workspace::{Product, Profile, Workspace};

mod code;
mod exports;
mod layout;
mod linkage;
mod symbol_map;
mod vector_free;
mod vector_state;

/// A parsed library file.
type Library<'data> = ElfFile64<'data, Endianness>;

/// Largest stripped library, in bytes.
const SIZE_LIMIT: usize = 400_000;

/// Arguments of `symbols`.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Accept the exported symbols as they are now
    #[arg(long)]
    bless: bool,
    /// Check this file instead of building the library (its vector-free paths
    /// only if it has a symbol table)
    #[arg(long)]
    library: Option<PathBuf>,
    #[command(flatten)]
    vector_free: vector_free::Selection,
}

/// Builds the libraries and checks them.
pub fn execute(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if args.bless {
        build::link_libraries(workspace)?;
        for product in Product::ALL {
            exports_of(workspace, product, true)?;
        }
    }
    if args.library.is_none() {
        dist::lay_out(workspace, Profile::Dev)?;
    }
    let failures = inspect(workspace, args)?;
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}

/// Checks the libraries that were built last; prints and returns each property
/// that fails.
pub fn inspect(workspace: &Workspace, args: &Args) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    for product in Product::ALL {
        let (stripped, unstripped) = match &args.library {
            Some(_) if product != Product::Interceptor => continue,
            Some(file) => (file.clone(), file.clone()),
            None => (workspace.dist_library(product), workspace.unstripped(product)),
        };
        let found = check(workspace, args, product, &stripped, &unstripped)?;
        for failure in &found {
            eprintln!("symbols: {}: {failure}", product.file());
        }
        if found.is_empty() {
            let size = fs::metadata(&stripped)?.len();
            println!("symbols: {}: all properties hold, {size} bytes", product.file());
        }
        failures.extend(found);
    }
    Ok(failures)
}

/// What the libraries that were linked last export, and their lists do not have, or the other
/// way round.
pub fn exports_that_differ(workspace: &Workspace) -> Result<Vec<String>> {
    let mut changes = Vec::new();
    for product in Product::ALL {
        let found = exports_of(workspace, product, false)?;
        changes.extend(found.iter().map(|change| format!("{}: {change}", product.file())));
    }
    Ok(changes)
}

fn exports_of(workspace: &Workspace, product: Product, bless: bool) -> Result<Vec<String>> {
    let file = workspace.unstripped(product);
    let data = read(&file)?;
    exports::check(&parse(&file, &data)?, &golden(workspace, product), bless)
}

/// The list of what a library exports.
fn golden(workspace: &Workspace, product: Product) -> PathBuf {
    workspace.root().join("xtask").join(product.symbols())
}

fn check(
    workspace: &Workspace,
    args: &Args,
    product: Product,
    stripped: &Path,
    unstripped: &Path,
) -> Result<Vec<String>> {
    let mut failures = Vec::new();

    let data = read(stripped)?;
    let library = parse(stripped, &data)?;
    if data.len() >= SIZE_LIMIT {
        failures.push(format!("{} bytes stripped, the limit is {SIZE_LIMIT}", data.len()));
    }
    failures.extend(linkage::check(&library)?);
    failures.extend(exports::check(&library, &golden(workspace, product), false)?);

    let data = read(unstripped)?;
    let library = parse(unstripped, &data)?;
    failures.extend(layout::check(&library)?);
    failures.extend(vector_free::check(&library, &args.vector_free)?);
    Ok(failures)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn parse<'data>(path: &Path, data: &'data [u8]) -> Result<Library<'data>> {
    Library::parse(data).with_context(|| format!("{} is not a 64-bit ELF file", path.display()))
}
