//! Beginnings of formats, by family: what the property tests and the fuzz targets start from.

/// Families by name, with some bytes of each of their formats; of a text a few records.
pub const FAMILIES: [(&str, &[&[u8]]); 7] =
    [("json", JSON), ("text", TEXT), ("otlp", OTLP), ("traces", TRACES), ("jvm", JVM), ("metrics", METRICS), ("kubernetes", KUBERNETES)];

const JSON: &[&[u8]] = &[
    b"{\"@timestamp\":\"2026-09-14T10:00:00.000Z\",\"level\":\"INFO\",\"logger_name\":\"a.B\",\"thread_name\":\"main\",\"message\":\"up\"}\n",
    b"{\"log\":\"up\\n\",\"stream\":\"stdout\",\"time\":\"2026-09-14T10:00:00.000000000Z\"}\n{\"log\":\"{\\\"level\\\":\\\"warn\\\",\\\"msg\\\":\\\"late\\\"}\\n\",\"stream\":\"stdout\",\"time\":\"2026-09-14T10:00:01.000000000Z\"}\n",
    b"2026-09-14T10:00:00.000000000Z stdout F up\n2026-09-14T10:00:00.000000001Z stdout P {\"level\":\n2026-09-14T10:00:00.000000002Z stdout F \"info\"}\n",
    b"{\"level\":30,\"time\":1789380000000,\"pid\":7,\"hostname\":\"web-1\",\"name\":\"orders\",\"msg\":\"up\",\"traceId\":\"0cd210263d554afda51dd250ad32d371\"}\n",
    b"{\"data\":{\"resultType\":\"streams\",\"result\":[{\"stream\":{\"app\":\"a\"},\"values\":[[\"1795376223181000000\",\"up\"],[\"1795376223182000000\",\"down\"]]}]}}",
    b"{\"hits\":{\"hits\":[{\"_source\":{\"@timestamp\":\"2026-09-14T10:00:00Z\",\"message\":\"up\"}},{\"_source\":{\"@timestamp\":\"2026-09-14T10:00:01Z\",\"message\":\"down\"}}]}}",
];

const TEXT: &[&[u8]] = &[
    b"2026-09-14 10:00:00.000  INFO 1 --- [main] c.acme.shop.Cart : up\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:7)\nCaused by: java.io.IOException: x\n\t... 3 more\n",
    b"time=2026-09-14T10:00:00Z level=info msg=up\ntime=2026-09-14T10:00:01Z level=warn msg=\"not up\" trace_id=0cd210263d554afda51dd250ad32d371\n",
    b"<134>1 2026-09-14T10:00:00Z web-1 orders 7 - [a@1 traceId=\"0cd210263d554afda51dd250ad32d371\"] up\n",
    b"Sep 14 10:00:00 web-1 orders[7]: up\nSep 14 10:00:01 web-1 orders[7]: down\n",
    b"2026-09-14 10:00:00.000 UTC [7] shop@orders ERROR:  no\n2026-09-14 10:00:00.000 UTC [7] shop@orders DETAIL:  why\n",
    b"2026-09-14 10:00:00.000 UTC,\"shop\",\"orders\",7,\"\",6b03,3,\"\",2026-09-14 10:00:00 UTC,3/3,7,ERROR,40P01,\"no\",,,,,,,,,\"\",\"x\",,0\n",
    b"2026-09-14T10:00:00Z\n pid | application_name | state  | xact_age | query\n-----+------------------+--------+----------+-------\n   7 | orders           | active | 00:00:01 | select 1\n(1 row)\n",
    b"# Time: 2026-09-14T10:00:00Z\n# User@Host: a[a] @ b []  Id: 7\n# Query_time: 1.5  Lock_time: 0.1 Rows_sent: 1  Rows_examined: 9\nSET timestamp=1;\nselect 1;\n",
    b"7:M 14 Sep 2026 10:00:00.000 * up\n7:M 14 Sep 2026 10:00:00.000 # late\n",
    b"1) 1) (integer) 14\n   2) (integer) 1795376008\n   3) (integer) 15000\n   4) 1) \"ping\"\n",
    b"Sep 14, 2026 10:00:00 AM a.B c\nINFO: up\nSep 14, 2026 10:00:01 AM a.B c\nSEVERE: down\n",
    b"<?xml version=\"1.0\"?>\n<log>\n<record>\n<millis>1789380000000</millis><sequence>1</sequence><level>INFO</level><message>up</message></record>\n</log>\n",
    b"I0914 10:00:00.000000 7 a.go:1] up\nE0914 10:00:01.000000 7 a.go:1] down\n",
    b"[pid: 7|app: 0|req: 1/1] a () {1 vars in 2 bytes} [Mon Sep 14 10:00:00 2026] GET /x => generated 4 bytes in 9 msecs (HTTP/1.1 200) 1 headers in 8 bytes (1 switches on core 0)\n",
    b"__CURSOR=s=5f\n__REALTIME_TIMESTAMP=1795376223181000\nMESSAGE=up\n\n",
    b"a-host 2026-09-14 10:00:00.000 7 INFO up\na-host 2026-09-14 10:00:00.001 7 INFO down\n",
    b"10.0.0.1 - - [14/Sep/2026:10:00:00 +0000] \"GET /x HTTP/1.1\" 502 7 \"-\" \"curl\" rt=1.5 uct=\"0.1\" urt=\"1.4\"\n",
    b"2026/09/14 10:00:00 [error] 7#7: *9 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 10.0.0.1, upstream: \"http://10.0.0.2:8080/x\"\n",
];

const OTLP: &[&[u8]] = &[
    b"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\"a\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":\"0cd210263d554afda51dd250ad32d371\",\"spanId\":\"0cd210263d554afd\",\"name\":\"a\",\"kind\":2,\"startTimeUnixNano\":\"1789380000000000000\",\"endTimeUnixNano\":\"1789380000100000000\",\"status\":{\"code\":2},\"attributes\":[{\"key\":\"http.route\",\"value\":{\"stringValue\":\"/x\"}}]}]}]}]}",
    b"{\"resourceLogs\":[{\"resource\":{},\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":\"1789380000000000000\",\"severityText\":\"ERROR\",\"body\":{\"stringValue\":\"no\"}}]}]}]}\n",
    b"{\"resourceMetrics\":[{\"resource\":{},\"scopeMetrics\":[{\"metrics\":[{\"name\":\"a\",\"sum\":{\"dataPoints\":[{\"asInt\":\"7\",\"timeUnixNano\":\"1789380000000000000\"}]}}]}]}]}\n",
    b"\x0a]\x0a\x1a\x0a\x18\x0a\x0cservice.name\x12\x08\x0a\x06orders\x12?\x0a\x03\x0a\x01a\x128\x0a\x10\x0c\xd2\x10&=UJ\xfd\xa5\x1d\xd2P\xad2\xd3q\x12\x08\x0c\xd2\x10&=UJ\xfd*\x06GET /x0\x029\x00@0$\xa1'\xd5\x18A\x00!&*\xa1'\xd5\x18",
    b"\x00\x00\x00_\x0a]\x0a\x1a\x0a\x18\x0a\x0cservice.name\x12\x08\x0a\x06orders\x12?\x0a\x03\x0a\x01a\x128\x0a\x10\x0c\xd2\x10&=UJ\xfd\xa5\x1d\xd2P\xad2\xd3q\x12\x08\x0c\xd2\x10&=UJ\xfd*\x06GET /x0\x029\x00@0$\xa1'\xd5\x18A\x00!&*\xa1'\xd5\x18",
];

const TRACES: &[&[u8]] = &[
    b"{\"data\":[{\"traceID\":\"0cd210263d554afd\",\"spans\":[{\"traceID\":\"0cd210263d554afd\",\"spanID\":\"0cd210263d554afd\",\"operationName\":\"a\",\"references\":[],\"startTime\":1789380000000000,\"duration\":9,\"tags\":[{\"key\":\"error\",\"type\":\"bool\",\"value\":true}],\"logs\":[],\"processID\":\"p1\"}],\"processes\":{\"p1\":{\"serviceName\":\"a\",\"tags\":[]}}}]}",
    b"[{\"traceId\":\"0cd210263d554afd\",\"id\":\"0cd210263d554afd\",\"name\":\"get\",\"timestamp\":1789380000000000,\"duration\":9,\"kind\":\"CLIENT\",\"localEndpoint\":{\"serviceName\":\"a\"},\"tags\":{\"http.path\":\"/x\"}}]",
    b"[[{\"trace_id\":7,\"span_id\":8,\"start\":1795376223181000000,\"duration\":9,\"name\":\"a\",\"service\":\"b\",\"resource\":\"c\"}]]",
    b"{\"id\":\"70de5b6f19ff9a0a\",\"trace_id\":\"1-581cf771-a006649127e371903a2de979\",\"start_time\":1.5,\"end_time\":2.5,\"name\":\"a\",\"subsegments\":[{\"id\":\"70de5b6f19ff9a0b\",\"name\":\"b\",\"start_time\":1.6,\"end_time\":1.7}]}",
    b"{\"traceId\":\"a\",\"segmentId\":\"s\",\"spanId\":0,\"parentSpanId\":-1,\"startTime\":1795376223181,\"endTime\":1795376223191,\"endpointName\":\"c\",\"serviceCode\":\"d\",\"type\":\"Entry\",\"isError\":false}\n",
    b"{\"Timestamp\":\"2026-09-14 10:00:00\",\"TraceId\":\"a\",\"SpanId\":\"b\",\"SpanName\":\"c\",\"ServiceName\":\"d\",\"Duration\":7}\n",
    b"{\"Name\":\"GET /x\",\"SpanContext\":{\"TraceID\":\"0cd210263d554afda51dd250ad32d371\",\"SpanID\":\"0cd210263d554afd\"},\"Parent\":{\"TraceID\":\"00000000000000000000000000000000\",\"SpanID\":\"0000000000000000\"},\"SpanKind\":2,\"StartTime\":\"2026-09-14T10:00:00Z\",\"EndTime\":\"2026-09-14T10:00:01Z\"}\n",
];

const JVM: &[&[u8]] = &[
    b"10885\n2026-11-22T19:30:33.961155234Z\n25.0.3+9-LTS\n\n#13 \"a\" virtual WAITING 2026-11-22T19:30:33Z\n    at java.base/A.b(A.java:1)\n    - parking to wait for <C@59>, owner #13\n",
    b"{\"threadDump\":{\"time\":\"2026-11-22T19:17:28Z\",\"threadContainers\":[{\"container\":\"<root>\",\"threads\":[{\"tid\":\"21\",\"name\":\"a\",\"state\":\"BLOCKED\",\"blockedOn\":\"C@1f\",\"stack\":[\"A.b(A.java:8)\"],\"monitorsOwned\":[{\"depth\":0,\"locks\":[\"C@b1\"]}]}]}]}}",
    b"{\"threads\":[{\"threadName\":\"a\",\"threadId\":31,\"threadState\":\"BLOCKED\",\"lockInfo\":{\"className\":\"C\",\"identityHashCode\":42},\"lockOwnerId\":32,\"stackTrace\":[{\"className\":\"A\",\"methodName\":\"b\",\"lineNumber\":1}]}]}",
    b"\"exec-1\" daemon prio=5 Id=31 BLOCKED on C@1b owned by \"exec-2\" Id=32\n\tat A.b(A.java:12)\n\t-  blocked on C@1b\n\n\tNumber of locked synchronizers = 1\n\t- S@4e\n\n",
    b"0SECTION       TITLE subcomponent dump routine\n1TIDATETIME    Date: 2024/08/25 at 15:55:09:123\n1LKDEADLOCK    Deadlock detected !!!\n2LKDEADLOCKTHR  Thread \"a\" (0x0B)\n3LKDEADLOCKWTR    is waiting for:\n4LKDEADLOCKOBJ      C@0x0A\n3LKDEADLOCKOWN    which is owned by:\n3XMTHREADINFO      \"a\" J9VMThread:0x0B, state:B, prio=5\n3XMTHREADBLOCK     Blocked on: C@0x0A Owned by: \"b\" (J9VMThread:0x0C)\n4XESTACKTRACE                at A/b.c(A.java:1(Compiled Code))\n5XESTACKTRACE                   (entered lock: C@0x0D, entry count: 1)\n",
    b"2022-07-26T21:00:45.231+0800: 7.599: #2: [Full GC (System.gc()) [PSYoungGen: 9K->0K(8K)] [ParOldGen: 3K->9K(10K)] 9K->9K(93K), [Metaspace: 1K->1K(1K)], 0.64 secs] [Times: user=1.52 sys=0.17, real=0.65 secs] \n1.565: [GC 1.565: [ParNew1.578: [CMS-concurrent-abortable-preclean: 0.002/0.190 secs] [Times: user=0.09 sys=0.00, real=0.19 secs] \n: 118K->13K(118K), 0.02 secs] 194K->128K(249K), 0.02 secs]\n",
    b"1.0: [GC pause (G1 Evacuation Pause) (young)\n, 0.02 secs]\n   [Parallel Time: 9.2 ms, GC Workers: 8]\n   [Eden: 32.0M(32.0M)->0.0B(32.0M) Survivors: 0.0B->32.0M Heap: 32.0M(88.0G)->7136.4K(88.0G)]\n [Times: user=0.07 sys=0.02, real=0.02 secs] \n",
    b"<verbosegc xmlns=\"x\" version=\"R28\">\n<exclusive-start id=\"2\" timestamp=\"2015-12-31T15:22:46.957\" intervalms=\"3955.367\">\n<gc-start id=\"5\" type=\"scavenge\">\n  <mem-info id=\"6\" free=\"4\" total=\"5\" percent=\"74\">\n<gc-end id=\"8\" type=\"global\" durationms=\"25.007\">\n  <mem-info id=\"9\" free=\"4\" total=\"5\" percent=\"85\">\n</gc-end>\n<exclusive-end id=\"13\" durationms=\"25.388\" />\n",
    b"Timestamp   S0C  S1C  S0U  S1U  EC  EU  OC  OU  MC  MU  CCSC  CCSU  YGC  YGCT  FGC  FGCT  CGC  CGCT  GCT\n  1.0  0.0  2048.0  0.0  1410.1  12288.0  8192.0  40960.0  15295.5  4800.0  4599.4  576.0  506.1  4  0.035  3  0.041  -  -  0.076\n  2.0  0.0  2048.0  0.0  1410.1  12288.0  8192.0  40960.0  15295.5  4800.0  4599.4  576.0  506.1  4  0.035  4  0.041  -  -  0.076\n",
    b"9066:\n garbage-first heap   total 55296K, used 14692K [0x00000000fc000000, 0x0000000100000000)\n  region size 1024K, 0 young (0K), 0 survivors (0K)\n Metaspace       used 1583K, committed 1792K, reserved 1114112K\n",
    b"9066:\n\nNative Memory Tracking:\n\nTotal: reserved=1527200KB +192KB, committed=121756KB +192KB\n\n-                    Thread (reserved=41071KB, committed=3019KB)\n                            (thread #40 +3)\n",
    b"4044:\nClassLoader         Parent              CLD*               Classes   ChunkSz   BlockSz  Type\n0x00007f396d000a08  0x00007f396c07af08  0x00007f39c4149b80       2       768       456  A$Loader\nTotal = 65                                                     895    612224    107767  \n",
    b"4044:\n\nTotal Usage - 85 loaders, 907 classes (707 shared):\n       Both:  172 chunks,      4.71 MB capacity,    1.08 MB ( 23%) committed,   874.41 KB ( 18%) used\n\nMaxMetaspaceSize: 64.00 MB\n",
    b"#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n#  SIGSEGV (0xb) at pc=0x7f, pid=12200, tid=12200\n#\n# Problematic frame:\n# C  [libc.so.6+0x85f14]\n#\n\nTime: Sun Nov 22 19:32:04 2026 UTC elapsed time: 3.000974 seconds (0d 0h 0m 3s)\n\nHeap:\n def new generation   total 4928K, used 4927K [0x0)\n\nGC Heap History (2 events):\nEvent: 0.193 GC heap before\n{Heap before GC invocations=0 (full 0):\n def new generation   total 4928K, used 4928K [0x0)\n}\nEvent: 0.198 GC heap after\n{Heap after GC invocations=1 (full 1):\n def new generation   total 4928K, used 0K [0x0)\n}\n",
    b"JAVA PROFILE 1.0.2\0\0\0\0\x04\0\0\x01\xa2\x04\xf0\xbe\x73\x01\0\0\0\0\0\0\0\x07\0\0\0\x01a/B\x02\0\0\0\0\0\0\0\x10\0\0\0\x01\0\0\0\x0a\0\0\0\0\0\0\0\x01\x1c\0\0\0\0\0\0\0\x24\x05\0\0\0\x0a\x21\0\0\0\x0b\0\0\0\0\0\0\0\x0a\0\0\0\x02\0\0\x23\0\0\0\x0c\0\0\0\0\0\0\0\x01\x08\0",
    b"FLR\0\0\x02\0\x01\0\0\0\0\0\0\0\x60\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0\x44\x18\xea\x77\xe8\x85\xcb\x5f\x6c\0\0\0\0\xf0\x6b\x2a\x60\0\0\0\0\0\0\0\x0c\0\0\0\0\x3b\x9a\xca\0\0\0\0\x01\x0c\0\0\0\x01\x01\x03\x01a\0\0\0\x0a\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"jdk.GarbageCollection {\n  startTime = 20:27:22.081 (2026-11-22)\n  duration = 3.93 ms\n  gcId = 2\n  name = \"G1New\"\n  heapSpace = {\n    committedSize = 64.0 MB\n  }\n}\n\n",
    b"{\"recording\":{\"events\":[{\"type\":\"jdk.CPULoad\",\"values\":{\"startTime\":\"2026-11-22T20:27:22.948769909Z\",\"jvmUser\":0.25,\"jvmSystem\":0.0,\"machineTotal\":0.5}}]}}",
];

const METRICS: &[&[u8]] = &[
    b"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"values\":[[1795376013.1,\"0.5\"],[1795376028.1,\"NaN\"]]}]}}",
    b"{\"metric\":{\"__name__\":\"up\"},\"values\":[1,2,3],\"timestamps\":[1795376013100,1795376028100,1795376043100]}\n",
    b"{\"name\":\"jvm.memory.used\",\"baseUnit\":\"bytes\",\"measurements\":[{\"statistic\":\"VALUE\",\"value\":1.5E7}],\"availableTags\":[{\"tag\":\"area\",\"values\":[\"heap\"]}]}\n",
    b"sep=,\n\"Time\",\"up{job=\"\"a\"\"}\",b\n2026-11-22 19:30:00,12,null\n1795376013000,3,87%\n",
    b"http_requests,service=orders,host=a\\ b count=12i,p95=0.25,note=\"a, b\" 1795376013100000000\n",
    b"servers.orders-0.heap;env=prod 16850024 1795376013\n",
    b"orders.done:2|c|@0.1|#service:orders\n",
    b"# HELP a b\n# TYPE a counter\na{b=\"c\"} 7 1795376013000\n",
    b"# Server\r\nredis_version:7.0.15\r\nused_memory:7\r\n",
];

const KUBERNETES: &[&[u8]] = &[
    b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"orders-7d9f8b6c5d-x2x4z\"},\"reason\":\"Unhealthy\",\"message\":\"Readiness probe failed\",\"type\":\"Warning\",\"count\":3,\"lastTimestamp\":\"2026-09-14T10:00:00Z\"}]}",
    b"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: orders\nspec:\n  replicas: 3\n  template:\n    spec:\n      containers:\n      - name: orders\n        resources:\n          limits:\n            memory: 512Mi\n",
    b"NAME                      READY   STATUS             RESTARTS      AGE\norders-7d9f8b6c5d-x2x4z   0/1     CrashLoopBackOff   7 (2m ago)    20m\n",
    b"LAST SEEN   TYPE      REASON      OBJECT                        MESSAGE\n2m          Warning   Unhealthy   pod/orders-7d9f8b6c5d-x2x4z   Readiness probe failed: HTTP probe failed with statuscode: 503\n",
    b"Name:             orders-7d9f8b6c5d-x2x4z\nNamespace:        shop\nStart Time:       Mon, 14 Sep 2026 10:00:00 +0000\nStatus:           Running\nContainers:\n  orders:\n    State:          Waiting\n      Reason:       CrashLoopBackOff\n    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137\n    Restart Count:  7\nEvents:\n  Type     Reason   Age   From     Message\n  ----     ------   ----  ----     -------\n  Warning  BackOff  2m    kubelet  Back-off restarting failed container\n",
    b"GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID\nledger          postings        0          65              92              27              -               -               -\n",
    b"spring:\n  datasource:\n    hikari:\n      maximum-pool-size: 10\nserver:\n  port: 8080\n",
    b"upstream a {\n  server 10.0.0.1:80;\n}\nserver {\n  location / {\n    proxy_read_timeout 5s;\n  }\n}\n",
];
