//! What keys mean: which of them decide over latency, failures and what a gateway lets through, in what unit, with what default,
//! and which way is the risky one.
//!
//! Keys are compared without dots, so that the name of an environment variable means the same. The first row that fits counts,
//! hence the exact ones stand above those that know only an ending. What this file does not do: compare values.

use super::amount::Unit;

/// What a key has influence on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Connections to a database, and how long one waits for them.
    Pool,
    /// How long a call to another service may take.
    Timeout,
    /// Threads and queues that requests wait for.
    Threads,
    /// How often a call is repeated.
    Retry,
    /// When a breaker opens.
    Breaker,
    /// How rows are read.
    Fetch,
    /// How much memory there is.
    Memory,
    /// How long values are kept.
    Cache,
    /// How jobs and messages are taken.
    Work,
    /// How long a gateway waits.
    GatewayTimeout,
    /// How large bodies may be.
    BodyLimit,
    /// How large headers may be.
    HeaderLimit,
    /// Which headers are passed on.
    Headers,
    /// Who issues tokens, for whom, and with how much leeway.
    Auth,
    /// Which origins may ask.
    Cors,
    /// How many requests a client may send.
    RateLimit,
    /// Which path a service lives at.
    Path,
}

impl Topic {
    /// Whether it is about what stands between users and services rather than about how fast a service is.
    #[must_use]
    pub const fn is_of_gateway(self) -> bool {
        matches!(
            self,
            Self::GatewayTimeout | Self::BodyLimit | Self::HeaderLimit | Self::Headers | Self::Auth | Self::Cors | Self::RateLimit | Self::Path
        )
    }
}

/// Which way a value gets risky.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Smaller.
    Less,
    /// Larger.
    More,
    /// Any other value.
    Other,
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What it has influence on.
    pub topic: Topic,
    /// How its value is read.
    pub unit: Unit,
    /// Which way is risky.
    pub risk: Risk,
    /// What holds if nobody sets it; empty if that is not known.
    pub default: &'static str,
}

/// Ending of the key without dots, and its meaning. Sources: HikariCP's `HikariConfig`, Spring Boot's and Resilience4j's
/// documentation, nginx's module references, and the reference of Kong and Envoy.
const KEYS: &[(&str, Topic, Unit, Risk, &str)] = &[
    ("hikarimaximumpoolsize", Topic::Pool, Unit::Count, Risk::Less, "10"),
    ("hikariconnectiontimeout", Topic::Pool, Unit::Millis, Risk::Other, "30000"),
    ("hikariidletimeout", Topic::Pool, Unit::Millis, Risk::More, "600000"),
    ("hikarimaxlifetime", Topic::Pool, Unit::Millis, Risk::More, "1800000"),
    ("hikarileakdetectionthreshold", Topic::Pool, Unit::Millis, Risk::Less, "0"),
    ("jpaopeninview", Topic::Fetch, Unit::Switch, Risk::More, "true"),
    ("tomcatthreadsmax", Topic::Threads, Unit::Count, Risk::Less, "200"),
    ("tomcatacceptcount", Topic::Threads, Unit::Count, Risk::Less, "100"),
    ("tomcatmaxconnections", Topic::Threads, Unit::Count, Risk::Less, "8192"),
    ("tomcatkeepalivetimeout", Topic::GatewayTimeout, Unit::Millis, Risk::Less, ""),
    ("maxhttprequestheadersize", Topic::HeaderLimit, Unit::Bytes, Risk::Less, "8192"),
    ("maxhttpheadersize", Topic::HeaderLimit, Unit::Bytes, Risk::Less, "8192"),
    ("multipartmaxfilesize", Topic::BodyLimit, Unit::Bytes, Risk::Less, "1MB"),
    ("multipartmaxrequestsize", Topic::BodyLimit, Unit::Bytes, Risk::Less, "10MB"),
    ("forwardheadersstrategy", Topic::Headers, Unit::Word, Risk::Other, ""),
    ("servletcontextpath", Topic::Path, Unit::Word, Risk::Other, ""),
    ("jwtissueruri", Topic::Auth, Unit::Word, Risk::Other, ""),
    ("jwtjwkseturi", Topic::Auth, Unit::Word, Risk::Other, ""),
    ("jwtaudiences", Topic::Auth, Unit::Word, Risk::Other, ""),
    ("gatewayhttpclientresponsetimeout", Topic::GatewayTimeout, Unit::Millis, Risk::Less, ""),
    ("gatewayhttpclientconnecttimeout", Topic::GatewayTimeout, Unit::Millis, Risk::Less, ""),
    ("webfluxhttpclientresponsetimeout", Topic::GatewayTimeout, Unit::Millis, Risk::Less, ""),
    ("metadataresponsetimeout", Topic::GatewayTimeout, Unit::Millis, Risk::Less, ""),
    ("proxyreadtimeout", Topic::GatewayTimeout, Unit::Seconds, Risk::Less, "60s"),
    ("proxysendtimeout", Topic::GatewayTimeout, Unit::Seconds, Risk::Less, "60s"),
    ("proxyconnecttimeout", Topic::GatewayTimeout, Unit::Seconds, Risk::Less, "60s"),
    ("grpcreadtimeout", Topic::GatewayTimeout, Unit::Seconds, Risk::Less, "60s"),
    ("clientmaxbodysize", Topic::BodyLimit, Unit::Bytes, Risk::Less, "1m"),
    ("largeclientheaderbuffers", Topic::HeaderLimit, Unit::Word, Risk::Other, ""),
    ("proxybuffersize", Topic::HeaderLimit, Unit::Bytes, Risk::Less, ""),
    ("underscoresinheaders", Topic::Headers, Unit::Switch, Risk::Less, "off"),
    ("headerswithunderscoresaction", Topic::Headers, Unit::Word, Risk::Other, ""),
    ("proxypassrequestheaders", Topic::Headers, Unit::Switch, Risk::Less, "on"),
    ("limitreq", Topic::RateLimit, Unit::Word, Risk::Other, ""),
    ("limitconn", Topic::RateLimit, Unit::Word, Risk::Other, ""),
    ("timeoutserver", Topic::GatewayTimeout, Unit::Millis, Risk::Less, ""),
    ("timeoutqueue", Topic::GatewayTimeout, Unit::Millis, Risk::Less, ""),
    ("timeouthttprequest", Topic::GatewayTimeout, Unit::Millis, Risk::Less, ""),
    ("routetimeout", Topic::GatewayTimeout, Unit::Millis, Risk::Less, "15s"),
    ("retrypolicypertrytimeout", Topic::GatewayTimeout, Unit::Millis, Risk::Less, ""),
    ("]readtimeout", Topic::GatewayTimeout, Unit::Millis, Risk::Less, "60000"),
    ("configclockskewseconds", Topic::Auth, Unit::Seconds, Risk::Less, "60"),
    ("clockskew", Topic::Auth, Unit::Seconds, Risk::Less, ""),
    ("allowedorigins", Topic::Cors, Unit::Word, Risk::Other, ""),
    ("allowedoriginpatterns", Topic::Cors, Unit::Word, Risk::Other, ""),
    ("consumermaxpollrecords", Topic::Work, Unit::Count, Risk::More, "500"),
    ("maxpollintervalms", Topic::Work, Unit::Millis, Risk::Less, "300000"),
    ("listenerconcurrency", Topic::Work, Unit::Count, Risk::Less, "1"),
    ("schedulingpoolsize", Topic::Work, Unit::Count, Risk::Less, "1"),
    ("jobstoretype", Topic::Work, Unit::Word, Risk::Other, "memory"),
    ("jobstoreisclustered", Topic::Work, Unit::Switch, Risk::Less, "false"),
    ("slowcalldurationthreshold", Topic::Breaker, Unit::Millis, Risk::More, "60000"),
    ("slowcallratethreshold", Topic::Breaker, Unit::Count, Risk::More, "100"),
    ("minimumnumberofcalls", Topic::Breaker, Unit::Count, Risk::More, "100"),
    ("slidingwindowsize", Topic::Breaker, Unit::Count, Risk::More, "100"),
    ("failureratethreshold", Topic::Breaker, Unit::Count, Risk::More, "50"),
    ("waitdurationinopenstate", Topic::Breaker, Unit::Millis, Risk::Other, "60000"),
    ("maxattempts", Topic::Retry, Unit::Count, Risk::More, ""),
    ("maxretries", Topic::Retry, Unit::Count, Risk::More, ""),
    ("retries", Topic::Retry, Unit::Count, Risk::More, ""),
    ("retrycount", Topic::Retry, Unit::Count, Risk::More, ""),
    ("waitduration", Topic::Retry, Unit::Millis, Risk::Less, ""),
    ("backoff", Topic::Retry, Unit::Millis, Risk::Less, ""),
    ("jvmmaxheapsize", Topic::Memory, Unit::Bytes, Risk::Less, ""),
    ("jvmmaxrampercentage", Topic::Memory, Unit::Count, Risk::Less, "25"),
    ("jvmmaxmetaspacesize", Topic::Memory, Unit::Bytes, Risk::Less, ""),
    ("jvmactiveprocessorcount", Topic::Threads, Unit::Count, Risk::Less, ""),
    ("defaultbatchfetchsize", Topic::Fetch, Unit::Count, Risk::Less, ""),
    ("jdbcbatchsize", Topic::Fetch, Unit::Count, Risk::Less, ""),
    ("fetchsize", Topic::Fetch, Unit::Count, Risk::Other, ""),
    ("batchsize", Topic::Fetch, Unit::Count, Risk::Other, ""),
    ("pagesize", Topic::Fetch, Unit::Count, Risk::More, ""),
    ("fetch", Topic::Fetch, Unit::Word, Risk::Other, ""),
    ("fetchmode", Topic::Fetch, Unit::Word, Risk::Other, ""),
    ("fetchstrategy", Topic::Fetch, Unit::Word, Risk::Other, ""),
    ("maximumpoolsize", Topic::Pool, Unit::Count, Risk::Less, ""),
    ("maxpoolsize", Topic::Pool, Unit::Count, Risk::Less, ""),
    ("poolmaxsize", Topic::Pool, Unit::Count, Risk::Less, ""),
    ("poolsize", Topic::Pool, Unit::Count, Risk::Less, ""),
    ("maxactive", Topic::Pool, Unit::Count, Risk::Less, ""),
    ("maxtotal", Topic::Pool, Unit::Count, Risk::Less, ""),
    ("maxconnections", Topic::Pool, Unit::Count, Risk::Less, ""),
    ("maxthreads", Topic::Threads, Unit::Count, Risk::Less, ""),
    ("maxconcurrentcalls", Topic::Threads, Unit::Count, Risk::Less, ""),
    ("queuecapacity", Topic::Threads, Unit::Count, Risk::Less, ""),
    ("workers", Topic::Threads, Unit::Count, Risk::Less, ""),
    ("concurrency", Topic::Threads, Unit::Count, Risk::Less, ""),
    ("cachetype", Topic::Cache, Unit::Word, Risk::Other, ""),
    ("cacheenabled", Topic::Cache, Unit::Switch, Risk::Less, ""),
    ("timetolive", Topic::Cache, Unit::Millis, Risk::Other, ""),
    ("ttl", Topic::Cache, Unit::Millis, Risk::Other, ""),
    ("readtimeout", Topic::Timeout, Unit::Millis, Risk::Other, ""),
    ("connecttimeout", Topic::Timeout, Unit::Millis, Risk::Other, ""),
    ("writetimeout", Topic::Timeout, Unit::Millis, Risk::Other, ""),
    ("responsetimeout", Topic::Timeout, Unit::Millis, Risk::Other, ""),
    ("requesttimeout", Topic::Timeout, Unit::Millis, Risk::Other, ""),
    ("connectiontimeout", Topic::Timeout, Unit::Millis, Risk::Other, ""),
    ("timeoutduration", Topic::Timeout, Unit::Millis, Risk::Other, ""),
    ("timeoutseconds", Topic::Timeout, Unit::Seconds, Risk::Other, ""),
    ("timeoutms", Topic::Timeout, Unit::Millis, Risk::Other, ""),
    ("timeout", Topic::Timeout, Unit::Millis, Risk::Other, ""),
];

/// Endings that only look like how long a call may take.
const OTHERWISE: &[&str] =
    &["sessiontimeout", "sessiontimeoutms", "idletimeout", "keepalivetimeout", "shutdowntimeout", "heartbeattimeout", "cookietimeout", "locktimeout"];

/// A key without dots, for comparing keys of files with names of environment variables. Indices of lists stay.
#[must_use]
pub fn squashed(key: &str) -> String {
    key.chars().filter(|c| *c != '.').collect()
}

/// What a canonical key means; none for what has no influence that is known.
#[must_use]
pub fn meaning(key: &str) -> Option<Meaning> {
    let squashed = squashed(key);
    let known = KEYS.iter().find(|(ending, ..)| squashed.ends_with(ending))?;
    if known.1 == Topic::Timeout && OTHERWISE.iter().any(|ending| squashed.ends_with(ending)) {
        return None;
    }
    Some(Meaning { topic: known.1, unit: known.2, risk: known.3, default: known.4 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_files_and_variables_mean_the_same() {
        for key in ["spring.datasource.hikari.maximumpoolsize", "spring.datasource.hikari.maximum.pool.size"] {
            let meaning = meaning(key).unwrap();
            assert_eq!((meaning.topic, meaning.default), (Topic::Pool, "10"), "{key}");
        }
        assert_eq!(meaning("orders.inventory.readtimeout").map(|m| m.topic), Some(Topic::Timeout));
        assert_eq!(meaning("nginx.http.server[a].location[/x].proxyreadtimeout").map(|m| m.topic), Some(Topic::GatewayTimeout));
        for key in [
            "spring.datasource.url",
            "server.port",
            "logging.level.root",
            "orders.region",
            "management.metrics.tags.env",
            "server.servlet.session.timeout",
        ] {
            assert_eq!(meaning(key), None, "{key}");
        }
    }

    #[test]
    fn defaults_can_be_read() {
        for (ending, _, unit, _, default) in KEYS.iter().filter(|row| !row.4.is_empty() && row.2 != Unit::Word) {
            assert!(super::super::amount::amount(default, *unit).is_some(), "{ending}");
        }
    }
}
