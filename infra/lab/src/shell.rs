//! Variables as a shell takes them.

use std::fmt::Write;

use crate::control_plane::variables_in_the_way;

/// Lines for `eval`: the variables exported, and those of the present environment unset that would lead an SDK
/// elsewhere.
pub fn exports(variables: &[(String, String)]) -> String {
    let mut lines = String::new();
    for name in variables_in_the_way(variables) {
        let _infallible = writeln!(lines, "unset {name}");
    }
    for (name, value) in variables {
        let _infallible = writeln!(lines, "export {name}={}", quoted(value));
    }
    lines
}

/// Single quotes hold everything but themselves.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_any_value() {
        let value = "a 'b' $HOME `id` \\ \"c\"\n";
        let script = format!("{}printf %s \"$K\"", exports(&[("K".to_owned(), value.to_owned())]));
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
    }
}
