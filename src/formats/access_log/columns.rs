//! What the unnamed columns after the status mean, learnt from the head of the file.
//!
//! ```text
//! 200 203 "http://r/" "curl/7.88.1" 191                                       bytes, referer, agent, microseconds
//! 200 2 306 303 "http-nio-8080-exec-1"                                        bytes, milliseconds, (until commit), thread
//! 200 12 "-" "curl" 480 0.051 [shop-web-80] [] 10.0.0.1:80 12 0.050 200 4b82  ingress-nginx
//! ```
//!
//! A whole number may be seconds, milliseconds (Tomcat), microseconds (Apache) or no time at all. The numbers tell: no
//! request takes less than thirty microseconds, none that is logged in milliseconds lasts ten minutes. Where they do not,
//! the number is kept as `duration`, without a unit. What this file does not do: doubt what the first lines taught.

use super::common::{self, is_thread};
use super::entry::with_unit;
use super::token::{Dress, Token, Tokens};

/// So many columns are told apart.
const MOST: usize = 16;
/// So many lines teach.
const LINES: usize = 200;
/// In microseconds: no server answers faster.
const FASTEST_MICROS: u64 = 30;
/// In milliseconds: no proxy waits longer.
const SLOWEST_MILLIS: u64 = 600_000;
/// In milliseconds: nobody runs a server that takes ten seconds for half of its requests.
const MEDIAN_MILLIS: u64 = 10_000;
/// In milliseconds: of a log's head one request or other is answered sooner, if only the check of its health.
const NONE_SOONER: u64 = 100;
/// So many numbers tell that.
const TELLING: usize = 20;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// Whatever its look says.
    Unknown,
    /// Something that has no name here.
    Skip,
    /// Size of the response.
    Bytes,
    /// Where the client came from.
    Referer,
    /// The client's name.
    UserAgent,
    /// Time taken, in seconds.
    Seconds,
    /// Time taken, in milliseconds.
    Millis,
    /// Time taken, in microseconds.
    Micros,
    /// Time taken, in an unknown unit.
    Duration,
    /// Time that upstreams took, in seconds.
    UpstreamSeconds,
    /// What upstreams answered.
    UpstreamStatus,
    /// Which upstreams were asked.
    UpstreamAddress,
    /// The upstreams' common name.
    UpstreamName,
    /// Request id.
    RequestId,
}

/// The meaning of each column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Columns([Column; MOST]);

impl Columns {
    /// The combined format, and nothing sure after it.
    pub const UNKNOWN: Self = {
        let mut columns = [Column::Unknown; MOST];
        columns[0] = Column::Bytes;
        columns[1] = Column::Referer;
        columns[2] = Column::UserAgent;
        Self(columns)
    };

    /// The meaning of a column.
    #[must_use]
    pub fn meaning(&self, number: usize) -> Column {
        self.0.get(number).copied().unwrap_or(Column::Unknown)
    }
}

/// How often a column had which look.
#[derive(Clone, Copy, Default)]
struct Looks {
    ints: usize,
    decimals: usize,
    quoted: usize,
    bracketed: usize,
    units: usize,
    addresses: usize,
    all: usize,
    least: u64,
    most: u64,
}

impl Looks {
    fn add(&mut self, token: Token<'_>) {
        let text = token.text;
        self.all += 1;
        match token.dress {
            Dress::Quoted => self.quoted += 1,
            Dress::Bracketed => self.bracketed += 1,
            _ if matches!(text, "" | "-") => self.all -= 1,
            _ if text.bytes().all(|b| b.is_ascii_digit()) => {
                let number = text.parse().unwrap_or(u64::MAX);
                self.least = if self.ints == 0 { number } else { self.least.min(number) };
                self.most = self.most.max(number);
                self.ints += 1;
            }
            _ if is_decimal(text) => self.decimals += 1,
            _ if is_upstream(text) => self.addresses += 1,
            _ => self.units += usize::from(with_unit(text).is_some()),
        }
    }

    fn is_int(&self) -> bool {
        self.ints > 0 && self.ints == self.all
    }

    /// A list of times counts by its first member.
    fn is_decimal(&self) -> bool {
        self.decimals > 0 && self.decimals + self.ints == self.all
    }

    fn is_address(&self) -> bool {
        self.addresses > 0 && self.addresses == self.all
    }

    /// Where nobody was asked stands a dash, which does not count.
    fn is_status(&self) -> bool {
        self.is_int() && self.least >= 100 && self.most < 600
    }

    fn is_quoted(&self) -> bool {
        self.quoted > 0 && self.quoted == self.all
    }
}

/// `0.051`, `0.051, 0.020`.
fn is_decimal(text: &str) -> bool {
    let first = text.split([',', ' ']).next().unwrap_or_default();
    first
        .split_once('.')
        .is_some_and(|(whole, part)| !whole.is_empty() && !part.is_empty() && whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit()))
}

/// `10.0.0.7:8080`, `unix:/run/app.sock`.
fn is_upstream(text: &str) -> bool {
    let port = |port: &str| !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    text.starts_with("unix:") || text.contains('.') && text.rsplit_once(':').is_some_and(|(_, rest)| port(rest))
}

/// Learns from lines.
#[derive(Default)]
pub struct Learner {
    looks: [Looks; MOST],
    /// Whole numbers of two neighbouring columns, for columns that repeat each other in another unit.
    rows: Vec<[Option<u64>; MOST]>,
    combined: usize,
    threads: usize,
    /// Escapes as nginx and Apache write them, and the names of nginx's variables.
    nginx: usize,
    apache: usize,
    java: usize,
}

impl Learner {
    /// Looks at a line.
    pub fn line(&mut self, line: &str, head: common::Head) {
        if self.rows.len() >= LINES {
            return;
        }
        self.nginx += usize::from(line.contains("\\x22"));
        self.apache += usize::from(line.contains("\\\""));
        let mut row = [None; MOST];
        let mut number = 0;
        for token in Tokens::from(line, head.columns()) {
            match token.dress {
                Dress::Pair(key) => {
                    self.nginx += usize::from(matches!(key, "rt" | "urt" | "uct" | "uht" | "request_time" | "upstream_response_time"))
                }
                _ => {
                    if let (Some(looks), Some(slot)) = (self.looks.get_mut(number), row.get_mut(number)) {
                        looks.add(token);
                        *slot = token.text.parse().ok();
                    }
                    self.threads += usize::from(is_thread(token.text));
                    self.java += usize::from(number == 2 && token.text.starts_with("Java/"));
                    self.apache += usize::from(matches!(token.text.len(), 24 | 27) && common::is_request_id(token.text));
                    number += 1;
                }
            }
        }
        self.combined += usize::from(self.looks[1].quoted > 0 && self.looks[2].quoted > 0);
        self.rows.push(row);
    }

    /// Family and server. Where nothing tells the server, the name of the format.
    #[must_use]
    pub fn label(&self) -> &'static str {
        let ingress = self.ingress().is_some();
        if self.threads > 0 {
            "access-log/tomcat"
        } else if self.nginx > 0 || ingress {
            "access-log/nginx"
        } else if self.apache > 0 {
            "access-log/apache"
        } else if self.combined > 0 {
            "access-log/combined"
        } else {
            "access-log/common"
        }
    }

    /// What was learnt.
    #[must_use]
    pub fn columns(&self) -> Columns {
        let Columns(mut columns) = Columns::UNKNOWN;
        let looks = &self.looks;
        let mut next = 1;
        if looks[1].is_quoted() && looks[2].is_quoted() {
            next = 3;
        } else {
            (columns[1], columns[2]) = (Column::Unknown, Column::Unknown);
        }
        if let Some(at) = self.ingress() {
            const INGRESS: [Column; 9] = [
                Column::Skip,
                Column::Seconds,
                Column::UpstreamName,
                Column::Skip,
                Column::UpstreamAddress,
                Column::Skip,
                Column::UpstreamSeconds,
                Column::UpstreamStatus,
                Column::RequestId,
            ];
            columns.iter_mut().skip(at).zip(INGRESS).for_each(|(column, meaning)| *column = meaning);
            return Columns(columns);
        }
        let mut decimals = (next..MOST).filter(|n| looks[*n].is_decimal());
        let mut timed = false;
        for meaning in [Column::Seconds, Column::UpstreamSeconds] {
            if let Some(n) = decimals.next() {
                columns[n] = meaning;
                timed = true;
            }
        }
        let ints: Vec<usize> = (next..MOST).filter(|n| looks[*n].is_int()).collect();
        if timed || looks.iter().any(|looks| looks.units > 0) {
            ints.iter().for_each(|n| columns[*n] = Column::Skip);
            self.upstream(next, &mut columns);
            return Columns(columns);
        }
        match *ints.as_slice() {
            [only] => columns[only] = self.unit(only),
            [first, second, ..] => {
                ints.iter().for_each(|n| columns[*n] = Column::Skip);
                if let Some((column, unit)) = self.repeated(first, second) {
                    columns[column] = unit;
                } else if self.threads > 0 && self.rows.iter().all(|row| row[second] <= row[first]) {
                    // Tomcat's time taken, then the time until the response began.
                    columns[first] = self.unit(first);
                }
            }
            [] => {}
        }
        Columns(columns)
    }

    /// Finds what upstream was asked, and what it answered: the column that looks like a status and stands next to its time.
    fn upstream(&self, from: usize, columns: &mut [Column; MOST]) {
        if let Some(at) = (from..MOST).find(|n| self.looks[*n].is_address()) {
            columns[at] = Column::UpstreamAddress;
        }
        let Some(time) = columns.iter().position(|column| *column == Column::UpstreamSeconds) else { return };
        let near = [time + 1, time.saturating_sub(1), time + 2, time.saturating_sub(2)];
        if let Some(at) = near.into_iter().find(|n| *n >= from && columns.get(*n) == Some(&Column::Skip) && self.looks[*n].is_status()) {
            columns[at] = Column::UpstreamStatus;
        }
    }

    /// Where the columns of ingress-nginx begin, which stand behind the combined format.
    fn ingress(&self) -> Option<usize> {
        self.looks
            .windows(4)
            .position(|looks| looks[0].is_int() && looks[1].is_decimal() && looks[2].bracketed > 0 && looks[3].bracketed > 0)
            .filter(|at| *at > 0)
    }

    /// The unit of a column that may be a time.
    fn unit(&self, column: usize) -> Column {
        let Looks { least, most, .. } = self.looks[column];
        match () {
            () if most >= SLOWEST_MILLIS && least >= FASTEST_MICROS => Column::Micros,
            () if least >= FASTEST_MICROS && self.median(column) >= MEDIAN_MILLIS => Column::Micros,
            // What Apache and gunicorn add to the combined format counts microseconds; Tomcat's pattern is the common one.
            () if self.combined > 0 && self.threads == 0 && self.looks[column].all >= TELLING && least >= NONE_SOONER => Column::Micros,
            () if least < FASTEST_MICROS && most > 120 && most < SLOWEST_MILLIS => Column::Millis,
            () if self.threads > 0 || self.java > 0 => Column::Millis,
            () if self.apache > 0 && least >= FASTEST_MICROS => Column::Micros,
            () => Column::Duration,
        }
    }

    /// The middle of a column's numbers; nothing if they are too few to tell.
    fn median(&self, column: usize) -> u64 {
        let mut numbers: Vec<u64> = self.rows.iter().filter_map(|row| row[column]).collect();
        numbers.sort_unstable();
        if numbers.len() < TELLING { 0 } else { numbers[numbers.len() / 2] }
    }

    /// Of two columns that say the same time in two units, the finer one and its unit.
    fn repeated(&self, first: usize, second: usize) -> Option<(usize, Column)> {
        for (coarse, fine) in [(first, second), (second, first)] {
            for (unit, meaning) in [(1_000_000, Column::Micros), (1_000, Column::Millis)] {
                let agrees = |row: &&[Option<u64>; MOST]| match (row[coarse], row[fine]) {
                    (Some(coarse), Some(fine)) => fine / unit == coarse,
                    _ => true,
                };
                let telling = self.rows.iter().any(|row| row[coarse].is_some_and(|n| n > 0));
                if telling && self.rows.iter().all(|row| agrees(&row)) {
                    return Some((fine, meaning));
                }
            }
        }
        None
    }
}
