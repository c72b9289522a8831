//! A profile becomes a BPF program: a balanced tree over ranges of call numbers.
//!
//! Neighbouring numbers with the same answer are one range; the tree halves the ranges by `>=`, so a call is decided
//! after about seven comparisons. A leaf is a return, or the checks of arguments. A comparison jumps at most 255
//! instructions; over a longer left half it jumps to an unconditional jump, which has 32 bits.

use super::profile::{Answers, Is, Rule};
use super::{Action, Arch};

/// One instruction, `struct sock_filter` of linux/filter.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(super) code: u16,
    pub(super) jump_true: u8,
    pub(super) jump_false: u8,
    pub(super) k: u32,
}

/// A filter that can be attached.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    instructions: Vec<Instruction>,
}

impl Program {
    pub(crate) fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}

// Operations, linux/bpf_common.h.
pub(super) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(super) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(super) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(super) const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(super) const JUMP_NOT_BELOW: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(super) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Offsets in `struct seccomp_data`, linux/seccomp.h; both architectures are little-endian.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// x32's numbers have this bit (asm/unistd.h).
const X32_BIT: u32 = 0x4000_0000;

/// From `first` to the next range's first, or to the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range<'a> {
    pub(super) first: u32,
    pub(super) rule: Rule<'a>,
}

/// Compiles the answers for an architecture.
pub(super) fn compile(arch: Arch, answers: &Answers<'_>) -> Program {
    let mut instructions = vec![
        operation(LOAD, ARCH),
        jump(JUMP_EQUAL, arch.audit(), 1, 0),
        operation(RETURN, value(answers.foreign)),
        operation(LOAD, NUMBER),
    ];
    instructions.extend(tree(&ranges(arch, answers)));
    Program { instructions }
}

/// All numbers from 0 on, as ranges with one answer each.
fn ranges<'a>(arch: Arch, answers: &Answers<'a>) -> Vec<Range<'a>> {
    let only = |otherwise| Rule { cases: &[], otherwise };
    let mut ranges: Vec<Range<'a>> = Vec::new();
    let mut next = 0;
    let mut push = |first: u32, rule: Rule<'a>| {
        if ranges.last().is_none_or(|last| last.rule != rule) {
            ranges.push(Range { first, rule });
        }
    };
    for &(name, number) in arch.calls() {
        if number > next {
            push(next, only(answers.no_call));
        }
        push(number, answers.named.get(name).copied().unwrap_or(answers.otherwise));
        next = number + 1;
    }
    push(next, only(answers.no_call));
    if arch == Arch::X86_64 {
        push(X32_BIT, only(answers.foreign));
        // -1 is what a tracer that skips a call leaves, and no call.
        push(0x8000_0000, only(answers.no_call));
    }
    ranges
}

fn tree(ranges: &[Range<'_>]) -> Vec<Instruction> {
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let Some(first_of_high) = high.first() else { return Vec::new() };
    if low.is_empty() {
        return leaf(&first_of_high.rule);
    }
    let (low, high) = (tree(low), tree(high));
    let mut code = match u8::try_from(low.len()) {
        Ok(distance) => vec![jump(JUMP_NOT_BELOW, first_of_high.first, distance, 0)],
        Err(_) => vec![jump(JUMP_NOT_BELOW, first_of_high.first, 0, 1), operation(JUMP, low.len() as u32)],
    };
    code.extend(low);
    code.extend(high);
    code
}

/// Returns for one rule; the accumulator holds the number before, and nothing needs it after.
fn leaf(rule: &Rule<'_>) -> Vec<Instruction> {
    let mut code = Vec::new();
    for case in rule.cases {
        let length: usize = case.checks.iter().map(|check| if check.mask == u32::MAX { 2 } else { 3 }).sum();
        let mut rest = length;
        for check in case.checks {
            code.push(operation(LOAD, ARGUMENTS + 4 * u32::from(check.word)));
            rest -= 1;
            if check.mask != u32::MAX {
                code.push(operation(AND, check.mask));
                rest -= 1;
            }
            rest -= 1;
            // Where it doesn't hold: over the case's remaining checks and its return. Cases are a few checks long.
            let away = rest as u8 + 1;
            code.push(match check.is {
                Is::Equal => jump(JUMP_EQUAL, check.value, 0, away),
                Is::NotEqual => jump(JUMP_EQUAL, check.value, away, 0),
                Is::AtLeast => jump(JUMP_NOT_BELOW, check.value, 0, away),
                Is::Below => jump(JUMP_NOT_BELOW, check.value, away, 0),
            });
        }
        code.push(operation(RETURN, value(case.then)));
    }
    code.push(operation(RETURN, value(rule.otherwise)));
    code
}

const fn operation(code: u16, k: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, k }
}

const fn jump(code: u16, k: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction { code, jump_true, jump_false, k }
}

/// `SECCOMP_RET_*`.
pub(super) fn value(action: Action) -> u32 {
    match action {
        Action::Allow => libc::SECCOMP_RET_ALLOW,
        // An error number of 0 is success.
        Action::Ignore => libc::SECCOMP_RET_ERRNO,
        Action::Errno(errno) => libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA),
        Action::Log => libc::SECCOMP_RET_LOG,
        Action::Trap => libc::SECCOMP_RET_TRAP,
        Action::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    }
}

#[cfg(test)]
#[path = "compile_tests.rs"]
pub(super) mod tests;
