//! A small generator of pseudo-random numbers (splitmix64) whose seed is printed, so that a failure can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// The generator. Equal seeds give equal sequences.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// A generator whose seed stands in `IFMATCH_TEST_SEED`, or is taken from the clock; it is printed either way.
    pub(crate) fn new(purpose: &str) -> Random {
        let seed =
            std::env::var("IFMATCH_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
                u64::from(now.subsec_nanos()) ^ now.as_secs().rotate_left(20)
            });
        eprintln!("{purpose}: IFMATCH_TEST_SEED={seed}");
        Random { state: seed }
    }

    /// Another generator, for another thread, whose seed is this one's next number.
    #[allow(dead_code, reason = "for the stress program")]
    pub(crate) fn split(&mut self) -> Random {
        Random { state: self.next() }
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True once in `odds` times.
    pub(crate) fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    /// One of the choices.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}
