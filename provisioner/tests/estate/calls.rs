//! How many calls to AWS a command makes, as whoever is between it and AWS counts them: AWS limits calls, not seconds.

use crate::fixture::Fixture;

/// What a plan of an unchanged estate may take, whatever the number of its hosts, but for pages.
const PLAN: usize = 40;

#[test]
fn a_plan_takes_few_calls() {
    let fixture = Fixture::start();
    let spec = fixture.spec().replace("count = 2", "count = 8\n[[hosts]]\nname = \"builder\"\ncount = 2");
    fixture.write_spec(&spec.replace("monthly_usd = 200", "monthly_usd = 2000"));
    fixture.apply();
    fixture.faults().script(vec![]);
    assert_eq!(fixture.plan(), Vec::<String>::new());
    let calls = fixture.faults().calls();
    let calls: Vec<_> = calls.iter().map(|call| format!("{}:{}", call.service, call.operation)).collect();
    assert!(calls.len() <= PLAN, "{} calls:\n{}", calls.len(), calls.join("\n"));
}
