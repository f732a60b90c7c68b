//! Every request is answered: as it asks, or by an error in our form, never by a fault of ours.
#![no_main]

use std::sync::LazyLock;

use fuzz::Latchkey;
use libfuzzer_sys::{Corpus, fuzz_target};

static LATCHKEY: LazyLock<Latchkey> = LazyLock::new(Latchkey::start);

fuzz_target!(|request: &[u8]| -> Corpus {
    match LATCHKEY.answer(request) {
        Some(answer) => {
            answer.check();
            Corpus::Keep
        }
        None => Corpus::Reject,
    }
});
