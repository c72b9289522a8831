//! A proxy that counts calls to AWS, and stops a process before or after one of them.
//!
//! It speaks just enough HTTP/1.1 to see where a request and its answer end; it is put before the lab's plain endpoint.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// When the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The call never arrives.
    Before,
    /// The call is done, and its answer never arrives.
    After,
}

/// Around which call the process is killed: the first of this name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) operation: &'static str,
    pub(crate) moment: Moment,
}

#[derive(Default)]
struct Shared {
    changes: Mutex<Vec<String>>,
    victim: Mutex<Option<u32>>,
    cut: Mutex<Option<Cut>>,
    dead: AtomicBool,
}

/// A proxy on a free port of its own. It lives as long as the test's process.
#[derive(Clone)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: String,
}

impl Proxy {
    /// Starts one before `upstream`, an `http://host:port`.
    pub(crate) fn start(upstream: &str) -> Self {
        let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let of_listener = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, upstream) = (Arc::clone(&of_listener), upstream.clone());
                // An end of either side ends the pair; who was cut off notices by itself.
                thread::spawn(move || drop(serve(client, &upstream, &shared)));
            }
        });
        Self { shared, address }
    }

    /// Where clients go instead.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Has whoever is aimed at killed at `cut`, if there is one. Counting begins anew.
    pub(crate) fn arm(&self, cut: Option<Cut>) {
        *self.shared.victim.lock().unwrap() = None;
        *self.shared.cut.lock().unwrap() = cut;
        self.shared.changes.lock().unwrap().clear();
        self.shared.dead.store(false, Ordering::SeqCst);
    }

    /// Names the process to kill.
    pub(crate) fn aim(&self, victim: u32) {
        *self.shared.victim.lock().unwrap() = Some(victim);
    }

    /// Whether the process was killed.
    pub(crate) fn has_killed(&self) -> bool {
        self.shared.dead.load(Ordering::SeqCst)
    }

    /// The calls that change something, in the order in which they came.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.shared.changes.lock().unwrap().clone()
    }
}

impl Shared {
    /// Counts a call, and says whether the process is to be killed around it.
    fn count(&self, operation: &str) -> Option<Moment> {
        if ["Describe", "Get", "List", "HEAD", "GET"].iter().any(|read| operation.starts_with(read)) {
            return None;
        }
        let mut changes = self.changes.lock().unwrap();
        changes.push(operation.to_owned());
        let mut cut = self.cut.lock().unwrap();
        if !cut.is_some_and(|cut| operation.starts_with(cut.operation)) {
            return None;
        }
        cut.take().map(|cut| cut.moment)
    }

    fn kill(&self) {
        // First, so that whoever has waited for the process's end finds it said.
        self.dead.store(true, Ordering::SeqCst);
        // The child's id is set right after it was started, which takes less time than its first change.
        let victim = self.victim.lock().unwrap().expect("a process to kill");
        let killed = std::process::Command::new("kill").args(["-KILL", &victim.to_string()]).status().unwrap();
        assert!(killed.success());
    }
}

fn serve(client: TcpStream, upstream: &str, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    let (mut from_client, mut from_server) = (BufReader::new(client.try_clone()?), BufReader::new(server.try_clone()?));
    let (mut to_client, mut to_server) = (client, server);
    loop {
        let Some(request) = Message::read(&mut from_client, false)? else { return Ok(()) };
        // Calls of a process that was killed meanwhile end here: they were never sent.
        if shared.dead.load(Ordering::SeqCst) {
            return Ok(());
        }
        let moment = shared.count(&request.operation());
        if moment == Some(Moment::Before) {
            shared.kill();
            return Ok(());
        }
        to_server.write_all(&request.bytes)?;
        let head_only = request.bytes.starts_with(b"HEAD ");
        let Some(response) = Message::read(&mut from_server, head_only)? else { return Ok(()) };
        if moment == Some(Moment::After) {
            shared.kill();
            return Ok(());
        }
        to_client.write_all(&response.bytes)?;
    }
}

/// A request or a response.
struct Message {
    bytes: Vec<u8>,
    head: String,
}

impl Message {
    fn read(from: &mut impl BufRead, head_only: bool) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            if from.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            if bytes[before..] == *b"\r\n" {
                break;
            }
        }
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).next()
        };
        if header("transfer-encoding").is_some_and(|encoding| encoding.contains("chunked")) {
            read_chunks(from, &mut bytes)?;
        } else if let Some(length) = header("content-length").filter(|_| !head_only) {
            let mut body = vec![0; length.parse().map_err(io::Error::other)?];
            from.read_exact(&mut body)?;
            bytes.extend(body);
        }
        Ok(Some(Self { bytes, head }))
    }

    /// The call's name: `Action` of the query protocol, the target of the JSON protocol, or method and path.
    fn operation(&self) -> String {
        let target = self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case("x-amz-target")
                .then(|| value.trim().rsplit('.').next().unwrap_or_default().to_owned())
        });
        let body = String::from_utf8_lossy(&self.bytes[self.head.len().min(self.bytes.len())..]);
        let action = || body.split('&').find_map(|pair| pair.strip_prefix("Action=")).map(str::to_owned);
        let line = || self.head.lines().next().unwrap_or_default().rsplit_once(' ').map(|(line, _)| line.to_owned());
        target.or_else(action).or_else(line).unwrap_or_default()
    }
}

fn read_chunks(from: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        let size = String::from_utf8_lossy(&line);
        let size =
            usize::from_str_radix(size.trim().split(';').next().unwrap_or_default(), 16).map_err(io::Error::other)?;
        bytes.extend(&line);
        let mut chunk = vec![0; size + 2];
        from.read_exact(&mut chunk)?;
        bytes.extend(chunk);
        if size == 0 {
            return Ok(());
        }
    }
}
