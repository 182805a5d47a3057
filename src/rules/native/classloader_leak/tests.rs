//! Healthy look-alikes first, then the faults.

use crate::model::finding::{Finding, Severity};
use crate::rules::fixture::{bundle, check, measured, rule};

fn found(files: &[(&str, &str)]) -> Vec<Finding> {
    check(&rule("classloader-leak"), &bundle(files), None)
}

fn histogram(copies: usize, loaders: usize) -> String {
    let mut rows = vec!["[B (java.base@17)".to_owned(), "java.lang.String (java.base@17)".to_owned()];
    rows.extend((0..copies).map(|_| "com.acme.ShopConfig".to_owned()));
    rows.extend((0..40).map(|n| format!("com.acme.Orders$$Lambda${n}/0x00007f396d00{n:04}")));
    let mut text = String::from(" num     #instances         #bytes  class name (module)\n-------------------------------------------------------\n");
    for (n, row) in rows.iter().enumerate() {
        text.push_str(&format!("{:4}: {:13} {:14}  {row}\n", n + 1, 1, 24));
    }
    text.push_str(&format!("{:4}: {loaders:13} {:14}  org.apache.catalina.loader.ParallelWebappClassLoader\n", rows.len() + 1, loaders * 80));
    text + "Total         36457        3417088\n"
}

fn classes(loaded: impl Fn(i64) -> i64) -> Vec<Finding> {
    let mut text = String::from("# TYPE jvm_classes_loaded_classes gauge\n");
    for n in 0..60 {
        text.push_str(&format!("jvm_classes_loaded_classes {} {}\n", loaded(n), 1_767_261_600_000 + 60_000 * n));
    }
    found(&[("orders/metrics.prom", &text)])
}

#[test]
fn one_loader_many_lambdas_and_late_classes_are_no_leak() {
    assert!(found(&[("orders/histo_1.txt", &histogram(1, 1)), ("orders/histo_2.txt", &histogram(1, 2))]).is_empty());
    assert!(classes(|n| 9000 + (n * 900).min(5000)).is_empty(), "it levels off");
    assert!(classes(|n| 9000 + n * 10).is_empty(), "a few");
}

#[test]
fn tomcat_says_that_it_is_no_leak() {
    let line = "22-Nov-2026 19:18:09.192 SEVERE [main] org.apache.catalina.loader.WebappClassLoaderBase.checkThreadLocalMapForLeaks The web application [shop] created a ThreadLocal with key of type [a.B] (value [x]) and a value of type [c.D] (value [y]) but since keys are only weakly held by the ThreadLocal Map this is not a memory leak.\n";
    assert!(found(&[("shop/catalina.log", line)]).is_empty());
}

#[test]
fn loaders_that_are_kept_from_redeployment_to_redeployment() {
    let found =
        found(&[("orders/histo_1.txt", &histogram(4, 4)), ("orders/histo_2.txt", &histogram(8, 8)), ("orders/histo_3.txt", &histogram(12, 12))]);
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((finding.kind.as_str(), finding.severity, finding.subject.service.as_str()), ("", Severity::High, "orders"));
    assert_eq!((measured(finding, "copies"), measured(finding, "loaders_added")), (12.0, 8.0));
}

#[test]
fn classes_without_end() {
    let found = classes(|n| 9000 + n * 300);
    assert_eq!((found.len(), found[0].kind.as_str(), found[0].severity), (1, "generated-classes", Severity::Medium));
}

#[test]
fn collections_that_unload_nothing_before_the_metaspace_is_full() {
    let mut text = String::from("[2026-11-22T19:00:00.005+0000][0.005s][info][gc] Using G1\n");
    for n in 0..4 {
        text.push_str(&format!("[2026-11-22T19:00:0{n}.141+0000][{n}.141s][info][gc,metaspace] GC({n}) Metaspace: 7608K(12288K)->7608K(12288K) NonClass: 5608K(8448K)->5608K(8448K) Class: 2000K(3840K)->2000K(3840K)\n[2026-11-22T19:00:0{n}.141+0000][{n}.141s][info][gc          ] GC({n}) Pause Full (Metadata GC Threshold) 4M->4M(20M) 16.106ms\n"));
    }
    assert!(found(&[("orders/gc.log", &text)]).is_empty(), "one sign alone");
    let error = "2026-11-22T19:00:05.000Z ERROR 1 --- [orders] [main] c.a.Api : java.lang.OutOfMemoryError: Metaspace\n";
    let found = found(&[("orders/gc.log", &text), ("orders/app.log", error)]);
    assert_eq!((found.len(), found[0].kind.as_str(), found[0].severity), (1, "generated-classes", Severity::Critical));
}

#[test]
fn the_container_names_what_holds_an_application() {
    let line = "22-Nov-2026 19:18:09.192 WARNING [main] org.apache.catalina.loader.WebappClassLoaderBase.clearReferencesThreads The web application [shop] appears to have started a thread named [price-refresh-1] but has failed to stop it. This is very likely to create a memory leak.\n";
    let found = found(&[("shop/catalina.log", line)]);
    assert_eq!(found.len(), 1);
    assert!(found[0].words["sign"].contains("price-refresh-1"));
}
