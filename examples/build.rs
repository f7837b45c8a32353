//! The library is all that is loaded: no libc, no other constructor before it.
fn main() {
    for argument in ["-nostdlib", "-nostartfiles", "-Wl,-z,initfirst,-z,now,-z,text"] {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
}
