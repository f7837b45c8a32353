//! The table of calls, held against the kernel's header on this machine.

use std::collections::BTreeMap;
use std::path::Path;

use interceptor_calls::{Classes, all, by_name, leaves_process, lookup, never_returns};

/// `unistd_64.h`, or `None` with a message. Its absence fails under CI.
fn kernel_header() -> Option<String> {
    let places = ["/usr/include/asm/unistd_64.h", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"];
    let found = places.iter().find(|place| Path::new(place).exists());
    let text = found.map(|place| std::fs::read_to_string(place).expect("the header is readable"));
    if text.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI needs the kernel's headers");
        eprintln!("SKIPPED: no asm/unistd_64.h on this machine");
    }
    text
}

#[test]
fn every_number_of_the_kernel_header_has_its_name() {
    let Some(header) = kernel_header() else {
        return;
    };
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in header.lines() {
        let Some(rest) = line.strip_prefix("#define __NR_") else {
            continue;
        };
        let (name, nr) = rest.split_once(' ').expect("a name and a number");
        let nr: u64 = nr.trim().parse().expect("a number");
        seen += 1;
        if lookup(nr).map(|call| call.name()) != Some(name) {
            wrong.push(format!("{nr} {name}: {:?}", lookup(nr).map(|call| call.name())));
        }
    }
    assert!(seen > 350, "only {seen} numbers in the header");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_newest_calls_are_known() {
    let newest = [
        (335, "uretprobe"),
        (336, "uprobe"),
        (451, "cachestat"),
        (452, "fchmodat2"),
        (453, "map_shadow_stack"),
        (454, "futex_wake"),
        (455, "futex_wait"),
        (456, "futex_requeue"),
        (457, "statmount"),
        (458, "listmount"),
        (459, "lsm_get_self_attr"),
        (460, "lsm_set_self_attr"),
        (461, "lsm_list_modules"),
        (462, "mseal"),
        (463, "setxattrat"),
        (464, "getxattrat"),
        (465, "listxattrat"),
        (466, "removexattrat"),
        (467, "open_tree_attr"),
        (468, "file_getattr"),
        (469, "file_setattr"),
        (470, "listns"),
        (471, "rseq_slice_yield"),
    ];
    for (nr, name) in newest {
        assert_eq!(lookup(nr).map(|call| call.name()), Some(name));
    }
}

#[test]
fn a_call_is_found_by_its_number_and_by_its_name() {
    for call in all() {
        assert_eq!(lookup(call.nr.into()).map(|found| found.name()), Some(call.name()));
        assert_eq!(by_name(call.name()).map(|found| found.nr), Some(call.nr));
    }
    assert!(all().map(|call| call.nr).is_sorted());
}

#[test]
fn no_name_is_declared_twice() {
    let mut names = BTreeMap::new();
    for call in all() {
        assert_eq!(names.insert(call.name(), call.nr), None, "{}", call.name());
    }
}

#[test]
fn numbers_outside_the_table_have_no_call() {
    for nr in [337, 423, 472, 511, 512, 1 << 30, 1 << 30 | 59, u64::from(u32::MAX), u64::MAX] {
        assert!(lookup(nr).is_none(), "{nr}");
    }
}

#[test]
fn every_parameter_has_a_name_and_a_kind() {
    for call in all() {
        assert_eq!(call.parameters().count(), call.kinds().len(), "{}", call.name());
        assert!(call.kinds().len() <= 6, "{}", call.name());
    }
    let openat: Vec<&str> =
        by_name("openat").expect("openat").parameters().map(|(name, _)| name).collect();
    assert_eq!(openat, ["dirfd", "path", "flags", "mode"]);
}

#[test]
fn calls_that_do_not_return_are_known() {
    let names = |test: fn(u64) -> bool| -> Vec<&str> {
        all().filter(|call| test(call.nr.into())).map(|call| call.name()).collect()
    };
    assert_eq!(names(never_returns), ["rt_sigreturn", "exit", "exit_group"]);
    assert_eq!(names(leaves_process), ["execve", "execveat"]);
}

#[test]
fn calls_are_in_the_classes_that_strace_has_them_in() {
    let classes = |name: &str| by_name(name).expect("a call").classes;
    assert_eq!(classes("openat"), Classes::FILE | Classes::DESC);
    assert_eq!(classes("mmap"), Classes::DESC | Classes::MEMORY);
    assert_eq!(classes("getuid"), Classes::CREDS | Classes::PURE);
    assert_eq!(classes("execve"), Classes::FILE | Classes::PROCESS);
    assert_eq!(classes("kill"), Classes::PROCESS | Classes::SIGNAL);
    assert_eq!(classes("sendfile"), Classes::DESC | Classes::NETWORK);
    assert_eq!(classes("clock_gettime"), Classes::CLOCK);
    assert_eq!(classes("futex"), Classes::NONE);
}
