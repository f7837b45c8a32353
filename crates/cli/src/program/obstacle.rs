//! Why a program that can be executed cannot be intercepted.

use std::fmt;
use std::path::{Path, PathBuf};

use object::elf;

use crate::failure::Failure;
use crate::program::elf::{Head, Unreadable};
use crate::program::privilege::{self, Gain};

/// One cause; its text names the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// No dynamic linker that would load us.
    Static,
    /// Other registers, other system calls.
    Bits32,
    /// Another processor, by its ELF number.
    Foreign(u16),
    /// Neither ELF nor a script: for the kernel's other formats, if any.
    UnknownFormat,
    /// The dynamic linker ignores preloads from a less privileged user.
    Privileged(Gain),
    /// Executable, and not readable by us.
    Unreadable,
}

/// The obstacle in an ELF file that is about to be executed.
pub fn of(file: &Path) -> Result<Option<Obstacle>, Failure> {
    let head = match Head::read(file) {
        Ok(head) => head,
        Err(Unreadable::NotElf) => return Ok(Some(Obstacle::UnknownFormat)),
        Err(Unreadable::Io(_)) => return Ok(Some(Obstacle::Unreadable)),
    };
    if let Some(linker) = missing_linker(&head) {
        return Err(Failure::not_found(format!(
            "{}: its dynamic linker {} is missing; install the C library it was built for",
            file.display(),
            linker.display()
        )));
    }
    Ok(of_head(&head).or_else(|| privilege::gained_by(file).map(Obstacle::Privileged)))
}

fn of_head(head: &Head) -> Option<Obstacle> {
    if head.machine == elf::EM_386.0 || (head.machine == elf::EM_X86_64.0 && !head.is_64_bit) {
        Some(Obstacle::Bits32)
    } else if !head.is_ours() {
        Some(Obstacle::Foreign(head.machine))
    } else if head.interpreter.is_none() && !head.is_dynamic_linker() {
        Some(Obstacle::Static)
    } else {
        None
    }
}

fn missing_linker(head: &Head) -> Option<&PathBuf> {
    head.interpreter.as_ref().filter(|linker| !linker.exists())
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Obstacle::Static => write!(
                f,
                "is statically linked and loads no libraries, so it runs without interception; \
                 use a dynamically linked build"
            ),
            Obstacle::Bits32 => write!(
                f,
                "is a 32-bit program, so it runs without interception; use a 64-bit build"
            ),
            Obstacle::Foreign(machine) => write!(
                f,
                "is a program for {}, so it cannot be intercepted, and runs only under an \
                 emulator; use an x86-64 build",
                machine_name(*machine)
            ),
            Obstacle::UnknownFormat => write!(
                f,
                "is neither an ELF program nor a script that begins with #!; \
                 start it by its interpreter"
            ),
            Obstacle::Privileged(gain) => write!(
                f,
                "{gain}, so the dynamic linker refuses to preload, and it runs without \
                 interception; start it as the user it changes to"
            ),
            Obstacle::Unreadable => write!(
                f,
                "may be executed and not read, so whether it can be intercepted is unknown; \
                 allow reading"
            ),
        }
    }
}

/// The names that people use for the commoner architectures.
fn machine_name(machine: u16) -> String {
    let name = match elf::Machine(machine) {
        elf::EM_AARCH64 => "AArch64",
        elf::EM_ARM => "ARM",
        elf::EM_RISCV => "RISC-V",
        elf::EM_PPC64 => "PowerPC 64",
        elf::EM_PPC => "PowerPC",
        elf::EM_S390 => "s390",
        elf::EM_MIPS => "MIPS",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_SPARC | elf::EM_SPARCV9 => "SPARC",
        _ => return format!("architecture {machine}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            is_64_bit: true,
            machine: elf::EM_X86_64.0,
            kind: elf::ET_DYN.0,
            interpreter: Some(PathBuf::from("/lib64/ld-linux-x86-64.so.2")),
            is_program: true,
        }
    }

    #[test]
    fn a_dynamic_64_bit_program_has_no_obstacle() {
        assert_eq!(of_head(&head()), None);
    }

    #[test]
    fn a_program_without_a_dynamic_linker_is_static_unless_it_is_one() {
        let mut head = head();
        head.interpreter = None;
        assert_eq!(of_head(&head), Some(Obstacle::Static));
        head.is_program = false;
        assert_eq!(of_head(&head), None);
    }

    #[test]
    fn x32_counts_as_32_bit_and_other_processors_are_named() {
        let mut head = head();
        head.is_64_bit = false;
        assert_eq!(of_head(&head), Some(Obstacle::Bits32));
        head.machine = elf::EM_AARCH64.0;
        let obstacle = of_head(&head).expect("foreign");
        assert!(obstacle.to_string().contains("AArch64"), "{obstacle}");
    }
}
