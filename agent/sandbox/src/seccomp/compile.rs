//! A profile becomes a BPF program: a balanced tree over ranges of call numbers.
//!
//! Neighbouring numbers with the same answer are one range; the tree halves the ranges by `>=`, so a call is decided
//! after about seven comparisons. A leaf is a return, or the checks of arguments. A comparison jumps at most 255
//! instructions; to what is further away it jumps by an unconditional jump, which has 32 bits.

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
    let mut code = Code::default();
    let foreign = code.answer(answers.foreign);
    let tree = code.tree(&ranges(arch, answers));
    code.run_into(tree);
    let number = code.push(operation(LOAD, NUMBER));
    code.branch(JUMP_EQUAL, arch.audit(), number, foreign);
    code.push(operation(LOAD, ARCH));
    code.program()
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

/// A program from its end to its beginning: what jumps is made after what it jumps to, so every distance is known, and
/// an answer that many give is there once. The kernel's work on a filter grows with its length.
#[derive(Default)]
struct Code<'a> {
    /// The last instruction first.
    instructions: Vec<Instruction>,
    answers: Vec<(Action, Label)>,
    rules: Vec<(Rule<'a>, Label)>,
}

/// An instruction, by how many lie behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Label(usize);

impl<'a> Code<'a> {
    fn program(mut self) -> Program {
        self.instructions.reverse();
        Program { instructions: self.instructions }
    }

    /// Puts an instruction before all others.
    fn push(&mut self, instruction: Instruction) -> Label {
        self.instructions.push(instruction);
        Label(self.instructions.len() - 1)
    }

    /// How many instructions the next one to be made would jump over.
    fn distance(&self, to: Label) -> usize {
        self.instructions.len() - to.0 - 1
    }

    /// A label that a comparison can jump to, over one instruction more.
    fn near(&mut self, to: Label) -> Label {
        match self.distance(to) {
            0..LONGEST => to,
            distance => self.push(operation(JUMP, distance as u32)),
        }
    }

    /// Makes the next instruction's successor that one.
    fn run_into(&mut self, to: Label) {
        if let distance @ 1.. = self.distance(to) {
            self.push(operation(JUMP, distance as u32));
        }
    }

    fn branch(&mut self, comparison: u16, k: u32, holds: Label, fails: Label) -> Label {
        let (holds, fails) = (self.near(holds), self.near(fails));
        // Both are less than LONGEST away, or one more.
        let (jump_true, jump_false) = (self.distance(holds) as u8, self.distance(fails) as u8);
        self.push(Instruction { code: comparison, jump_true, jump_false, k })
    }

    fn answer(&mut self, action: Action) -> Label {
        if let Some((_, label)) = self.answers.iter().find(|(known, _)| *known == action) {
            return *label;
        }
        let label = self.push(operation(RETURN, value(action)));
        self.answers.push((action, label));
        label
    }

    /// The decision among ranges, by the number in the accumulator.
    fn tree(&mut self, ranges: &[Range<'a>]) -> Label {
        let (low, high) = ranges.split_at(ranges.len() / 2);
        match (low, high) {
            ([], [only, ..]) => self.rule(&only.rule),
            (_, [first_of_high, ..]) => {
                let (low, high) = (self.tree(low), self.tree(high));
                self.branch(JUMP_NOT_BELOW, first_of_high.first, high, low)
            }
            // There is always a range.
            (_, []) => self.answer(Action::Kill),
        }
    }

    /// The decision by arguments; nothing needs the number after it.
    fn rule(&mut self, rule: &Rule<'a>) -> Label {
        if let Some((_, label)) = self.rules.iter().find(|(known, _)| known == rule) {
            return *label;
        }
        let mut next = self.answer(rule.otherwise);
        for case in rule.cases.iter().rev() {
            let fails = next;
            next = self.answer(case.then);
            for check in case.checks.iter().rev() {
                match check.is {
                    Is::Equal => self.branch(JUMP_EQUAL, check.value, next, fails),
                    Is::NotEqual => self.branch(JUMP_EQUAL, check.value, fails, next),
                    Is::AtLeast => self.branch(JUMP_NOT_BELOW, check.value, next, fails),
                    Is::Below => self.branch(JUMP_NOT_BELOW, check.value, fails, next),
                };
                if check.mask != u32::MAX {
                    self.push(operation(AND, check.mask));
                }
                next = self.push(operation(LOAD, ARGUMENTS + 4 * u32::from(check.word)));
            }
        }
        self.rules.push((*rule, next));
        next
    }
}

/// The longest jump of a comparison.
const LONGEST: usize = u8::MAX as usize;

const fn operation(code: u16, k: u32) -> Instruction {
    Instruction { code, jump_true: 0, jump_false: 0, k }
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
