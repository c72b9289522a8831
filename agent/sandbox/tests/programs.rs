//! Ordinary programs run under the default policy, for root and for others: languages, compilers, tools, and what they
//! ask of a kernel. Nothing here has an option but to show the program its input: what a wall breaks is a wall too tight.
//!
//! An interpreter that isn't there fails its test: `cargo lab test` installs them all.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{Fixture, Who, everyone};

/// Runs a program for everybody, and expects what it prints, nothing on standard error, and exit code 0.
fn prints(fixture: &Fixture, options: &[&str], program: &[&str], expected: &str) {
    for who in everyone() {
        let output = run(fixture, who, options, program);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out == expected && err.is_empty(), "{program:?} as {who:?}: {output:?}");
    }
}

fn run(fixture: &Fixture, who: Who, options: &[&str], program: &[&str]) -> Output {
    let mut command = fixture.sandbox(who);
    // A JVM on a busy machine takes its time.
    command.args(["--wall", "120s"]).args(options).arg("--").args(program).stdin(Stdio::null()).output().unwrap()
}

fn python(script: &str) {
    prints(&Fixture::new(), &[], &["/usr/bin/python3", "-c", script], "ok\n");
}

fn shell(script: &str, expected: &str) {
    prints(&Fixture::new(), &[], &["bash", "-euo", "pipefail", "-c", script], expected);
}

#[test]
fn a_compiler_runs_and_so_does_what_it_makes_linked_either_way() {
    let source = format!("{}/tests/programs/ordinary.c:/ordinary.c", env!("CARGO_MANIFEST_DIR"));
    let build = "gcc -Wall -O1 -pthread /ordinary.c -o a && ./a && gcc -static -O1 -pthread /ordinary.c -o b && ./b";
    let fixture = Fixture::new();
    let parts = "threads timers descriptors shared-memory processes runtime ";
    prints(&fixture, &["--ro", &readable(&fixture, &source)], &["sh", "-c", build], &parts.repeat(2));
}

/// A bind of a copy, since nobody may not look into the sources' directory.
fn readable(fixture: &Fixture, bind: &str) -> String {
    let (source, inside) = bind.split_once(':').unwrap();
    let copy = fixture.path(Path::new(source).file_name().unwrap().to_str().unwrap());
    std::fs::copy(source, &copy).unwrap();
    format!("{}:{inside}", copy.display())
}

#[test]
fn python_has_threads_and_processes_and_what_they_share() {
    python(
        "import multiprocessing as mp, threading, queue, concurrent.futures as cf
from multiprocessing import shared_memory
if __name__ == '__main__':
    q = queue.Queue(); ts = [threading.Thread(target=q.put, args=(n,)) for n in range(20)]
    [t.start() for t in ts]; [t.join() for t in ts]
    assert sorted(q.get() for _ in ts) == list(range(20))
    with mp.Pool(4) as pool: assert pool.map(abs, range(-100, 0)) == list(range(100, 0, -1))
    with cf.ProcessPoolExecutor(2) as pool: assert list(pool.map(pow, [2, 3], [10, 3])) == [1024, 27]
    m = shared_memory.SharedMemory(create=True, size=10); m.buf[0] = 0
    lock, up = mp.Lock(), mp.Queue()
    def child():
        with lock: m.buf[0] += 1
        up.put('up')
    ps = [mp.Process(target=child) for _ in range(4)]
    [p.start() for p in ps]; [up.get() for p in ps]; [p.join() for p in ps]
    assert m.buf[0] == 4; m.close(); m.unlink()
    with mp.Manager() as manager:
        d = manager.dict(); p = mp.Process(target=d.update, args=({'a': 1},)); p.start(); p.join()
        assert dict(d) == {'a': 1}
    for method in ['spawn', 'forkserver']:
        c = mp.get_context(method); p = c.Process(target=print, args=('',), kwargs={'end': ''}); p.start(); p.join(); assert p.exitcode == 0
    print('ok')",
    );
}

#[test]
fn python_starts_programs_serves_and_asks_on_its_own_loopback() {
    python(
        "import asyncio, http.server, os, pty, signal, socket, ssl, subprocess, tempfile, threading, urllib.request
assert subprocess.check_output('echo a | tr a b', shell=True) == b'b\\n'
assert os.popen('exit 3').close() == 3 << 8
http.server.SimpleHTTPRequestHandler.log_message = lambda *a: None
web = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=web.handle_request).start()
assert urllib.request.urlopen('http://localhost:%d/' % web.server_port).status == 200
six = socket.create_server(('::1', 0), family=socket.AF_INET6); socket.create_connection(six.getsockname()[:2]).close()
udp = socket.socket(type=socket.SOCK_DGRAM); udp.bind(('127.0.0.1', 0)); udp.sendto(b'x', udp.getsockname()); assert udp.recv(9) == b'x'
un = socket.socket(socket.AF_UNIX); un.bind('/tmp/s'); un.listen(); c = socket.socket(socket.AF_UNIX); c.connect('/tmp/s')
async def main():
    p = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1); out, _ = await p.communicate(b'x'); assert out == b'x'
    await asyncio.sleep(0.001); await asyncio.to_thread(os.getpid)
asyncio.run(main())
assert pty.spawn(['true']) == 0
with tempfile.NamedTemporaryFile() as f: f.write(b'x')
ssl.create_default_context(); print('ok')",
    );
}

#[test]
fn a_name_that_only_a_network_knows_is_unknown_at_once() {
    // EAI_NONAME is said of names that the files haven't; a resolver that was asked and waited for gives EAI_AGAIN.
    python(
        "import socket
for name in ['example.org', 'no-such-host']:
    try: socket.getaddrinfo(name, 80); raise SystemExit('resolved')
    except socket.gaierror as error: assert error.errno == socket.EAI_NONAME, error
assert socket.getaddrinfo('localhost', 80)[0][4] == ('127.0.0.1', 80)
assert socket.gethostbyname(socket.gethostname()) == '127.0.0.1'; print('ok')",
    );
}

#[test]
fn node_has_workers_promises_and_children() {
    let script = "const {Worker} = require('worker_threads'), {execFile, execSync} = require('child_process');
const {promisify} = require('util'), fs = require('fs/promises'), http = require('http'), crypto = require('crypto');
(async () => {
  const worker = new Worker('require(\"worker_threads\").parentPort.postMessage(6 * 7)', {eval: true});
  const answer = await new Promise(done => worker.on('message', done));
  const {stdout} = await promisify(execFile)('echo', ['child']);
  const server = http.createServer((_, to) => to.end('served')).listen(0, '127.0.0.1');
  await new Promise(done => server.on('listening', done));
  const page = await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text();
  server.close(); server.closeAllConnections();
  await fs.writeFile('/tmp/x', 'y');
  const unknown = await require('dns/promises').lookup('example.org').catch(error => error.code);
  const key = await promisify(crypto.scrypt)('a', 'b', 8);
  await new Promise(done => setTimeout(done, 1));
  console.log(answer, stdout.trim(), page, await fs.readFile('/tmp/x', 'utf8'), unknown, key.length, execSync('echo sync').toString().trim());
})();";
    prints(&Fixture::new(), &[], &["node", "-e", script], "42 child served y ENOTFOUND 8 sync\n");
}

#[test]
fn a_jvm_compiles_runs_collects_and_starts_others() {
    let source = r#"import java.net.*; import java.util.stream.*; import java.nio.file.*; import java.util.concurrent.*;
public class Main { public static void main(String[] a) throws Exception {
  ExecutorService pool = Executors.newFixedThreadPool(4);
  long sum = pool.submit(() -> LongStream.range(0, 1000000).parallel().sum()).get(); pool.shutdown();
  for (int n = 0; n < 200; n++) { byte[] garbage = new byte[1 << 20]; garbage[n] = 1; }
  System.gc();
  Process child = new ProcessBuilder("echo", "child").start();
  String said = new String(child.getInputStream().readAllBytes()).trim();
  try (ServerSocket server = new ServerSocket(0); Socket to = new Socket("127.0.0.1", server.getLocalPort())) { server.accept(); }
  Files.writeString(Path.of("/tmp/x"), "y");
  System.out.println(sum + " " + said + " " + Files.readString(Path.of("/tmp/x")) + " " + child.waitFor());
} }"#;
    let fixture = Fixture::new();
    let bind = format!("{}:/Main.java", fixture.file("Main.java", source).display());
    let script = "javac -d /tmp /Main.java && java -cp /tmp Main";
    prints(&fixture, &["--ro", &bind], &["sh", "-c", script], "499999500000 child y 0\n");
}

#[test]
fn shells_have_pipelines_jobs_traps_and_here_documents() {
    shell(
        "seq 1000 | sort -rn | sed -n 1p
diff <(seq 3) <(seq 3); mkfifo /tmp/f; echo fifo >/tmp/f & cat /tmp/f; wait
trap 'echo trapped' USR1; kill -USR1 $$
coproc cat; echo co >&${COPROC[1]}; read -ru ${COPROC[0]} line; echo $line
cat <<<here; (yes || :) | head -n 1000000 | wc -l
find /usr/bin -maxdepth 1 -name 'tr' | xargs -n1 basename
sleep 1000 & kill $!; wait $! || echo $?
tar -C /tmp -c f | gzip | gunzip | tar -t; awk 'BEGIN { print 6 * 7 }'",
        "1000\nfifo\ntrapped\nco\nhere\n1000000\ntr\n143\nf\n42\n",
    );
}

#[test]
fn sqlite_locks_journals_and_maps_its_files() {
    shell(
        "sqlite3 /tmp/db 'pragma journal_mode=wal; pragma mmap_size=1000000; create table t(a); insert into t values(1),(2)'
sqlite3 /tmp/db 'begin immediate; update t set a = a + 1; commit; select sum(a) from t; vacuum; pragma integrity_check'",
        "wal\n1000000\n5\nok\n",
    );
    python(
        "import sqlite3, multiprocessing
def add():
    c = sqlite3.connect('/tmp/x', timeout=60)
    for n in range(20): c.execute('insert into t values(1)'); c.commit()
sqlite3.connect('/tmp/x').execute('create table t(a)')
ps = [multiprocessing.Process(target=add) for _ in range(3)]
[p.start() for p in ps]; [p.join() for p in ps]
assert sqlite3.connect('/tmp/x').execute('select count(*) from t').fetchone() == (60,); print('ok')",
    );
}

/// Runs a program outside, which makes the input of a test.
fn outside(fixture: &Fixture, script: &str) {
    let mut command = Command::new("sh");
    let output = command.args(["-euc", script]).current_dir(fixture.directory.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn git_clones_a_repository_that_is_shown_read_only_and_commits_to_its_own() {
    let fixture = Fixture::new();
    outside(
        &fixture,
        "export HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init --quiet --initial-branch=main repo; cd repo; echo content >file; git add file; git commit --quiet -m first",
    );
    let bind = format!("{}:/repo", fixture.path("repo").display());
    // The owner is another user, as seen from inside: that it may be trusted git wants to be told, here as anywhere.
    let script = "git config --global safe.directory '*'; git config --global user.email a@b; git config --global user.name a
git clone --quiet /repo own; cd own; cat file; echo more >>file; git commit --quiet -am second; git log --format=%s; git fsck --strict 2>/dev/null
git clone --quiet --depth 1 file:///tmp/own shallow; git -C shallow rev-list --count HEAD";
    prints(&fixture, &["--ro", &bind], &["sh", "-euc", script], "content\nsecond\nfirst\n1\n");
}

#[test]
fn pip_installs_a_wheel_that_is_shown_read_only() {
    let fixture = Fixture::new();
    // A wheel is a zip file with three files of metadata (PEP 427).
    outside(
        &fixture,
        "/usr/bin/python3 -c \"
import zipfile
with zipfile.ZipFile('tiny-1.0-py3-none-any.whl', 'w') as z:
    z.writestr('tiny.py', 'answer = 42')
    z.writestr('tiny-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n')
    z.writestr('tiny-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: hand\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    z.writestr('tiny-1.0.dist-info/RECORD', 'tiny.py,,\\ntiny-1.0.dist-info/METADATA,,\\ntiny-1.0.dist-info/WHEEL,,\\ntiny-1.0.dist-info/RECORD,,\\n')
\"",
    );
    let wheel = "tiny-1.0-py3-none-any.whl";
    let bind = format!("{}:/wheels/{wheel}", fixture.path(wheel).display());
    let script = format!(
        "/usr/bin/python3 -m pip install --quiet --no-index --target /tmp/site /wheels/{wheel} && \
         PYTHONPATH=/tmp/site /usr/bin/python3 -c 'import tiny; print(tiny.answer)'"
    );
    prints(&fixture, &["--ro", &bind], &["sh", "-c", &script], "42\n");
}

#[test]
fn locales_and_time_zones_are_the_hosts() {
    shell(
        "TZ=Asia/Tokyo date -d @0 +%H:%M%Z; TZ=America/New_York date -d 2024-07-01T12:00Z +%H%Z
mkdir /tmp/locales; localedef -i de_DE -f UTF-8 /tmp/locales/de_DE.UTF-8
export LOCPATH=/tmp/locales; LC_ALL=de_DE.UTF-8 date -d @0 +%B; LC_ALL=de_DE.UTF-8 printf '%.2f\\n' 1,5
LC_ALL=C.UTF-8 /usr/bin/python3 -c 'import locale; locale.setlocale(locale.LC_ALL, \"\"); print(\"ä\".upper(), locale.nl_langinfo(locale.CODESET))'",
        "09:00JST\n08EDT\nJanuar\n1,50\nÄ UTF-8\n",
    );
    let output = Command::new("date").args(["-d", "@0", "+%Z %H"]).env_remove("TZ").output().unwrap();
    let own = String::from_utf8(output.stdout).unwrap();
    prints(&Fixture::new(), &[], &["date", "-d", "@0", "+%Z %H"], &own);
}
