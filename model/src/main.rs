//! A model check of the validator store: the store's own code runs on a real folder, but its threads take turns as
//! shuttle decides, and shuttle tries another order each time.
//!
//! ```sh
//! cargo run --locked --manifest-path model/Cargo.toml -- [ROUNDS] [SEED]
//! ```
//!
//! Each scenario (see [`scenarios`]) runs ROUNDS times in random orders and as often in orders with few switches, which find
//! other faults. It ends with a code other than 0 when an invariant is broken, after the panic that says which.
//!
//! A thread can lose its turn at a lock, an atomic, a channel of tokio or a semaphore, and nowhere else: a system call is one
//! step. What two of them do to each other inside the kernel is for `tests/stress`.

mod blocking;
#[path = "../../src"]
mod code {
    // The parts of these modules that the store does not need are dead here.
    #![allow(dead_code, unused_imports)]
    // They are checked where they are at home.
    #![allow(clippy::all, unfulfilled_lint_expectations)]

    pub(crate) mod resource_path;
    pub(crate) mod root;
    pub(crate) mod semantics;
    pub(crate) mod validator_store;
}
mod scenarios;
mod site;
mod sync;

// The modules know each other by these names.
use code::{resource_path, root, semantics, validator_store};

use std::process::ExitCode;

use scenarios::SCENARIOS;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// How many switches between threads the second kind of order has at most.
const FEW_SWITCHES: usize = 3;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Ok(rounds), Ok(seed)) = (arguments.next().unwrap_or(Ok(300)), arguments.next().unwrap_or(Ok(1)))
    else {
        eprintln!("usage: model [ROUNDS] [SEED]");
        return ExitCode::from(2);
    };
    let rounds = usize::try_from(rounds).unwrap_or(usize::MAX);
    for (name, scenario) in SCENARIOS {
        let orders = [
            run(RandomScheduler::new_from_seed(seed, rounds), scenario),
            run(PctScheduler::new_from_seed(seed, FEW_SWITCHES, rounds), scenario),
        ];
        println!("{name}: {} orders", orders.iter().sum::<usize>());
    }
    ExitCode::SUCCESS
}

/// Runs a scenario in the orders of a scheduler, and returns in how many. Panics with the order that breaks an invariant.
fn run(scheduler: impl Scheduler + 'static, scenario: fn()) -> usize {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(100_000);
    config.failure_persistence = FailurePersistence::Print;
    // It warns that weak orderings are not modelled, which tests/README.md says.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(scenario)
}
