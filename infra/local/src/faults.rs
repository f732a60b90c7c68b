//! What goes wrong at DynamoDB and KMS. Emulators know nothing of throttling, of transactions that meet or of answers that
//! get lost.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::ConnectorError},
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use crate::draws::Draws;

/// What may go wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused for now, undone.
    Throttle,
    /// It fails, undone.
    FailBefore,
    /// It is done and its answer says that it failed.
    FailAfter,
    /// It is done and its answer never comes.
    Silence,
    /// It meets another write; of calls that write.
    Conflict,
}

impl Fault {
    /// Every one of them.
    pub const ALL: [Self; 5] = [Self::Throttle, Self::FailBefore, Self::FailAfter, Self::Silence, Self::Conflict];

    /// What DynamoDB answers in place of doing what it is asked; `None` if it does it.
    pub(crate) fn instead(self, operation: &str, body: &Value) -> Option<HttpResponse> {
        match self {
            Self::Throttle => Some(error(400, "ProvisionedThroughputExceededException", "slow down")),
            Self::FailBefore => Some(failure()),
            Self::Conflict => Some(conflict(operation, body)),
            Self::FailAfter | Self::Silence => None,
        }
    }

    /// What the function hears of what DynamoDB has answered.
    pub(crate) fn after(self, answer: HttpResponse) -> Result<HttpResponse, ConnectorError> {
        match self {
            Self::FailAfter => Ok(failure()),
            Self::Silence => Err(ConnectorError::timeout("no answer came".into())),
            _ => Ok(answer),
        }
    }

    fn can_meet(self, operation: &str) -> bool {
        let writes = ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"].contains(&operation);
        self != Self::Conflict || writes
    }
}

/// Which calls go wrong; none unless it is said. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    conflicts: u32,
    next: Option<Next>,
    rates: Option<Rates>,
    /// Calls that have come since the plan was made.
    seen: u64,
    /// Calls that went wrong.
    met: u64,
}

#[derive(Debug)]
struct Next {
    fault: Fault,
    spared: u32,
    times: u32,
}

#[derive(Debug)]
struct Rates {
    percent: Vec<(Fault, usize)>,
    draws: Draws,
}

impl Faults {
    /// Cancels so many transactions from now on, as if each had met another one on its first item.
    pub fn cancel_transactions(&self, count: u32) {
        self.plan().conflicts = count;
    }

    /// Fails so many calls from now on, whatever they are. The SDK tries a call three times.
    pub fn fail_calls(&self, count: u32) {
        self.fail_from(0, count, Fault::FailBefore);
    }

    /// Spares so many calls from now on and lets the next ones go wrong, `times` of them.
    pub fn fail_from(&self, spared: u32, times: u32, fault: Fault) {
        *self.plan() = Plan { next: Some(Next { fault, spared, times }), ..Plan::default() };
    }

    /// Lets calls go wrong at random, each kind of fault with its percentage.
    ///
    /// - `seed`: the same calls in the same order go wrong for the same seed.
    pub fn fail_at_random(&self, percent: Vec<(Fault, usize)>, seed: u64) {
        *self.plan() = Plan { rates: Some(Rates { percent, draws: Draws::new(seed) }), ..Plan::default() };
    }

    /// Lets nothing go wrong any more. Returns how many calls came since the last plan, and how many went wrong.
    pub fn clear(&self) -> (u64, u64) {
        let plan = std::mem::take(&mut *self.plan());
        (plan.seen, plan.met)
    }

    pub(crate) fn take(&self, operation: &str) -> Option<Fault> {
        let mut plan = self.plan();
        plan.seen += 1;
        let fault = plan.take(operation)?;
        plan.met += 1;
        Some(fault)
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

impl Plan {
    fn take(&mut self, operation: &str) -> Option<Fault> {
        if operation == "TransactWriteItems" && self.conflicts > 0 {
            self.conflicts -= 1;
            return Some(Fault::Conflict);
        }
        if let Some(next) = &mut self.next {
            if next.spared > 0 {
                next.spared -= 1;
            } else if next.times > 0 && next.fault.can_meet(operation) {
                next.times -= 1;
                return Some(next.fault);
            }
        }
        let rates = self.rates.as_mut()?;
        let mut drawn = rates.draws.below(100);
        rates.percent.iter().copied().find_map(|(fault, percent)| {
            let hit = drawn < percent;
            drawn = drawn.wrapping_sub(percent);
            hit.then_some(fault).filter(|fault| fault.can_meet(operation))
        })
    }
}

/// What DynamoDB answers when a write meets a transaction.
fn conflict(operation: &str, body: &Value) -> HttpResponse {
    if operation != "TransactWriteItems" {
        return error(400, "TransactionConflictException", "Transaction is ongoing for the item");
    }
    let others = body["TransactItems"].as_array().map_or(0, Vec::len).saturating_sub(1);
    let reasons = [vec![json!({ "Code": "TransactionConflict" })], vec![json!({ "Code": "None" }); others]].concat();
    answer(
        400,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons \
                        [TransactionConflict]",
            "CancellationReasons": reasons,
        }),
    )
}

/// What DynamoDB answers when something is wrong with itself.
fn failure() -> HttpResponse {
    error(500, "InternalServerError", "try again")
}

fn error(status: u16, name: &str, message: &str) -> HttpResponse {
    let name = format!("com.amazonaws.dynamodb.v20120810#{name}");
    answer(status, &json!({ "__type": name, "message": message }))
}

pub(crate) fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(body.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_that_are_named_go_wrong_and_no_others() {
        let faults = Faults::default();
        faults.fail_from(2, 1, Fault::Throttle);
        let taken: Vec<_> = (0..4).map(|_| faults.take("GetItem")).collect();
        assert_eq!(taken, [None, None, Some(Fault::Throttle), None]);
        assert_eq!(faults.clear(), (4, 1));
        faults.fail_from(0, 1, Fault::Conflict);
        assert_eq!((faults.take("GetItem"), faults.take("PutItem")), (None, Some(Fault::Conflict)));
    }

    #[test]
    fn chance_keeps_to_its_rates_and_can_be_told_again() {
        let faults = Faults::default();
        let round = || {
            faults.fail_at_random(vec![(Fault::Throttle, 30), (Fault::FailAfter, 5)], 7);
            let taken: Vec<_> = (0..10_000).map(|_| faults.take("GetItem")).collect();
            taken
        };
        let taken = round();
        assert_eq!(taken, round());
        let count = |fault| taken.iter().filter(|taken| **taken == fault).count();
        assert!((2_800..3_200).contains(&count(Some(Fault::Throttle))), "{}", count(Some(Fault::Throttle)));
        assert!((420..580).contains(&count(Some(Fault::FailAfter))), "{}", count(Some(Fault::FailAfter)));
    }
}
