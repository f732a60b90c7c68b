//! What operators watch, as lines of CloudWatch's embedded metric format: a line of the log that CloudWatch counts.
//!
//! API Gateway, Lambda and DynamoDB count requests, latencies, throttles and crashes by themselves. Here stands what only
//! the service knows. Each metric has one dimension, the service, so that ten of them are all there is to pay for; the function
//! stands beside it for queries of the log.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{fmt, io::Write as _, sync::Arc};

use domain::Timestamp;
use serde_json::{Value, json};

use crate::app::optional;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Latchkey";

/// What is counted or measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Answers of 500, and calls of the authorizer without an answer: each is a defect.
    OwnFaults,
    /// Answers of 503: something that the service depends on failed it.
    Unavailable,
    /// Credentials that did not hold.
    Refused,
    /// Attempts at an address that waits after too many.
    LockedOut,
    /// Keys that became inactive because their time had come.
    KeysExpired,
    /// Seconds between the end of a key and the run that made it inactive, the longest of a run. None for a while means that
    /// nothing runs.
    SweepLag,
    /// Mails that were handed to SES.
    MailsSent,
    /// Mails that SES will never take.
    MailsRefused,
}

impl Metric {
    /// Every metric there is.
    pub const ALL: [Self; 8] = [
        Self::OwnFaults,
        Self::Unavailable,
        Self::Refused,
        Self::LockedOut,
        Self::KeysExpired,
        Self::SweepLag,
        Self::MailsSent,
        Self::MailsRefused,
    ];

    /// What CloudWatch calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OwnFaults => "OwnFaults",
            Self::Unavailable => "Unavailable",
            Self::Refused => "Refused",
            Self::LockedOut => "LockedOut",
            Self::KeysExpired => "KeysExpired",
            Self::SweepLag => "SweepLag",
            Self::MailsSent => "MailsSent",
            Self::MailsRefused => "MailsRefused",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::SweepLag => "Seconds",
            _ => "Count",
        }
    }
}

/// Where metrics go.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Sink>>);

struct Sink {
    service: String,
    function: String,
    write: Box<dyn Fn(&Value) + Send + Sync>,
}

impl Metrics {
    /// To the log of a function, by its standard output; nowhere if the environment names no service (`METRICS_SERVICE`).
    pub fn from_env() -> Self {
        let Some(service) = optional("METRICS_SERVICE") else { return Self::default() };
        Self::new(service, optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default(), |line| {
            // A line that cannot be written is not worth a failed request.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        })
    }

    /// To somewhere else.
    pub fn new(service: String, function: String, write: impl Fn(&Value) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Sink { service, function, write: Box::new(write) })))
    }

    /// Notes a value.
    pub fn note(&self, now: Timestamp, metric: Metric, value: i64) {
        let Some(sink) = &self.0 else { return };
        let name = metric.name();
        (sink.write)(&json!({
            "_aws": {
                "Timestamp": now.millis(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["Service"]],
                    "Metrics": [{ "Name": name, "Unit": metric.unit() }],
                }],
            },
            "Service": sink.service,
            "function": sink.function,
            name: value,
        }));
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_metric_is_a_line_that_cloudwatch_counts() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = lines.clone();
        let metrics =
            Metrics::new("prod".to_owned(), "sweeper".to_owned(), move |line| into.lock().unwrap().push(line.clone()));
        for metric in Metric::ALL {
            metrics.note(Timestamp::from_millis(1_700_000_000_000), metric, 7);
        }
        Metrics::default().note(Timestamp::from_millis(0), Metric::OwnFaults, 1);
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), Metric::ALL.len());
        for line in &*lines {
            let aws = &line["_aws"];
            assert_eq!(aws["Timestamp"], 1_700_000_000_000_i64);
            let of = &aws["CloudWatchMetrics"][0];
            assert_eq!(of["Namespace"], NAMESPACE);
            // The specification: whatever a dimension or a metric names is a member of the line.
            assert_eq!(line[of["Dimensions"][0][0].as_str().unwrap()], "prod");
            assert_eq!(line[of["Metrics"][0]["Name"].as_str().unwrap()], 7);
            assert!(["Count", "Seconds"].contains(&of["Metrics"][0]["Unit"].as_str().unwrap()));
        }
    }
}
