//! A program's memory, and lines made of calls that use it.

#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;

use interceptor_calls::{
    Memory, Options, Outcome, by_name, format_call, format_enter, format_exit,
};

/// Memory that is there only where something was put.
#[derive(Default)]
pub struct Fake {
    areas: BTreeMap<u64, Vec<u8>>,
}

impl Memory for Fake {
    fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        let Some((start, bytes)) = self.areas.range(..=address).next_back() else {
            return 0;
        };
        let rest = bytes.get((address - start) as usize..).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        count
    }
}

impl Fake {
    pub fn new() -> Fake {
        Fake::default()
    }

    /// Puts bytes at an address.
    pub fn at(mut self, address: u64, bytes: impl AsRef<[u8]>) -> Fake {
        self.areas.insert(address, bytes.as_ref().to_vec());
        self
    }
}

/// Little-endian fields, one after the other.
#[derive(Default)]
pub struct Fields(Vec<u8>);

pub fn fields() -> Fields {
    Fields::default()
}

impl Fields {
    pub fn u16(mut self, value: u16) -> Fields {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn i32(mut self, value: i32) -> Fields {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Fields {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Fields {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Fields {
        self.0.extend(bytes);
        self
    }

    /// Zeros up to an offset.
    pub fn to(mut self, offset: usize) -> Fields {
        assert!(self.0.len() <= offset);
        self.0.resize(offset, 0);
        self
    }
}

impl AsRef<[u8]> for Fields {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub fn six(args: &[i64]) -> [u64; 6] {
    let mut six = [0; 6];
    for (to, from) in six.iter_mut().zip(args) {
        *to = *from as u64;
    }
    six
}

pub fn nr(name: &str) -> u64 {
    by_name(name).unwrap_or_else(|| panic!("no call {name}")).nr.into()
}

/// The line of a call that returned.
pub fn line(memory: &Fake, name: &str, args: &[i64], ret: i64) -> String {
    let mut line = String::new();
    let outcome = Outcome::Returned(ret);
    format_call(&mut line, nr(name), &six(args), outcome, memory, &Options::default()).unwrap();
    line
}

/// The part before the call, and the part after.
pub fn parts(memory: [&Fake; 2], name: &str, args: &[i64], ret: i64) -> (String, String) {
    let (mut enter, mut exit) = (String::new(), String::new());
    let options = Options::default();
    let outcome = Outcome::Returned(ret);
    format_enter(&mut enter, nr(name), &six(args), memory[0], &options).unwrap();
    format_exit(&mut exit, nr(name), &six(args), outcome, memory[1], &options).unwrap();
    (enter, exit)
}
