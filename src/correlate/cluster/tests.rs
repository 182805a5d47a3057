//! How well messages are grouped by what wrote them, over lines in the manner of sixteen systems.
//!
//! The lines are made here from patterns whose places are filled from small stocks of values, so that what belongs
//! together is known. Accuracy is counted as is usual: a message is right if exactly those messages are in its group that
//! the same pattern has made.

use super::*;
use std::collections::HashMap;

/// Patterns of a system; `{x}` is a place, filled from the stock of that name.
const SYSTEMS: &[(&str, &[&str])] = &[
    (
        "hdfs",
        &[
            "Receiving block blk_{n} src: /{ip}:{n} dest: /{ip}:50010",
            "PacketResponder {n} for block blk_{n} terminating",
            "BLOCK* NameSystem.allocateBlock: {path} blk_{n}",
            "BLOCK* NameSystem.addStoredBlock: blockMap updated: {ip}:50010 is added to blk_{n} size {n}",
            "Deleting block blk_{n} file {path}",
            "Verification succeeded for blk_{n}",
            "writeBlock blk_{n} received exception java.io.IOException: Could not read from stream",
        ],
    ),
    (
        "hadoop",
        &[
            "Created MRAppMaster for application appattempt_{n}_{n}",
            "attempt_{n} TaskAttempt Transitioned from {state} to {state}",
            "Registering class {class} for class {class}",
            "Progress of TaskAttempt attempt_{n} is : {n}.{n}",
            "Address change detected. Old: {host}/{ip}:{n} New: {host}:{n}",
            "Error communicating with RM: No Route to Host from {host}/{ip} to {host}:{n}",
        ],
    ),
    (
        "spark",
        &[
            "Running task {n}.0 in stage {n}.0 (TID {n})",
            "Finished task {n}.0 in stage {n}.0 (TID {n}). {n} bytes result sent to driver",
            "Block broadcast_{n} stored as values in memory (estimated size {n}.{n} KB, free {n}.{n} MB)",
            "Found block rdd_{n}_{n} locally",
            "Input split: {hdfs}",
            "Changing view acls to: {user}",
        ],
    ),
    (
        "zookeeper",
        &[
            "Received connection request /{ip}:{n}",
            "Connection broken for id {n}, my id = {n}, error =",
            "Closed socket connection for client /{ip}:{n} which had sessionid 0x{hex}",
            "Notification time out: {n}",
            "Interrupted while waiting for message on queue",
            "Expiring session 0x{hex}, timeout of {n}ms exceeded",
        ],
    ),
    (
        "bgl",
        &[
            "generating core.{n}",
            "instruction cache parity error corrected",
            "ciod: failed to read message prefix on control stream (CioStream socket to {ip}:{n}",
            "{n} ddr errors(s) detected and corrected on rank 0, symbol {n}, bit {n}",
            "ciod: Error loading {path}: invalid or missing program image, {reason}",
            "CE sym {n}, at 0x{hex}, mask 0x{hex}",
        ],
    ),
    (
        "hpc",
        &[
            "Component State Change: Component \\042SCSI-WWID:{n}:{n}\\042 is in the unavailable state (HWID={n})",
            "Link error on broadcast tree Interconnect-{n}:{n}:{n}",
            "ambient={n}",
            "PSU status ( on off )",
            "node node-{n} has detected an available network connection on network {ip} via interface alt{n}",
        ],
    ),
    (
        "thunderbird",
        &[
            "session opened for user {user} by (uid=0)",
            "session closed for user {user}",
            "(root) CMD (run-parts {path})",
            "data_thread() got not answer from any [Thunderbird_{n}] datasource",
            "DHCPDISCOVER from {mac} via eth{n}: network A_net: no free leases",
            "synchronized to {ip}, stratum {n}",
        ],
    ),
    (
        "windows",
        &[
            "Loaded Servicing Stack v{n}.{n} with Core: {win}",
            "SQM: Failed to start upload with file pattern: {win}, flags: 0x{hex} [HRESULT = 0x{hex} - E_FAIL]",
            "Read out cached package applicability for package: Package_for_KB{n}~31bf~amd64~~{n}.{n}, ApplicableState: {n}, CurrentState:{n}",
            "Session: {n}_{n} initialized by client {client}.",
            "Warning: Unrecognized packageExtended attribute.",
        ],
    ),
    (
        "linux",
        &[
            "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost={host} user={user}",
            "check pass; user unknown",
            "connection from {ip} ({host}) at Sun Jul {n} 10:03:{n} 2005",
            "session opened for user {user} by (uid={n})",
            "ALERT exited abnormally with [{n}]",
            "Kerberos authentication failed",
        ],
    ),
    (
        "android",
        &[
            "acquire lock={n}, flags=0x{hex}, tag=\"{tag}\", name={pkg}, ws=null, uid={n}, pid={n}",
            "ready=true,policy={n},wakefulness={n},wksummary=0x{hex},uasummary=0x{hex},bootcompleted=true",
            "Skipping AppWindowToken{{hex} u0 token=Token{{hex} ActivityRecord{{hex} u0 {pkg}/.{class} t{n}}}} -- going to hide",
            "visible is system.charge.show",
            "getRunningAppProcesses: caller {n} does not hold REAL_GET_TASKS; limiting output",
        ],
    ),
    (
        "healthapp",
        &[
            "calculateCaloriesWithCache totalCalories={n}",
            "onStandStepChanged {n}",
            "setTodayTotalDetailSteps={n}##{n}##{n}##{n}##{n}##{n}",
            "onReceive action: {action}",
            "REPORT : {n} {n} {n} {n}",
        ],
    ),
    (
        "apache",
        &[
            "workerEnv.init() ok {path}",
            "mod_jk child workerEnv in error state {n}",
            "jk2_init() Found child {n} in scoreboard slot {n}",
            "[client {ip}] Directory index forbidden by rule: {path}",
            "Can't find child {n} in scoreboard",
        ],
    ),
    (
        "proxifier",
        &[
            "{host}:{n} open through proxy {host}:{n} HTTPS",
            "{host}:{n} close, {n} bytes sent, {n} bytes received, lifetime {n}:{n}",
            "{host}:{n} error : Could not connect through proxy {host}:{n} - Proxy server cannot establish a connection with the target, status code {n}",
        ],
    ),
    (
        "openssh",
        &[
            "Failed password for {user} from {ip} port {n} ssh2",
            "Failed password for invalid user {user} from {ip} port {n} ssh2",
            "Invalid user {user} from {ip}",
            "input_userauth_request: invalid user {user} [preauth]",
            "Connection closed by {ip} [preauth]",
            "Received disconnect from {ip}: 11: Bye Bye [preauth]",
            "pam_unix(sshd:auth): check pass; user unknown",
            "reverse mapping checking getaddrinfo for {host} [{ip}] failed - POSSIBLE BREAK-IN ATTEMPT!",
        ],
    ),
    (
        "openstack",
        &[
            "{ip} \"GET /v2/{hex}/servers/detail HTTP/1.1\" status: 200 len: {n} time: {n}.{n}",
            "[instance: {uuid}] VM Started (Lifecycle Event)",
            "[instance: {uuid}] VM Paused (Lifecycle Event)",
            "[instance: {uuid}] Took {n}.{n} seconds to build instance.",
            "Active base files: {path}",
            "image {uuid} at ({path}): checking",
            "Auditing locally available compute resources for node {host}",
        ],
    ),
    (
        "mac",
        &[
            "Thunderbolt terminal pool: hwm {n}, avail {n}",
            "AirPort: Link Down on awdl{n}. Reason {n} ({reason}).",
            "Service exited with abnormal code: {n}",
            "setting hostname to \"{host}\"",
            "[AppDelegate] {class} received {action}",
            "Bluetooth -- LE is supported - Disable LE meta event",
        ],
    ),
];

fn stock(name: &str) -> &'static [&'static str] {
    match name {
        "user" => &["root", "admin", "oracle", "webmaster", "test", "guest", "support", "nagios", "mysql", "git"],
        "ip" => &["10.251.43.21", "173.234.31.186", "0.0.0.0", "fe80::1"],
        "path" => &[
            "/mnt/hadoop/mapred/system/job_jar",
            "/etc/httpd/conf/workers2.properties",
            "/var/lib/nova/instances/_base",
            "/etc/cron.hourly",
            "/var/www/html/",
        ],
        "state" => &["NEW", "UNASSIGNED", "ASSIGNED", "RUNNING", "SUCCEEDED", "KILLED", "COMMIT_PENDING"],
        "class" => {
            &["JobEventDispatcher", "org.apache.hadoop.TaskEvent", "MainActivity", "CDXPC", "StatusBarWindowView", "ContentActivity", "SafariHelper"]
        }
        "host" => &[
            "minotauria",
            "msra-sa-41",
            "proxy.cse.cuhk.edu.hk",
            "dn228",
            "cp-1.slowip.example.net",
            "calvisitor-10-105-160-95.calvisitor.example.edu",
        ],
        "hdfs" => &["hdfs://10.10.34.11:9000/pjhe/logs/2kSOSP.log:21876+7292", "hdfs://a.example/b:0+7"],
        "win" => &["C:\\Windows\\winsxs\\amd64\\cbscore.dll", "C:\\Windows\\servicing\\sqm\\*_std.sqm"],
        "client" => &["WindowsUpdateAgent", "SPP", "DISM Package Manager Provider"],
        "tag" => &["View Lock", "RILJ_ACK_WL", "wake:com.android/.Service"],
        "pkg" => &["com.android.systemui", "android", "com.tencent.mm", "com.tencent.qt.qtl"],
        "action" => &["android.intent.action.SCREEN_ON", "android.intent.action.SCREEN_OFF", "kCTLSRequest", "notify_push"],
        "reason" => &["Permission denied", "Exec format error", "Disassociated because STA leaving BSS"],
        "mac" => &["00:11:43:e3:ba:c3", "00:d0:b7:0c:3e:aa"],
        "uuid" => &["b9000564-fe1a-409b-b8cc-1e88b294cd1d", "0673dd71-34c5-4fbb-86c4-40623fbe45b4"],
        "hex" => &["14f05578bd80009", "ffff", "deadbeef", "54fadb412c4e40cdbaed9335e4c35a9e", "b9a"],
        _ => &[],
    }
}

/// Numbers without a pattern: xorshift.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % below
    }
}

fn filled(pattern: &str, dice: &mut Dice) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        let values = stock(name);
        out.push_str(before);
        match name {
            "n" => out.push_str(&dice.next(90_000).to_string()),
            _ if values.is_empty() => {
                out.push('{');
                rest = after;
                continue;
            }
            _ => out.push_str(values[dice.next(values.len())]),
        }
        rest = tail;
    }
    out + rest
}

/// The share of messages that are grouped exactly as their patterns say.
fn accuracy(patterns: &[&str], lines: usize) -> (f64, Vec<String>) {
    let mut dice = Dice(7919);
    let said: Vec<(usize, String)> = (0..lines)
        .map(|_| {
            // Some messages are common and some are rare.
            let pattern = dice.next(patterns.len()).min(dice.next(patterns.len()));
            (pattern, filled(patterns[pattern], &mut dice))
        })
        .collect();
    let mut masked: BTreeMap<TemplateId, String> = BTreeMap::new();
    for (_, text) in &said {
        let mut once = String::new();
        template::mask(text, &mut once);
        masked.insert(template::fingerprint(text), once);
    }
    let texts: BTreeMap<TemplateId, &str> = masked.iter().map(|(id, text)| (*id, text.as_str())).collect();
    let clusters = clusters(&texts);
    let mut by_truth: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut by_cluster: HashMap<TemplateId, Vec<usize>> = HashMap::new();
    let cluster_of: Vec<TemplateId> = said.iter().map(|(_, text)| clusters.of(template::fingerprint(text))).collect();
    for (number, (truth, _)) in said.iter().enumerate() {
        by_truth.entry(*truth).or_default().push(number);
        by_cluster.entry(cluster_of[number]).or_default().push(number);
    }
    let wrong: Vec<usize> = (0..said.len()).filter(|n| by_truth[&said[*n].0] != by_cluster[&cluster_of[*n]]).collect();
    let mut told: Vec<String> = wrong
        .iter()
        .map(|n| format!("{} => {}", patterns[said[*n].0], clusters.text(cluster_of[*n]).unwrap_or(&masked[&template::fingerprint(&said[*n].1)])))
        .collect();
    told.sort();
    told.dedup();
    (1.0 - wrong.len() as f64 / lines as f64, told)
}

#[test]
fn sixteen_systems_are_grouped() {
    let mut sum = 0.0;
    let mut report = String::new();
    for (name, patterns) in SYSTEMS {
        let (share, wrong) = accuracy(patterns, 2000);
        sum += share;
        report += &format!("{name} {share:.3}\n");
        wrong.iter().take(12).for_each(|line| report += &format!("    {line}\n"));
    }
    let mean = sum / SYSTEMS.len() as f64;
    eprintln!("{mean:.3}\n{report}");
    assert!(mean > 0.95, "{mean:.3}\n{report}");
}

fn of(texts: &[&str]) -> Clusters {
    clusters(&texts.iter().map(|text| (template::of_masked(text), *text)).collect())
}

#[test]
fn sentences_with_other_words_stay_apart() {
    let texts =
        ["session opened for user", "session closed for user", "cart <*> is full", "cart <*> is empty", "up", "down", "started", "<*> started <*>"];
    let clusters = of(&texts);
    let distinct: BTreeSet<TemplateId> = texts.iter().map(|text| clusters.of(template::of_masked(text))).collect();
    assert_eq!(distinct.len(), texts.len());
    assert_eq!(clusters.members().count(), 0, "what is alone stays what it was");
}

#[test]
fn names_and_many_variants_are_values() {
    let clusters =
        of(&["login of root from <*>", "login of alice from <*>", "login of bob from <*>", "login of eve from <*>", "login of mallory from <*>"]);
    assert_eq!(clusters.text(clusters.of(template::of_masked("login of eve from <*>"))), Some("login of <*> from <*>"));
    let clusters = of(&["opened by com.acme.Orders now", "opened by com.acme.Carts now", "read /etc/a/b in <*> ms", "read /var/c/d in <*> s"]);
    assert_eq!(clusters.text(clusters.of(template::of_masked("opened by com.acme.Carts now"))), Some("opened by <*> now"));
    assert_eq!(clusters.text(clusters.of(template::of_masked("read /etc/a/b in <*> ms"))), Some("read <*> in <*>"));
    let clusters = of(&["cart id=<*> of jane", "cart id=none of jane"]);
    assert_eq!(clusters.text(clusters.of(template::of_masked("cart id=none of jane"))), Some("cart id=<*> of jane"));
}

#[test]
fn the_order_does_not_matter_and_the_work_is_bounded() {
    let texts: Vec<String> =
        (0..29_791).map(|n: u64| format!("user {} did {} at <*> with {}", name(n % 31), name(n / 31 % 31), name(n / 961))).collect();
    let map: BTreeMap<TemplateId, &str> = texts.iter().map(|text| (template::of_masked(text), text.as_str())).collect();
    let clusters = clusters(&map);
    let distinct: BTreeSet<TemplateId> = map.keys().map(|id| clusters.of(*id)).collect();
    assert_eq!(distinct.len(), 1);
    // Hashing again under other ids must give the same texts.
    let other: BTreeMap<TemplateId, &str> = map.values().enumerate().map(|(n, text)| (TemplateId(u64::MAX - n as u64), *text)).collect();
    let again = super::clusters(&other);
    let texts: BTreeSet<Option<&str>> = other.keys().map(|id| again.text(again.of(*id))).collect();
    assert_eq!(texts, BTreeSet::from([Some("user <*> did <*> at <*> with <*>")]));
}

fn name(mut n: u64) -> String {
    let mut out = String::new();
    for _ in 0..4 {
        out.push(char::from(b'a' + (n % 26) as u8));
        n = n / 26 + 3;
    }
    out
}
