//! From start to end of `/bin/true`, one after the other.

use holdfast_sandbox::Spawner;

use crate::setting::Setting;
use crate::ways::{
    WarmFloor, Way, compare, floor_command, our_command, prepared, warm as warm_way, whole as whole_way,
};

const WARM_ROUNDS: usize = 2000;
const WHOLE_ROUNDS: usize = 500;
/// With peers that take tens of milliseconds.
const SLOW_ROUNDS: usize = 100;

/// From processes that are there already.
pub(crate) fn warm(setting: &Setting) {
    let spawner = Spawner::start(&setting.sandbox).unwrap();
    let mut ways: Vec<(String, Way<'_>)> = vec![
        ("warm: floor".to_owned(), WarmFloor::start(setting).way()),
        ("warm: ours".to_owned(), warm_way(&spawner)),
        ("warm: prepared".to_owned(), prepared(&spawner)),
    ];
    compare(&mut ways, WARM_ROUNDS);
}

/// As whole processes.
pub(crate) fn whole(setting: &Setting) {
    for (slow, rounds) in [(false, WHOLE_ROUNDS), (true, SLOW_ROUNDS)] {
        let name = |name: &str| if slow { format!("slow: {name}") } else { format!("whole: {name}") };
        let mut ways =
            vec![(name("floor"), whole_way(floor_command(setting))), (name("ours"), whole_way(our_command(setting)))];
        if !slow {
            ways.push((name("exec"), whole_way(vec!["/bin/true".to_owned()])));
        }
        for peer in setting.peers.iter().filter(|peer| peer.slow == slow) {
            ways.push((name(&peer.name), whole_way(peer.command.clone())));
        }
        compare(&mut ways, rounds);
    }
}
