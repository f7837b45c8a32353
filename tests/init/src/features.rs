//! What this kernel and this processor lack of what we or programs use.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use interceptor_tests::Dist;

/// Features of processors on which something of ours depends.
const PROCESSOR: &[&str] = &["xsave", "xsavec", "fsgsbase", "avx", "avx2", "avx512f", "erms"];

/// Everything that is absent, in a fixed order.
pub fn absent() -> Result<Vec<String>> {
    let information = fs::read_to_string("/proc/cpuinfo")?;
    let flags = information.lines().find(|line| line.starts_with("flags")).context("no flags")?;
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let mut absent: Vec<String> = PROCESSOR
        .iter()
        .filter(|name| !flags.contains(name))
        .map(|name| (*name).to_owned())
        .collect();
    absent.extend(of_the_kernel()?);
    Ok(absent)
}

/// Whatever `interceptor doctor` marks as absent.
fn of_the_kernel() -> Result<Vec<String>> {
    let Ok(dist) = Dist::find() else { bail!("no deliverables") };
    let output = Command::new(dist.command()).args(["doctor", "/bin/sh"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("doctor: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let is_absent = |line: &&str| line.ends_with("(optional)") || line.ends_with("(REQUIRED)");
    let name = |line: &str| line.split_whitespace().next().unwrap_or(line).to_owned();
    Ok(text.lines().filter(is_absent).map(name).collect())
}
