//! A child made by `fork` without `exec` leaves its parent's reactor alone.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use narthex_reactor::Turn;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::outer::{Outer, output};

#[test]
#[expect(unsafe_code, reason = "fork and _exit are what is tested")]
fn a_forked_child_never_pumps_and_disturbs_nothing() {
    let outer = Outer::new();
    let (listener, address) = crate::sockets::tcp(&outer.reactor);
    let mut client = TcpStream::connect(address).unwrap();
    let reader = outer.reactor.spawn(async move {
        let stream = listener.accept().await.unwrap();
        let (mut all, mut buffer) = (Vec::new(), [0; 16]);
        while let count @ 1.. = stream.read(&mut buffer).await.unwrap() {
            all.extend_from_slice(&buffer[..count]);
        }
        all
    });
    let sleeper = outer.reactor.spawn(outer.reactor.sleep(Duration::from_millis(50)));
    outer.turn();
    let runnable = outer.reactor.spawn(async {});
    let mut held = outer.reactor.driver();
    client.write_all(b"before ").unwrap();

    // SAFETY: the child calls nothing that could wait for a thread it has not: the reactor is what is tested, and the
    // allocator takes care of itself at a fork.
    match unsafe { libc::fork() } {
        0 => {
            // What Python's os.fork() child may do, at last with the destructors of everything it inherited.
            // The right to drive that it inherits is none: it would take its parent's events, and poll its parent's tasks.
            let inherited = held.turn(outer.budget) == Turn::Idle && held.flush(outer.budget) == Turn::Idle;
            held.run_until_asked(|| false);
            drop(held);
            let idle = inherited && outer.turn() == Turn::Idle && outer.reactor.runnable() == 0;
            let none = outer.reactor.try_driver().is_none();
            let refused = outer.reactor.spawn(async {}).is_finished();
            drop(outer.reactor.attend());
            outer.reactor.close();
            drop((runnable, sleeper, reader));
            let code = i32::from(!(idle && none && refused));
            // SAFETY: it ends the child at once, without the handlers of the test's process.
            unsafe { libc::_exit(code) }
        }
        child => {
            drop(held);
            let status =
                waitpid(Pid::from_raw(child), WaitOptions::empty()).unwrap().expect("it has ended").1;
            assert_eq!(status.exit_status(), Some(0), "the child did more than nothing, or died");
        }
    }
    outer.run_until(|| runnable.is_finished() && sleeper.is_finished());
    client.write_all(b"and after").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    outer.run_until(|| reader.is_finished());
    assert_eq!(output(reader), b"before and after");
    outer.settle();
}
