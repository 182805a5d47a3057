use crate::formats::fixture::{placeless, recognised};

fn said(text: &str) -> Vec<String> {
    let (label, transcript) = recognised(text).expect("is claimed");
    assert!(label.starts_with("kube-object/"), "{label}");
    placeless(&transcript)
}

const CORE: &str = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"a.1","creationTimestamp":"2026-01-01T10:00:00Z"},"involvedObject":{"kind":"HorizontalPodAutoscaler","name":"orders","namespace":"shop"},"reason":"SuccessfulRescale","message":"New size: 6; reason: cpu resource utilization (percentage of request) above target","source":{"component":"horizontal-pod-autoscaler"},"firstTimestamp":"2026-01-01T10:05:00Z","lastTimestamp":"2026-01-01T10:05:30Z","count":2,"type":"Normal","eventTime":null}"#;

#[test]
fn events_of_either_interface() {
    let rescaled = r#"event time="2026-01-01T10:05:30Z" first="2026-01-01T10:05:00Z" count="2" kind="HorizontalPodAutoscaler" object="orders" namespace="shop" service="orders" reason="SuccessfulRescale" message="New size: 6; reason: cpu resource utilization (percentage of request) above target""#;
    assert_eq!(said(CORE), [rescaled]);
    let newer = r#"{"kind":"Event","apiVersion":"events.k8s.io/v1","metadata":{"creationTimestamp":"2026-01-01T10:00:00Z"},"regarding":{"kind":"Pod","name":"orders-7d9f5b6c8d-k2xwz","namespace":"shop"},"reason":"Unhealthy","note":"Readiness probe failed: HTTP probe failed with statuscode: 503","series":{"count":4,"lastObservedTime":"2026-01-01T10:09:00.5Z"},"type":"Warning","eventTime":"2026-01-01T10:05:00.25Z","deprecatedFirstTimestamp":null}"#;
    let unready = r#"event time="2026-01-01T10:09:00.500Z" first="2026-01-01T10:05:00.250Z" count="4" warning="true" kind="Pod" object="orders-7d9f5b6c8d-k2xwz" namespace="shop" service="orders" reason="Unhealthy" message="Readiness probe failed: HTTP probe failed with statuscode: 503""#;
    assert_eq!(said(newer), [unready]);
    let listed = format!("{{\n  \"apiVersion\": \"v1\",\n  \"items\": [\n {CORE},\n {newer}\n ],\n  \"kind\": \"List\"\n}}\n");
    assert_eq!(said(&listed), [rescaled, unready]);
    let watched = format!("{{\"type\":\"ADDED\",\"object\":{CORE}}}\n{{\"type\":\"MODIFIED\",\"object\":{newer}}}\n");
    assert_eq!(said(&watched), [rescaled, unready]);
    let routed = format!("{{\"verb\":\"ADDED\",\"event\":{CORE}}}\n");
    assert_eq!(said(&routed), [rescaled]);
    let exported = CORE.replacen("\"kind\":\"Event\",\"apiVersion\":\"v1\",", "", 1);
    assert_eq!(said(&format!("{exported}\n{exported}\n")), [rescaled, rescaled]);
}

#[test]
fn places_are_those_of_the_items() {
    let listed = format!("{{\"apiVersion\": \"v1\",\n\"items\": [{CORE}],\n\"kind\": \"List\"}}");
    let (_, transcript) = recognised(&listed).unwrap();
    assert!(transcript.text.starts_with(&format!("event @{}+{} ", listed.find(CORE).unwrap(), CORE.len())), "{}", transcript.text);
    let yaml = "---\napiVersion: v1\nkind: Event\ninvolvedObject:\n  kind: Pod\n  name: a-0\nreason: BackOff\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 3\n";
    let (label, transcript) = recognised(yaml).unwrap();
    assert_eq!(label, "kube-object/yaml");
    let at = yaml.find("replicas").unwrap() - 2;
    assert!(transcript.text.contains(&format!("metric @{at}+13 ")) && transcript.text.contains("event @4+"), "{}", transcript.text);
}

#[test]
fn an_autoscaler_in_yaml() {
    let text = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: anything\n  namespace: shop\nspec:\n  maxReplicas: 10\n  metrics:\n  - resource:\n      name: cpu\n      target:\n        averageUtilization: 70\n        type: Utilization\n    type: Resource\n  minReplicas: 2\n  scaleTargetRef:\n    kind: Deployment\n    name: order-service\nstatus:\n  conditions:\n  - message: too many\n    reason: TooManyReplicas\n    status: \"True\"\n    type: ScalingLimited\n  currentMetrics:\n  - resource:\n      current:\n        averageUtilization: 23\n        averageValue: 115m\n      name: cpu\n    type: Resource\n  currentReplicas: 10\n  desiredReplicas: 10\n";
    let said = said(text);
    let has = |part: &str| assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:#?}");
    assert!(said.iter().all(|line| line.contains("service=\"order-service\"")), "{said:#?}");
    has(
        r#"name="kube_horizontalpodautoscaler_spec_max_replicas" kind="Gauge" labels="namespace=shop;horizontalpodautoscaler=anything;target=order-service;" value="10.0""#,
    );
    has(r#"name="kube_horizontalpodautoscaler_status_desired_replicas""#);
    has(r#"labels="namespace=shop;horizontalpodautoscaler=anything;metric_name=cpu;metric_target_type=utilization;" value="23.0""#);
    has(r#"condition=ScalingLimited;status=true;reason=TooManyReplicas;"#);
    has(r#"key="kubernetes.hpa.minreplicas" value="2""#);
    has(r#"key="kubernetes.hpa.target.cpu.utilization" value="70""#);
    has(r#"metric_target_type=average;" value="0.115""#);
}

const DEPLOYMENT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"orders","namespace":"shop"},"spec":{"replicas":6,"template":{"spec":{"terminationGracePeriodSeconds":30,"containers":[{"name":"order-app","image":"shop/orders:1.7","env":[{"name":"SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE","value":"20"},{"name":"DB_PASSWORD","value":"geheim"},{"name":"TOKEN","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],"resources":{"limits":{"cpu":"500m","memory":"512Mi"}},"readinessProbe":{"httpGet":{"path":"/ready","port":8081},"periodSeconds":5}}]}}},"status":{"replicas":6,"readyReplicas":3,"unavailableReplicas":3}}"#;

#[test]
fn a_deployment() {
    let said = said(DEPLOYMENT);
    let has = |part: &str| assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:#?}");
    has(r#"name="kube_deployment_spec_replicas" kind="Gauge" labels="namespace=shop;deployment=orders;" value="6.0""#);
    has(r#"name="kube_deployment_status_replicas_ready" kind="Gauge" labels="namespace=shop;deployment=orders;" value="3.0""#);
    has(r#"name="kube_deployment_status_replicas_available" kind="Gauge" labels="namespace=shop;deployment=orders;" value="0.0""#);
    has(r#"key="spring.datasource.hikari.maximumpoolsize" value="20""#);
    has(r#"key="db.password" value="***""#);
    has(r#"key="token" value="***""#);
    has(r#"key="kubernetes.container.orderapp.resources.limits.cpu" value="500m""#);
    has(r#"key="kubernetes.container.orderapp.readinessprobe.httpget.path" value="/ready""#);
    has(r#"key="kubernetes.container.orderapp.readinessprobe.periodseconds" value="5""#);
    has(r#"key="kubernetes.terminationgraceperiodseconds" value="30""#);
    assert!(!said.iter().any(|line| line.contains("geheim")));
}

#[test]
fn pods_and_what_they_use() {
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"orders-7d9f5b6c8d-k2xwz","namespace":"shop"},"spec":{"containers":[]},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"False"}],"containerStatuses":[{"name":"app","ready":false,"restartCount":4,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"reason":"OOMKilled","exitCode":137}}}]}}"#;
    let lines = said(pod);
    let has = |part: &str| assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    has(r#"service="orders" instance="orders-7d9f5b6c8d-k2xwz" name="kube_pod_status_ready""#);
    has(
        r#"name="kube_pod_container_status_restarts_total" kind="Cumulative" labels="namespace=shop;pod=orders-7d9f5b6c8d-k2xwz;container=app;" value="4.0""#,
    );
    has("reason=OOMKilled;");
    has("reason=CrashLoopBackOff;");
    let usage = r#"{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[{"metadata":{"name":"orders-7d9f5b6c8d-k2xwz","namespace":"shop"},"timestamp":"2026-01-01T10:00:00Z","window":"15s","containers":[{"name":"app","usage":{"cpu":"250m","memory":"412Mi"}}]}]}"#;
    let lines = said(usage);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[0].contains(r#"time="2026-01-01T10:00:00Z""#)
            && lines[0].contains(r#"name="container_cpu_usage""#)
            && lines[0].contains(r#"value="0.25""#)
    );
}

#[test]
fn a_loop_with_times() {
    let hpa = |n: u32| {
        format!(
            "{{\n  \"apiVersion\": \"autoscaling/v1\",\n  \"kind\": \"HorizontalPodAutoscaler\",\n  \"metadata\": {{\"name\": \"orders\"}},\n  \"status\": {{\"currentReplicas\": {n}}}\n}}\n"
        )
    };
    let text = format!("Sun Nov 22 19:44:42 UTC 2026\n{}Sun Nov 22 19:45:12 UTC 2026\n{}", hpa(3), hpa(6));
    let said = said(&text);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].contains("time=\"2026-11-22T19:44:42Z\"") && said[0].contains("value=\"3.0\""), "{said:#?}");
    assert!(said[1].contains("time=\"2026-11-22T19:45:12Z\"") && said[1].contains("value=\"6.0\""), "{said:#?}");
}

#[test]
fn logs_are_not_claimed() {
    for text in [
        r#"{"@t":"2026-01-01T10:00:00Z","@mt":"Event {Kind}","kind":"Event","reason":"x"}"#,
        r#"{"Timestamp":"2026-01-01T10:00:00Z","Level":"Information","MessageTemplate":"x","Properties":{"kind":"Pod"}}"#,
        r#"{"time":"2026-01-01T10:00:00Z","level":"INFO","msg":"rescaled","kind":"HorizontalPodAutoscaler","name":"orders"}"#,
        "version: \"3\"\nservices:\n  web:\n    image: web\n",
    ] {
        let label = recognised(text).map_or_else(String::new, |(label, _)| label);
        assert!(!label.starts_with("kube-"), "{label}: {text}");
    }
}

#[test]
fn any_cut_is_read_and_what_is_broken_is_kept_apart() {
    for (at, _) in DEPLOYMENT.char_indices().step_by(7) {
        _ = recognised(&DEPLOYMENT[..at]);
        _ = recognised(&DEPLOYMENT[at..]);
    }
    let (_, transcript) = recognised(&DEPLOYMENT[..DEPLOYMENT.len() - 20]).unwrap();
    assert!(transcript.text.contains("truncated"), "{}", transcript.text);
    let bomb = format!("apiVersion: v1\nkind: Pod\na: &a [x, x]\n{}", (0..40).map(|n| format!("b{n}: &b{n} [*a, *a, *a]\n")).collect::<String>());
    _ = recognised(&bomb);
    let broken = "apiVersion: v1\nkind: Pod\nmetadata: {{ .Values.name }}\n";
    let (_, transcript) = recognised(broken).unwrap();
    assert_eq!(transcript.quarantined, 1, "{}", transcript.text);
}
