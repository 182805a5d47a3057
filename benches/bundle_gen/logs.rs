//! Log lines in the layouts of the generated services.

use super::clock::{MIDNIGHT, epoch_millis, iso};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// How a service writes its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Spring Boot 3.2 text with a correlation id.
    Spring,
    /// logstash-logback-encoder.
    Logstash,
    /// Elastic Common Schema, nested.
    Ecs,
    /// pino.
    Pino,
    /// zap, inside the lines of Docker's json-file driver.
    DockerZap,
}

/// What a line says.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// Since midnight.
    pub at: u64,
    /// `INFO`, `WARN`, `ERROR`.
    pub level: &'static str,
    /// The trace.
    pub trace: u128,
    /// The span.
    pub span: u64,
    /// Without quotes and backslashes, so that no layout has to escape it.
    pub message: String,
    /// Further fields.
    pub fields: &'a [(&'static str, String)],
    /// Whether a stack trace follows.
    pub stack: bool,
}

const STACK: [&str; 5] = [
    "java.net.SocketTimeoutException: Read timed out",
    "at java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)",
    "at com.acme.http.Exchange.read(Exchange.java:141)",
    "at com.acme.payments.PspClient.charge(PspClient.java:88)",
    "at java.base/java.lang.Thread.run(Thread.java:840)",
];

/// The log file of one service. Lines may come in any order; they are written in the order of their times.
pub struct LogFile {
    service: &'static str,
    layout: Layout,
    out: BufWriter<File>,
    waiting: BTreeMap<(u64, u64), String>,
    /// Lines so far.
    pub lines: u64,
    /// Bytes so far.
    pub bytes: u64,
}

impl LogFile {
    /// Creates the file.
    pub fn create(path: &Path, service: &'static str, layout: Layout) -> io::Result<Self> {
        let out = BufWriter::with_capacity(1 << 18, File::create(path)?);
        Ok(Self { service, layout, out, waiting: BTreeMap::new(), lines: 0, bytes: 0 })
    }

    /// Adds a line.
    pub fn say(&mut self, line: &Line<'_>) {
        let text = render(self.service, self.layout, line);
        self.bytes += text.len() as u64;
        self.lines += 1;
        self.waiting.insert((line.at, self.lines), text);
    }

    /// Writes the lines before a time; none will come that is earlier.
    pub fn flush_until(&mut self, at: u64) -> io::Result<()> {
        let later = self.waiting.split_off(&(at, 0));
        for line in std::mem::replace(&mut self.waiting, later).into_values() {
            self.out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    /// Writes all that is left.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush_until(u64::MAX)?;
        self.out.flush()
    }
}

fn render(service: &str, layout: Layout, line: &Line<'_>) -> String {
    let (at, trace, span) = (iso(line.at), format!("{:032x}", line.trace), format!("{:016x}", line.span));
    let (level, message) = (line.level, &line.message);
    let mut fields = String::new();
    for (name, value) in line.fields {
        let _ = write!(fields, r#","{name}":"{value}""#);
    }
    let thread = format!("http-nio-8080-exec-{}", line.span % 64);
    match layout {
        Layout::Spring => {
            let logger = format!("com.acme.{service}.Handler");
            let short = &thread[thread.len().saturating_sub(15)..];
            let mut text = format!("{at}Z {level:>5} 1 --- [{service}] [{short:>15}] [{trace}-{span}] {logger:<40} : {message}");
            line.fields.iter().for_each(|(name, value)| {
                let _ = write!(text, " {name}={value}");
            });
            if line.stack {
                let _ = write!(text, "\n{}", STACK.join("\n\t"));
            }
            text + "\n"
        }
        Layout::Logstash => {
            let stack = if line.stack { format!(r#","stack_trace":"{}""#, STACK.join("\\n\\t")) } else { String::new() };
            format!(
                r#"{{"@timestamp":"{at}Z","@version":"1","message":"{message}","logger_name":"com.acme.{service}.Handler","thread_name":"{thread}","level":"{level}","level_value":20000,"traceId":"{trace}","spanId":"{span}"{fields}{stack}}}"#
            ) + "\n"
        }
        Layout::Ecs => {
            let error = if line.stack {
                format!(
                    r#","error":{{"type":"java.net.SocketTimeoutException","message":"Read timed out","stack_trace":"{}"}}"#,
                    STACK.join("\\n\\t")
                )
            } else {
                String::new()
            };
            format!(
                r#"{{"@timestamp":"{at}Z","log":{{"level":"{level}","logger":"com.acme.{service}.Handler"}},"process":{{"pid":1,"thread":{{"name":"{thread}"}}}},"service":{{"name":"{service}","version":"5.2.3"}},"message":"{message}","trace":{{"id":"{trace}"}},"span":{{"id":"{span}"}}{fields}{error},"ecs":{{"version":"8.11"}}}}"#
            ) + "\n"
        }
        Layout::Pino => {
            let number = if level == "INFO" { 30 } else { 50 };
            format!(
                r#"{{"level":{number},"time":{},"pid":1,"hostname":"{service}-7d9f8b6c5d-x2x4z","name":"{service}","trace_id":"{trace}","span_id":"{span}"{fields},"msg":"{message}"}}"#,
                epoch_millis(line.at)
            ) + "\n"
        }
        Layout::DockerZap => {
            let seconds = (MIDNIGHT + line.at) as f64 / 1e9;
            let inner = format!(
                r#"{{"level":"{}","ts":{seconds:.6},"caller":"handler.go:118","msg":"{message}","service":"{service}","trace_id":"{trace}","span_id":"{span}"{fields}}}"#,
                level.to_ascii_lowercase()
            );
            format!(r#"{{"log":"{}\n","stream":"stdout","time":"{at}Z"}}"#, inner.replace('"', "\\\"")) + "\n"
        }
    }
}
