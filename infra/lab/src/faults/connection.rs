//! One connection: calls from a client, one after another, each done something to or passed on.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use super::message::Message;
use super::operation::Operation;
use super::script::{Action, Moment};
use super::{Shared, answer, clock, owner};

/// Serves a client until one of both sides, or the script, ends it.
pub(super) fn serve(client: TcpStream, upstream: &str, shared: &Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let deaths = shared.state().deaths;
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut from_server = BufReader::new(server.try_clone()?);
    let (mut to_client, mut to_server) = (client, server);
    loop {
        let Some(request) = Message::request(&mut from_client, &mut to_client)? else { return Ok(()) };
        let operation = Operation::of(&request);
        if shared.state().deaths > deaths {
            return Ok(());
        }
        let (number, action) = shared.take(&operation, attempt(&request));
        let mut refuse = |refusal, now| to_client.write_all(&answer::refusal(&request, &operation, refusal, now));
        let (mut ends, mut kills) = (None, false);
        match action {
            None => {}
            Some(Action::DelayMs(delay)) => thread::sleep(Duration::from_millis(delay)),
            Some(Action::Hold) => shared.hold(),
            Some(Action::Throttle) => {
                refuse(&answer::throttled(&operation), SystemTime::now())?;
                continue;
            }
            Some(Action::Refuse(refusal)) => {
                refuse(&refusal, SystemTime::now())?;
                continue;
            }
            Some(Action::ClockAhead(seconds)) => {
                let now = clock::ahead(seconds);
                if let Some(refusal) = clock::refusal(&request, &operation, now) {
                    refuse(&refusal, now)?;
                    continue;
                }
            }
            Some(Action::Cut(moment)) => ends = Some(moment),
            Some(Action::Kill(moment)) => (ends, kills) = (Some(moment), true),
        }
        let answered = match ends {
            Some(Moment::Before) => None,
            _ => pass_on(&request, &mut to_server, &mut from_server, shared)?,
        };
        shared.answered(number);
        if kills {
            end_client(&to_client, shared)?;
        }
        match (ends, answered) {
            (None, Some(answered)) => to_client.write_all(&answered.bytes)?,
            _ => return Ok(()),
        }
    }
}

/// Gives a call to the control plane and waits for its answer. [`Faults::script`](super::Faults::script) waits for that
/// too, even where the client doesn't any more.
fn pass_on(
    request: &Message,
    to: &mut impl Write,
    from: &mut BufReader<TcpStream>,
    shared: &Shared,
) -> io::Result<Option<Message>> {
    shared.state().passed_on += 1;
    let answered = to.write_all(&request.bytes).and_then(|()| Message::answer(from, request));
    shared.state().passed_on -= 1;
    shared.changed.notify_all();
    answered
}

/// Kills whoever made the call, and ends what else it says.
fn end_client(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    // Before, so that none of its calls passes between its death and this; and after, for connections that it made
    // meanwhile.
    shared.state().deaths += 1;
    let killed = owner::kill_peer(client.peer_addr()?, client.local_addr()?);
    shared.state().deaths += 1;
    if killed {
        Ok(())
    } else {
        Err(io::Error::other("the caller is on no process of this machine that can be killed"))
    }
}

/// Which attempt a call is, as the SDK says: `amz-sdk-request: attempt=2; max=8`.
fn attempt(request: &Message) -> u32 {
    let told = request.header("amz-sdk-request").and_then(|told| told.split_once("attempt=")).map(|(_, rest)| rest);
    told.and_then(|rest| rest.split(';').next()).and_then(|number| number.trim().parse().ok()).unwrap_or(1)
}
