//! Layouts that the generated bundle has none of: a few lines of each, to be written over and over below a head.
//!
//! What this file does not do: vary them. A parser does not know that it has seen a line before.

/// Name, head of the file, and the lines to repeat.
pub const LAYOUTS: [(&str, &str, &str); 39] = [
    (
        "access-log/apache",
        "",
        "203.0.113.7 - - [22/Nov/2026:19:35:53 +0000] \"GET /orders/4711?full=1 HTTP/1.1\" 200 512 \"https://shop.example/\" \
         \"Mozilla/5.0 (X11; Linux x86_64)\"\n",
    ),
    (
        "access-log/haproxy",
        "",
        "Nov 22 19:33:41 edge-1 haproxy[77]: 203.0.113.7:51234 [22/Nov/2026:19:33:41.441] www orders/orders-0 0/0/1/12/13 200 \
         512 - - ---- 3/3/1/1/0 0/0 \"GET /orders/4711 HTTP/1.1\"\n",
    ),
    (
        "access-log/tomcat",
        "",
        "2026-11-22T19:37:13.829Z 203.0.113.7 \"GET /orders/4711 HTTP/1.1\" 200 512 134 109 \"http-nio-8080-exec-2\" \
         \"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"\n",
    ),
    (
        "error-log/apache",
        "",
        "[Sun Nov 22 19:35:52.133699 2026] [proxy:error] [pid 66:tid 66] (111)Connection refused: AH00957: http: attempt to \
         connect to 10.0.0.7:8080 (orders) failed\n",
    ),
    (
        "error-log/nginx",
        "",
        "2026/11/22 19:33:31 [error] 93#93: *4711 upstream timed out (110: Connection timed out) while reading response header \
         from upstream, client: 203.0.113.7, server: shop.example, request: \"GET /orders HTTP/1.1\", upstream: \
         \"http://10.0.0.7:8080/orders\", host: \"shop.example\"\n",
    ),
    (
        "gc-log/legacy",
        "",
        "2022-07-26T21:00:40.750+0800: 3.117: #0: [GC (Allocation Failure) [PSYoungGen: 7077888K->222570K(8257536K)] \
         7077888K->222586K(9306112K), 0.5437135 secs] [Times: user=1.92 sys=0.20, real=0.55 secs] \n",
    ),
    (
        "gc-log/openj9",
        "<verbosegc xmlns=\"http://www.ibm.com/j9/verbosegc\" version=\"R28\">\n",
        "<exclusive-start id=\"2\" timestamp=\"2015-12-31T15:22:46.957\" intervalms=\"3955.367\">\n</exclusive-start>\n<gc-end \
         id=\"8\" type=\"global\" durationms=\"25.007\" timestamp=\"2015-12-31T15:22:46.982\">\n<mem-info id=\"9\" \
         free=\"457545744\" total=\"536870912\" percent=\"85\">\n</gc-end>\n",
    ),
    (
        "journald-export",
        "",
        "__CURSOR=s=5f;i=1\n__REALTIME_TIMESTAMP=1795376223181000\nPRIORITY=6\n_HOSTNAME=orders-1\n_PID=7\nSYSLOG_IDENTIFIER=orders\nMESSAGE=Order \
         4711 with 3 items created\n\n",
    ),
    (
        "json-log/bunyan",
        "",
        "{\"name\":\"orders\",\"hostname\":\"orders-1\",\"pid\":7,\"level\":30,\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\",\"msg\":\"Order \
         4711 with 3 items created\",\"time\":\"2026-11-22T19:38:33.662Z\",\"v\":0}\n",
    ),
    (
        "json-log/gelf",
        "",
        "{\"version\":\"1.1\",\"host\":\"orders-1\",\"timestamp\":1795376223.181,\"level\":6,\"_thread\":\"main\",\"_logger\":\"com.acme.orders.OrderService\",\"_trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"short_message\":\"Order \
         4711 with 3 items created\"}\n",
    ),
    (
        "json-log/generic",
        "",
        "{\"time\":\"2026-11-22T19:33:41+00:00\",\"remote_addr\":\"203.0.113.7\",\"method\":\"GET\",\"uri\":\"/orders/4711\",\"status\":200,\"bytes_sent\":512,\"request_time\":0.031}\n",
    ),
    (
        "json-log/journald",
        "",
        "{\"__CURSOR\":\"s=e9;i=372a\",\"__REALTIME_TIMESTAMP\":\"1795376223181000\",\"PRIORITY\":\"6\",\"_HOSTNAME\":\"orders-1\",\"_PID\":\"7\",\"SYSLOG_IDENTIFIER\":\"orders\",\"MESSAGE\":\"Order \
         4711 with 3 items created\"}\n",
    ),
    (
        "json-log/log4j2",
        "",
        "{\"instant\":{\"epochSecond\":1795376223,\"nanoOfSecond\":181165068},\"thread\":\"main\",\"level\":\"INFO\",\"loggerName\":\"com.acme.orders.OrderService\",\"message\":\"Order \
         4711 with 3 items created\",\"endOfBatch\":false,\"loggerFqcn\":\"org.apache.logging.log4j.spi.AbstractLogger\",\"contextMap\":{\"traceId\":\"0af7651916cd43dd8448eb211c80319c\"},\"threadId\":14,\"threadPriority\":5}\n",
    ),
    (
        "json-log/python",
        "",
        "{\"asctime\":\"2026-11-22 19:38:32,416\",\"levelname\":\"INFO\",\"name\":\"shop.orders\",\"message\":\"Order 4711 with \
         3 items created\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\"}\n",
    ),
    (
        "json-log/tracing",
        "",
        "{\"timestamp\":\"2026-11-22T19:38:33.584310Z\",\"level\":\"INFO\",\"fields\":{\"message\":\"Order 4711 \
         created\",\"items\":3},\"target\":\"orders::place\",\"spans\":[{\"order\":4711,\"name\":\"place\"}],\"threadName\":\"main\",\"threadId\":1}\n",
    ),
    (
        "json-log/winston",
        "",
        "{\"level\":\"info\",\"message\":\"Order 4711 with 3 items \
         created\",\"service\":\"orders\",\"timestamp\":\"2026-11-22T19:38:33.828Z\",\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad6b7169203331\"}\n",
    ),
    (
        "json-log/zerolog",
        "",
        "{\"level\":\"info\",\"time\":\"2026-11-22T19:38:33.584Z\",\"service\":\"orders\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\",\"span_id\":\"b7ad6b7169203331\",\"message\":\"Order \
         4711 with 3 items created\"}\n",
    ),
    (
        "jstat",
        "  S0     S1     E      O      M     CCS    YGC     YGCT     FGC    FGCT\n",
        "  0.00  68.85  66.67  37.34  95.82  87.87      4     0.035     3     0.041\n",
    ),
    ("jul/simple", "", "Nov 22, 2026 7:37:06 PM com.acme.orders.OrderService place\nINFO: Order 4711 with 3 items created\n"),
    ("klog", "", "I1122 15:04:22.619632       7 orders.go:253] \"Order created\" order=\"4711\" items=3\n"),
    ("metrics/csv", "time,orders,payments,stock\n", "2026-11-22T19:30:00Z,12,7.5,130\n"),
    ("metrics/graphite", "", "servers.orders-0.jvm.heap.used 16850024 1795376013\n"),
    ("metrics/influx", "", "http_requests,service=orders,host=orders-0 count=12i,p95=0.25 1795376013100000000\n"),
    (
        "mysql-slow",
        "",
        "# Time: 2026-11-22T19:36:57.678222Z\n# User@Host: shop[shop] @ app-1 [10.0.0.7]  Id:    17\n# Query_time: 2.511853  \
         Lock_time: 0.000154 Rows_sent: 20  Rows_examined: 260000\nSET timestamp=1795376217;\nSELECT * FROM orders WHERE \
         customer = 4711 ORDER BY created DESC LIMIT 20;\n",
    ),
    (
        "postgres-log/csv",
        "",
        "2026-11-22 19:34:34.641 UTC,\"shop\",\"orders\",7,\"10.0.0.7:51234\",6b03,3,\"SELECT\",2026-11-22 19:30:00 \
         UTC,3/3,7,LOG,00000,\"duration: 1511.201 ms  statement: SELECT * FROM orders WHERE id = 4711\",,,,,,,,,\"\",\"client \
         backend\",,0\n",
    ),
    (
        "postgres-log/stderr",
        "",
        "2026-11-22 19:34:34.641 UTC [7] shop@orders LOG:  duration: 1511.201 ms  statement: SELECT * FROM orders WHERE id = \
         4711\n",
    ),
    ("redis/server", "", "7:M 22 Nov 2026 19:33:27.404 * Background saving started by pid 4711\n"),
    ("syslog/rfc3164", "", "Nov 22 19:33:27 orders-1 orders[7]: Order 4711 with 3 items created\n"),
    (
        "syslog/rfc5424",
        "",
        "<134>1 2026-11-22T19:37:03.181Z orders-1 orders 7 Audit [mdc@18060 traceId=\"0af7651916cd43dd8448eb211c80319c\" \
         spanId=\"b7ad6b7169203331\"] Order 4711 with 3 items created\n",
    ),
    ("text-log/generic", "", "2026-11-22 19:36:07.043 Order 4711 with 3 items created\n"),
    (
        "text-log/logback",
        "",
        "2026-11-22 19:36:07,043 [http-nio-8080-exec-1] INFO  com.acme.orders.OrderService \
         [traceId=0af7651916cd43dd8448eb211c80319c, spanId=b7ad6b7169203331] - Order 4711 with 3 items created\n",
    ),
    (
        "text-log/logfmt",
        "",
        "time=2026-11-22T19:36:07.043Z level=info msg=\"Order 4711 with 3 items created\" service=orders \
         trace_id=0af7651916cd43dd8448eb211c80319c\n",
    ),
    ("text-log/python", "", "2026-11-22 19:38:32,418 INFO shop.orders Order 4711 with 3 items created\n"),
    (
        "text-log/spring-boot with stacks",
        "",
        "2026-11-22T19:37:48.008Z  INFO 1 --- [orders] [nio-8080-exec-1] [0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331] \
         com.acme.orders.OrderService             : Order 4711 with 3 items created\n2026-11-22T19:37:48.015Z ERROR 1 --- \
         [orders] [nio-8080-exec-2] com.acme.orders.OrderService             : Order 4712 \
         failed\n\njava.lang.IllegalStateException: no stock of item 7\n\tat \
         com.acme.orders.OrderService.reserve(OrderService.java:88)\n\tat \
         com.acme.orders.OrderService.place(OrderService.java:54)\n\tat \
         com.acme.orders.OrderController.post(OrderService.java:31)\n\tat \
         com.acme.orders.Filter.around(OrderService.java:17)\nCaused by: java.net.SocketTimeoutException: Read timed out\n\tat \
         java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)\n\t... 4 more\n",
    ),
    (
        "text-log/spring-boot in compose",
        "",
        "orders-1  | 2026-11-22T19:37:48.008Z  INFO 1 --- [orders] [nio-8080-exec-1] \
         [0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331] com.acme.orders.OrderService             : Order 4711 with 3 items \
         created\n",
    ),
    (
        "text-log/spring-boot in cri",
        "",
        "2026-11-22T19:37:48.015123456Z stdout F 2026-11-22T19:37:48.008Z  INFO 1 --- [orders] [nio-8080-exec-1] \
         [0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331] com.acme.orders.OrderService             : Order 4711 with 3 items \
         created\n",
    ),
    (
        "text-log/spring-boot in docker",
        "",
        "{\"log\":\"2026-11-22T19:37:48.008Z  INFO 1 --- [orders] [nio-8080-exec-1] \
         [0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331] com.acme.orders.OrderService             : Order 4711 with 3 items \
         created\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T19:37:48.015123456Z\"}\n",
    ),
    (
        "text-log/spring-boot in kubectl",
        "",
        "[pod/orders-7d9f-x/orders] 2026-11-22T19:37:48.015123456Z 2026-11-22T19:37:48.008Z  INFO 1 --- [orders] \
         [nio-8080-exec-1] [0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331] com.acme.orders.OrderService             : Order \
         4711 with 3 items created\n",
    ),
    (
        "uwsgi",
        "",
        "[pid: 7|app: 0|req: 1/1] 203.0.113.7 () {38 vars in 696 bytes} [Sun Nov 22 19:36:12 2026] GET /orders => generated 47 \
         bytes in 129 msecs (HTTP/1.1 200) 9 headers in 378 bytes (1 switches on core 3)\n",
    ),
];
