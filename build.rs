//! Rebuilds when a file under `rules/` appears or goes: the macro that embeds the folder only sees changes of files it knew.

fn main() {
    println!("cargo::rerun-if-changed=rules");
}
