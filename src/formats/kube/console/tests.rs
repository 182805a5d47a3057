use crate::formats::fixture::{placeless, recognised};

fn said(text: &str) -> Vec<String> {
    let (label, transcript) = recognised(text).unwrap_or_else(|| panic!("not claimed: {text}"));
    assert!(label.starts_with("kube-console/"), "{label}");
    placeless(&transcript)
}

fn has(said: &[String], part: &str) {
    assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:#?}");
}

#[test]
fn events_under_a_time() {
    let text = "Thu Jan  1 10:10:00 UTC 2026\n\
        LAST SEEN           TYPE      REASON              OBJECT                           MESSAGE\n\
        5m                  Normal    SuccessfulRescale   horizontalpodautoscaler/orders   New size: 6; reason: cpu resource utilization (percentage of request) above target\n\
        4m (x12 over 9m)    Warning   Unhealthy           pod/orders-7d9f5b6c8d-k2xwz      Readiness probe failed: HTTP probe failed with statuscode: 503\n";
    let lines = said(text);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    has(
        &lines,
        r#"event time="2026-01-01T10:05:00Z" count="1" kind="HorizontalPodAutoscaler" object="orders" service="orders" reason="SuccessfulRescale" message="New size: 6; reason"#,
    );
    has(
        &lines,
        r#"event time="2026-01-01T10:06:00Z" first="2026-01-01T10:01:00Z" count="12" warning="true" kind="Pod" object="orders-7d9f5b6c8d-k2xwz" service="orders" reason="Unhealthy""#,
    );
}

#[test]
fn events_of_all_namespaces_and_of_chosen_columns() {
    let text = "NAMESPACE   LAST SEEN   TYPE     REASON      OBJECT              SUBOBJECT   SOURCE    MESSAGE\n\
        shop        45s         Normal   Scheduled   pod/orders-0                    default   Successfully assigned shop/orders-0 to n1\n";
    has(
        &said(text),
        r#"count="1" kind="Pod" object="orders-0" namespace="shop" service="orders" reason="Scheduled" message="Successfully assigned shop/orders-0 to n1""#,
    );
    let text = "FirstSeen              LastSeen               Count   Type      Reason    KIND   NAME       Message\n";
    assert!(recognised(text).is_none_or(|(label, _)| !label.starts_with("kube-")), "mixed case is no heading of kubectl's own");
    let text = "FIRSTSEEN              LASTSEEN               COUNT   TYPE      REASON    KIND   NAME       MESSAGE\n\
        2026-01-01T10:00:00Z   2026-01-01T10:05:00Z   7       Warning   BackOff   Pod    orders-0   Back-off restarting failed container\n";
    has(&said(text), r#"event time="2026-01-01T10:05:00Z" first="2026-01-01T10:00:00Z" count="7" warning="true" kind="Pod" object="orders-0""#);
}

#[test]
fn a_watch_of_an_autoscaler_in_a_loop() {
    let round = |time: &str, targets: &str, replicas: u32| {
        format!(
            "{time}\nNAME     REFERENCE           TARGETS        MINPODS   MAXPODS   REPLICAS   AGE\norders   Deployment/order-service   {targets}   3         12        {replicas}          2d4h\n"
        )
    };
    let text = round("2026-01-01T10:00:00Z", "cpu: 85%/70%", 3) + &round("2026-01-01T10:00:30Z", "cpu: 91%/70%", 6);
    let lines = said(&text);
    has(
        &lines,
        r#"time="2026-01-01T10:00:30Z" service="order-service" name="kube_horizontalpodautoscaler_status_current_replicas" kind="Gauge" labels="horizontalpodautoscaler=orders;target=order-service;" value="6.0""#,
    );
    has(
        &lines,
        r#"time="2026-01-01T10:00:00Z" service="order-service" name="kube_horizontalpodautoscaler_status_target_metric" kind="Gauge" labels="horizontalpodautoscaler=orders;metric_name=cpu;metric_target_type=utilization;" value="85.0""#,
    );
    has(&lines, r#"key="kubernetes.hpa.maxreplicas" value="12""#);
}

#[test]
fn a_watch_without_times_is_spread_by_its_ages() {
    let text = "NAME     REFERENCE           TARGETS         MINPODS   MAXPODS   REPLICAS   AGE\n\
        orders   Deployment/orders   85%/70%         3         12        3          5m\n\
        orders   Deployment/orders   <unknown>/70%   3         12        6          5m30s\n";
    let (_, transcript) = recognised(text).unwrap();
    assert!(transcript.text.contains("time=\"1969-12-31T23:59:30Z\"") && transcript.text.contains("FailedGetMetric"), "{}", transcript.text);
}

#[test]
fn pods_deployments_and_usage() {
    let text = "# 2026-01-01T10:00:00Z\n\
        NAME                      READY   STATUS             RESTARTS      AGE     IP           NODE\n\
        orders-7d9f5b6c8d-k2xwz   1/1     Running            0             2d4h    10.1.2.3     n1\n\
        orders-7d9f5b6c8d-abcde   0/1     CrashLoopBackOff   4 (5m ago)    10m     10.1.2.4     n1\n\
        \n\
        NAME                     READY   UP-TO-DATE   AVAILABLE   AGE\n\
        deployment.apps/orders   1/2     2            1           2d4h\n\
        \n\
        NAME                      CPU(cores)   MEMORY(bytes)\n\
        orders-7d9f5b6c8d-k2xwz   250m         412Mi\n";
    let lines = said(text);
    has(
        &lines,
        r#"instance="orders-7d9f5b6c8d-abcde" name="kube_pod_container_status_restarts_total" kind="Cumulative" labels="pod=orders-7d9f5b6c8d-abcde;" value="4.0""#,
    );
    has(&lines, "reason=CrashLoopBackOff;");
    has(&lines, r#"service="orders" name="kube_deployment_status_replicas_ready" kind="Gauge" labels="deployment=orders;" value="1.0""#);
    has(&lines, r#"name="container_cpu_usage" kind="Gauge" labels="pod=orders-7d9f5b6c8d-k2xwz;" value="0.25""#);
    has(&lines, r#"name="kube_pod_created""#);
}

const POD: &str = "Name:             orders-7d9f5b6c8d-k2xwz\n\
Namespace:        shop\n\
Node:             n1/10.0.0.7\n\
Start Time:       Thu, 01 Jan 2026 10:00:00 +0000\n\
Status:           Running\n\
Containers:\n\
\x20 orders:\n\
\x20   Image:          shop/orders:1.7\n\
\x20   State:          Waiting\n\
\x20     Reason:       CrashLoopBackOff\n\
\x20   Last State:     Terminated\n\
\x20     Reason:       OOMKilled\n\
\x20     Exit Code:    137\n\
\x20   Ready:          False\n\
\x20   Restart Count:  4\n\
\x20   Limits:\n\
\x20     cpu:     500m\n\
\x20   Liveness:       http-get http://:8080/actuator/health/liveness delay=30s timeout=1s period=10s #success=1 #failure=3\n\
\x20   Environment:\n\
\x20     SPRING_PROFILES_ACTIVE:  prod\n\
\x20     DB_PASSWORD:             <set to the key 'p' in secret 'db'>  Optional: false\n\
Conditions:\n\
\x20 Type              Status\n\
\x20 Ready             False \n\
QoS Class:                   Burstable\n\
Events:\n\
\x20 Type     Reason     Age                  From               Message\n\
\x20 ----     ------     ----                 ----               -------\n\
\x20 Normal   Scheduled  10m                  default-scheduler  Successfully assigned shop/orders-7d9f5b6c8d-k2xwz to n1\n\
\x20 Warning  Unhealthy  4m12s (x12 over 9m)  kubelet            Liveness probe failed: Get \"http://10.1.2.3:8080/actuator/health/liveness\": context deadline exceeded\n";

#[test]
fn a_described_pod() {
    let lines = said(POD);
    has(
        &lines,
        r#"event time="2026-01-01T10:05:48Z" first="2026-01-01T10:01:00Z" count="12" warning="true" kind="Pod" object="orders-7d9f5b6c8d-k2xwz" namespace="shop" service="orders" reason="Unhealthy" message="Liveness probe failed: Get "#,
    );
    has(
        &lines,
        r#"name="kube_pod_container_status_restarts_total" kind="Cumulative" labels="namespace=shop;pod=orders-7d9f5b6c8d-k2xwz;container=orders;" value="4.0""#,
    );
    has(&lines, "reason=OOMKilled;");
    has(&lines, "reason=CrashLoopBackOff;");
    has(&lines, r#"key="kubernetes.container.orders.livenessprobe.httpget.path" value="/actuator/health/liveness""#);
    has(&lines, r#"key="kubernetes.container.orders.livenessprobe.timeoutseconds" value="1""#);
    has(&lines, r#"key="kubernetes.container.orders.resources.limits.cpu" value="500m""#);
    has(&lines, r#"key="db.password" value="***""#);
    has(&lines, r#"key="spring.profiles.active" value="prod""#);
    has(&lines, r#"name="kube_pod_status_ready" kind="Gauge" labels="namespace=shop;pod=orders-7d9f5b6c8d-k2xwz;condition=true;" value="0.0""#);
}

#[test]
fn a_described_autoscaler() {
    let text = "Name:                                                  orders-hpa\n\
        Namespace:                                             shop\n\
        Reference:                                             Deployment/orders\n\
        Metrics:                                               ( current / target )\n\
        \x20 resource cpu on pods  (as a percentage of request):  23% (115m) / 70%\n\
        Min replicas:                                          2\n\
        Max replicas:                                          10\n\
        Deployment pods:                                       10 current / 10 desired\n\
        Conditions:\n\
        \x20 Type            Status  Reason            Message\n\
        \x20 ----            ------  ------            -------\n\
        \x20 ScalingLimited  True    TooManyReplicas   the desired replica count is more than the maximum replica count\n\
        Events:\n\
        \x20 Type    Reason             Age    From                       Message\n\
        \x20 ----    ------             ----   ----                       -------\n\
        \x20 Normal  SuccessfulRescale  9m     horizontal-pod-autoscaler  New size: 10; reason: cpu resource utilization (percentage of request) above target\n";
    let lines = said(text);
    has(
        &lines,
        r#"service="orders" name="kube_horizontalpodautoscaler_status_desired_replicas" kind="Gauge" labels="namespace=shop;horizontalpodautoscaler=orders-hpa;" value="10.0""#,
    );
    has(&lines, r#"name="kube_horizontalpodautoscaler_spec_max_replicas""#);
    has(&lines, "condition=ScalingLimited;status=true;reason=TooManyReplicas;");
    has(&lines, "metric_name=cpu;metric_target_type=utilization;\" value=\"23.0\"");
    has(&lines, r#"kind="HorizontalPodAutoscaler" object="orders-hpa" namespace="shop" service="orders" reason="SuccessfulRescale""#);
}

#[test]
fn other_lines_stay_lines_and_other_tables_are_not_claimed() {
    let lines = said("$ kubectl get pods\nNAME   READY   STATUS    RESTARTS   AGE\na-0    1/1     Running   0          5m\nError from server: x\n");
    has(&lines, "message=\"Error from server: x\"");
    for text in [
        "NAME   READY\n",
        "CONTAINER ID   IMAGE   COMMAND   CREATED   STATUS   PORTS   NAMES\n1   2   3   4   5   6   7\n",
        "Name: x\n",
        "Name:      libfoo\nVersion:   1.2\n",
    ] {
        assert!(recognised(text).is_none_or(|(label, _)| !label.starts_with("kube-")), "{text}");
    }
    for (at, _) in POD.char_indices() {
        _ = recognised(&POD[..at]);
        _ = recognised(&POD[at..]);
    }
}
