//! What a support bundle of a real cluster holds, and an autoscaler's state, read as whole files. Skipped where the captures
//! are absent.

use analyze::formats::recognise;
use analyze::model::source::{Chunk, FileId, Head, Hints};
use analyze::model::transcript::Transcript;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

fn open(name: &str) -> Option<std::fs::File> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus/k8s")).join(name);
    let file = std::fs::File::open(path).ok();
    if file.is_none() {
        println!("skipped: no capture {name}");
    }
    file
}

/// Label and transcript of a file; none if no format claims it.
fn said(bytes: &[u8]) -> Option<(String, Transcript)> {
    let head = &bytes[..bytes.len().min(64 << 10)];
    let found = recognise(&Head { path: "capture", bytes: head, whole: bytes.len() == head.len() })?;
    let mut transcript = Transcript::default();
    found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &Hints::default() }, &mut transcript);
    Some((found.label, transcript))
}

#[test]
fn a_support_bundle() {
    let Some(file) = open("troubleshoot-support-bundle.tar.gz") else { return };
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(file)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, bytes);
    }
    let of = |path: &str| {
        let (label, transcript) =
            said(&files[&format!("support-bundle/cluster-resources/{path}")]).unwrap_or_else(|| panic!("{path} is not claimed"));
        assert!(label.starts_with("kube-object/"), "{path}: {label}");
        assert_eq!(transcript.quarantined, 0, "{path}: {}", transcript.text);
        transcript.text
    };
    let events = of("events/default.json");
    assert_eq!(events.lines().count(), 5, "{events}");
    // The scheduler's event has none of the old times.
    assert!(events.lines().any(|line| line.contains("time=\"2022-12-21T16:43:07.860897Z\"") && line.contains("reason=\"Scheduled\"")), "{events}");
    assert!(
        events.lines().any(|line| line.contains("warning=\"true\"") && line.contains("reason=\"BackOff\"") && line.contains("object=\"static-hi\""))
    );
    let pods = of("pods/default.json");
    assert!(pods.contains("container=hello;\" value=\"25.0\"") && pods.contains("service=\"nginx-deployment\""), "{pods}");
    let deployments = of("deployments/kube-system.json");
    assert!(deployments.contains("name=\"kube_deployment_status_replicas_ready\"") && deployments.contains("livenessprobe.httpget.path"));
    for nothing in ["events/kube-system.json", "clusterroles.json", "nodes.json", "custom-resources/helmcharts.helm.cattle.io/kube-system.yaml"] {
        assert!(!of(nothing).contains("event @"), "{nothing}");
    }
    assert!(of("replicasets/default.json").contains("service=\"nginx-deployment\" name=\"kube_replicaset_spec_replicas\""));
}

#[test]
fn an_autoscaler_that_is_at_its_bound() {
    let Some(mut file) = open("hpa_status_v2.DERIVED.yaml") else { return };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let (label, transcript) = said(&bytes).expect("is claimed");
    assert_eq!((label.as_str(), transcript.quarantined), ("kube-object/yaml", 0));
    for part in [
        "reason=TooManyReplicas;",
        "spec_max_replicas\" kind=\"Gauge\" labels=\"namespace=shop;horizontalpodautoscaler=order-service;target=order-service;\" value=\"10.0\"",
        "metric_name=cpu;metric_target_type=utilization;\" value=\"23.0\"",
    ] {
        assert!(transcript.text.contains(part), "{part}: {}", transcript.text);
    }
}
