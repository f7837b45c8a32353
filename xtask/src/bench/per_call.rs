//! One system call.

use anyhow::{Context, Result, bail};

use super::machine;
use super::products::{self, Products};
use super::rounds::{Series, interleave, smallest_native};
use super::table::{TARGET, Table, verdict};
use super::way::{Way, output};

const ROUNDS: usize = 11;

/// A number that no system call has; hooks that answer, answer it with 42.
const ANSWERED: Call = Call { request: "1000=42", name: "answered" };
/// Hooks forward it. The kernel says ENOSYS to this and all other numbers here.
const FORWARDED: Call = Call { request: "1001=-38", name: "forwarded" };
/// The hook in Rust wants to see its result.
const FORWARDED_AND_EXIT: Call = Call { request: "1002=-38", name: "forwarded, with exit" };
const UNKNOWN: Call = Call { request: "1000=-38", name: "ENOSYS" };
const GETPPID: Call = Call { request: "110", name: "getppid" };

/// What is not patched is caught.
const NET: (&str, &str) = ("INTERCEPTOR_NET", "1");

/// A call that is measured: what `percall` is asked, and what happens to it.
struct Call {
    request: &'static str,
    name: &'static str,
}

/// One run of `percall`.
struct Subject {
    way: Way,
    /// Each with a limit.
    calls: Vec<(Call, Limit)>,
    batches: &'static str,
    calls_per_batch: &'static str,
}

/// What a call may cost.
#[derive(Clone, Copy)]
enum Limit {
    None,
    Cycles(f64),
    /// Times native, and cycles more than native.
    More(f64, f64),
    /// Times native.
    Times(f64),
}

/// What a call took, in cycles.
#[derive(Clone, Copy)]
struct Cost {
    smallest: f64,
    median: f64,
}

/// Measures all ways.
pub fn measure(products: &Products) -> Result<Table> {
    let mut table = Table::new(
        "One system call, in TSC cycles",
        "min: the best of 400 batches of 200 calls; typical: their median; both are medians of \
         11 interleaved runs. more: min above the better native run of the same round. AVX-512 \
         state is live where there is one",
        &["call", "min", "typical", "ns", "more", "x native", TARGET],
    );
    let (subjects, missing) = subjects(products);
    let program = products.file("percall");
    let results = interleave(ROUNDS, &subjects, |subject| {
        let mut arguments = vec![subject.batches, subject.calls_per_batch];
        arguments.extend(subject.calls.iter().map(|(call, _)| call.request));
        let text = output(&mut subject.way.run(&program, &arguments))?;
        costs(&text, subject.calls.len())
    });

    let unknown = smallest_native(&results, |costs| costs[0].smallest)?;
    let getppid = smallest_native(&results, |costs| costs[1].smallest)?;
    let cycles_per_ns = machine::tsc_hz() / 1e9;
    for (subject, result) in subjects.iter().zip(&results) {
        let rounds = match result {
            Ok(rounds) => rounds,
            Err(error) => {
                table.failed(subject.way.name, error);
                continue;
            }
        };
        for (index, (call, limit)) in subject.calls.iter().enumerate() {
            let smallest = Series::of(rounds, |costs| costs[index].smallest);
            let typical = Series::of(rounds, |costs| costs[index].median);
            let base = if call.name == GETPPID.name { &getppid } else { &unknown };
            let (more, ratio) = (smallest.added(base), smallest.ratio(base));
            table.row([
                format!("{}: {}", subject.way.name, call.name),
                format!("{:.1}", smallest.median()),
                format!("{:.1}", typical.median()),
                format!("{:.1}", smallest.median() / cycles_per_ns),
                format!("{more:+.1}"),
                format!("{ratio:.3}"),
                match *limit {
                    Limit::None => String::new(),
                    Limit::Cycles(limit) => verdict("", smallest.median(), limit),
                    Limit::Times(limit) => verdict("x", ratio, limit),
                    Limit::More(times, cycles) => format!(
                        "{}; {}",
                        verdict("x", ratio, times),
                        verdict(" more", more, cycles)
                    ),
                },
            ]);
        }
    }
    for (name, why) in missing {
        table.missing(name, &why);
    }
    Ok(table)
}

/// All that are there, in the order of a round, and the names of those that are
/// not.
fn subjects(products: &Products) -> (Vec<Subject>, Vec<(&'static str, String)>) {
    let none = Limit::None;
    let unhooked = || vec![(UNKNOWN, none), (GETPPID, none)];
    let unobserved = Limit::More(1.02, 6.0);
    let mut subjects = vec![
        quick(Way::native(), unhooked()),
        quick(products.nobody(), vec![(UNKNOWN, unobserved), (GETPPID, unobserved)]),
        quick(
            products.rust_hook("Rust hook", "librust.so"),
            vec![
                (ANSWERED, Limit::Cycles(20.0)),
                (FORWARDED, Limit::Times(1.08)),
                (FORWARDED_AND_EXIT, none),
            ],
        ),
        quick(
            products.rust_hook("Rust hook that may use xmm", "librust_sse.so"),
            vec![(ANSWERED, none), (FORWARDED, none)],
        ),
        quick(
            products.c_hook("C hook", "libanswer.so"),
            vec![(ANSWERED, Limit::Cycles(90.0)), (FORWARDED, none)],
        ),
        quick(
            products.c_hook("C hook, vector-free", "libanswer_vector_free.so"),
            vec![(ANSWERED, Limit::Cycles(16.0)), (FORWARDED, none)],
        ),
        quick(
            products.nobody().named("nobody, with a net").with(NET.0, NET.1),
            vec![(UNKNOWN, none)],
        ),
        quick(
            products.c_hook("C hook, with a net", "libanswer.so").with(NET.0, NET.1),
            vec![(ANSWERED, none), (FORWARDED, none)],
        ),
        quick(products.stat(), vec![(UNKNOWN, none), (GETPPID, none)]),
        slow(products.trace(), vec![(UNKNOWN, none)]),
    ];
    let mut missing = Vec::new();
    match products.peer() {
        Ok(way) => subjects.push(quick(way, vec![(ANSWERED, none), (FORWARDED, none)])),
        Err(why) => missing.push(("syscall-intercept", why.to_owned())),
    }
    for (name, library) in
        [("Syscall User Dispatch", "libdispatch.so"), ("seccomp trap", "libtrap.so")]
    {
        let way = Way::preload(name, &[&products.file(library)]);
        subjects.push(slow(way, vec![(ANSWERED, none)]));
    }
    for (name, way) in products::tools().into_iter().chain([("strace", products::strace())]) {
        match way {
            Ok(way) => subjects.push(slow(way, vec![(UNKNOWN, none)])),
            Err(why) => missing.push((name, why.to_owned())),
        }
    }
    subjects.push(quick(Way::guard(), unhooked()));
    (subjects, missing)
}

fn quick(way: Way, calls: Vec<(Call, Limit)>) -> Subject {
    Subject { way, calls, batches: "400", calls_per_batch: "200" }
}

/// For what takes microseconds.
fn slow(way: Way, calls: Vec<(Call, Limit)>) -> Subject {
    Subject { way, calls, batches: "20", calls_per_batch: "50" }
}

/// Reads what `percall` prints.
fn costs(text: &str, count: usize) -> Result<Vec<Cost>> {
    let costs: Vec<Cost> = text
        .lines()
        // bpftrace adds empty ones.
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.split_whitespace().skip(1).map(str::parse);
            let mut next = || words.next().context("a figure is missing")?.context(line.to_owned());
            Ok(Cost { smallest: next()?, median: next()? })
        })
        .collect::<Result<_>>()?;
    if costs.len() != count {
        bail!("percall printed {} lines, not {count}", costs.len());
    }
    Ok(costs)
}
