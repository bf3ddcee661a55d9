//! Hears signals also where Python does not.
//!
//! `CPython`'s handler in C only notes a signal; the handler in Python is called when the main thread next looks. One that comes
//! after its last look and before the system call in which it then sleeps interrupts nothing, and is looked at when that call
//! returns. With another thread at work that was measured for up to six of a thousand `time.sleep`s. A stop must not wait for it.
//!
//! So [`Ear`] stands before `CPython`'s handler, on the same terms (its flags and its mask: a blocking call of Python's is to be
//! interrupted as ever), leaves the signal's number in a socket of the reactor's, and calls it. What a signal means is decided
//! elsewhere: in python/narthex/signals.py, and for this module's users by [`crate::shutdown::StopLimit`].

use std::ffi::c_int;
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::OnceLock;

use narthex_reactor::Reactor;
use narthex_reactor::net::Stream;

/// What the handler needs. A signal handler can have nothing but statics, and they are set once: what is never taken away cannot
/// be taken away while a handler runs on another thread.
static HEARD: OnceLock<Heard> = OnceLock::new();

struct Heard {
    mouth: UnixStream,
    ear: UnixStream,
    /// Whose signals these are: a forked child has the socket and the handler as well, and its signals are its own.
    process: u32,
    /// `CPython`'s handler, which is the same for all signals.
    behind: extern "C" fn(c_int),
}

/// Where the numbers of signals arrive.
#[derive(Debug)]
pub(crate) struct Ear(Stream);

impl Ear {
    /// Hears these signals from now on, of those that have handlers in Python. A handler that is set later is deaf again.
    pub(crate) fn new(reactor: &Reactor, signals: &[c_int]) -> io::Result<Self> {
        for signal in signals {
            listen(*signal)?;
        }
        let heard =
            HEARD.get().ok_or_else(|| io::Error::other("none of the signals has a handler in Python"))?;
        // What a server before this one has not read is not about this one.
        while matches!((&heard.ear).read(&mut [0; 64]), Ok(1..)) {}
        Ok(Self(Stream::adopt(reactor, heard.ear.try_clone()?)?))
    }

    /// The next signal.
    pub(crate) async fn next(&self) -> io::Result<c_int> {
        let mut number = [0];
        self.0.read(&mut number).await?;
        Ok(c_int::from(number[0]))
    }
}

/// Puts [`hear`] before `CPython`'s handler of a signal.
fn listen(signal: c_int) -> io::Result<()> {
    let mut action = current(signal)?;
    let is_plain = action.sa_flags & libc::SA_SIGINFO == 0;
    if !is_plain || [libc::SIG_DFL, libc::SIG_IGN, number(hear)].contains(&action.sa_sigaction) {
        return Ok(());
    }
    let heard = if let Some(heard) = HEARD.get() {
        heard
    } else {
        let heard = Heard::new(behind(&action))?;
        HEARD.get_or_init(|| heard)
    };
    if number(heard.behind) != action.sa_sigaction {
        return Ok(());
    }
    action.sa_sigaction = number(hear);
    replace(signal, &action)
}

impl Heard {
    fn new(behind: extern "C" fn(c_int)) -> io::Result<Self> {
        let (mouth, ear) = UnixStream::pair()?;
        // A handler must not wait: whoever does not read has heard enough.
        mouth.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self { mouth, ear, process: std::process::id(), behind })
    }
}

/// The handler. It may interrupt anything, so it makes system calls and looks at what was set before it was installed.
extern "C" fn hear(signal: c_int) {
    let Some(heard) = HEARD.get() else { return };
    if std::process::id() == heard.process
        && let Ok(number) = u8::try_from(signal)
    {
        // By rustix, which leaves errno alone.
        let _ = rustix::io::write(&heard.mouth, &[number]);
    }
    (heard.behind)(signal);
}

#[expect(unsafe_code, reason = "only libc tells the handler of a signal")]
fn current(signal: c_int) -> io::Result<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: no new action is given, and the old one is written where there is room for it.
    if unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was filled just now, and zeroes are a value of it as well.
    Ok(unsafe { action.assume_init() })
}

#[expect(unsafe_code, reason = "only libc sets the handler of a signal")]
fn replace(signal: c_int, action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: the handler is `hear`, which does nothing that a signal handler must not, under the flags and the mask of one that was
    // there before, whose type it has.
    if unsafe { libc::sigaction(signal, ptr::from_ref(action), ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A handler as an action has it.
fn number(handler: extern "C" fn(c_int)) -> libc::sighandler_t {
    handler as *const () as libc::sighandler_t
}

#[expect(unsafe_code, reason = "an action has its handler as a number")]
fn behind(action: &libc::sigaction) -> extern "C" fn(c_int) {
    // SAFETY: neither of the two numbers that are no functions, and without SA_SIGINFO the function takes the signal alone (`listen`
    // has looked at both).
    unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(action.sa_sigaction) }
}
