//! Follows the frames that an HTTP/2 client sends, to see what h2 answers by itself and shows to nobody.
//!
//! h2 bounds what such frames make it hold; what they cost in work is bounded here. A client may PING and send frames that
//! carry nothing as often as it likes while responses go out to it, and otherwise not often. It is *not* a parser: what is
//! malformed h2 refuses, and what it refuses ends the connection.

use std::time::{Duration, Instant};

const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Of PING and SETTINGS; of DATA and HEADERS it ends the stream.
const ACK: u8 = 1;
/// RFC 9113 7.
const ENHANCE_YOUR_CALM: u32 = 11;

/// Frames that carry nothing, such as SETTINGS, PRIORITY, CONTINUATION and empty DATA, that may come while nothing goes out.
const IDLE_FRAMES: u32 = 1000;

/// The most that h2 answers to a frame by itself, in bytes: two of `WINDOW_UPDATE`, to DATA.
const ANSWER: usize = 26;

/// What a client has sent too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abuse {
    Pings,
    Frames,
}

impl Abuse {
    /// What GOAWAY says; grpc's clients know the former.
    const fn words(self) -> &'static [u8] {
        match self {
            Self::Pings => b"too_many_pings",
            Self::Frames => b"too_many_frames",
        }
    }
}

/// How often a client may PING while nothing is sent to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PingPolicy {
    pub(crate) interval: Duration,
    /// As many may come sooner; 0 is no limit.
    pub(crate) strikes: u32,
}

/// Where a client stands in its frames.
#[derive(Debug)]
pub(crate) struct Frames {
    head: [u8; HEAD],
    held: usize,
    /// Bytes of payload to come; the preface counts as one.
    payload: usize,
    last_stream: u32,
    last_ping: Option<Instant>,
    strikes: u32,
    idle: u32,
    /// Bytes that answers of h2's own may have had since the client was last forgiven.
    answers: usize,
}

impl Frames {
    /// `preface` bytes come before the first frame.
    pub(crate) fn after(preface: usize) -> Self {
        Self {
            head: [0; HEAD],
            held: 0,
            payload: preface,
            last_stream: 0,
            last_ping: None,
            strikes: 0,
            idle: 0,
            answers: 0,
        }
    }

    /// Looks at what was read. `sent` says whether something of a response went out since it last said so; it is told how many
    /// of the bytes that went out may be answers of h2's own.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        policy: PingPolicy,
        mut sent: impl FnMut(usize) -> bool,
    ) -> Result<(), Abuse> {
        while !bytes.is_empty() {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            let some = (HEAD - self.held).min(bytes.len());
            self.head[self.held..self.held + some].copy_from_slice(&bytes[..some]);
            self.held += some;
            bytes = &bytes[some..];
            if self.held == HEAD {
                self.held = 0;
                self.frame(policy, &mut sent)?;
            }
        }
        Ok(())
    }

    fn frame(&mut self, policy: PingPolicy, sent: &mut impl FnMut(usize) -> bool) -> Result<(), Abuse> {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
        self.answers = self.answers.saturating_add(ANSWER);
        match kind {
            HEADERS => self.last_stream = u32::from_be_bytes(stream) & (u32::MAX >> 1),
            // An acknowledgement is of our own PING. h2 bounds resets.
            PING if flags & ACK != 0 => {}
            RST_STREAM | GOAWAY | WINDOW_UPDATE => {}
            DATA if self.payload > 0 || flags & ACK != 0 => {}
            PING => {
                self.forgive(sent);
                return self.ping(policy);
            }
            _ => {
                self.idle += 1;
                if self.idle > IDLE_FRAMES {
                    self.forgive(sent);
                    if self.idle > IDLE_FRAMES {
                        return Err(Abuse::Frames);
                    }
                }
            }
        }
        Ok(())
    }

    fn forgive(&mut self, sent: &mut impl FnMut(usize) -> bool) {
        if sent(self.answers) {
            (self.strikes, self.idle, self.answers) = (0, 0, 0);
        }
    }

    fn ping(&mut self, policy: PingPolicy) -> Result<(), Abuse> {
        let now = Instant::now();
        let last = self.last_ping.replace(now);
        if last.is_some_and(|last| now - last < policy.interval) {
            self.strikes += 1;
            if policy.strikes > 0 && self.strikes > policy.strikes {
                return Err(Abuse::Pings);
            }
        }
        Ok(())
    }

    /// The frame that ends the connection for it (RFC 9113 6.8).
    pub(crate) fn goaway(&self, abuse: Abuse) -> Vec<u8> {
        let words = abuse.words();
        let length = u8::try_from(8 + words.len()).expect("the words are few");
        let mut frame = vec![0, 0, length, GOAWAY, 0, 0, 0, 0, 0];
        frame.extend(self.last_stream.to_be_bytes());
        frame.extend(ENHANCE_YOUR_CALM.to_be_bytes());
        frame.extend(words);
        frame
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: PingPolicy = PingPolicy { interval: Duration::from_hours(1), strikes: 2 };

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &[0, 0, 0, 5], payload].concat()
    }

    /// At once and byte by byte, both see the same.
    fn check(bytes: &[u8], policy: PingPolicy, sent: bool, expect: Result<(), Abuse>) {
        assert_eq!(Frames::after(0).feed(bytes, policy, |_| sent), expect);
        let mut pieces = Frames::after(0);
        let seen = bytes.chunks(1).try_for_each(|byte| pieces.feed(byte, policy, |_| sent));
        assert_eq!(seen, expect, "byte by byte");
    }

    #[test]
    fn pings_are_counted_while_nothing_is_sent() {
        let ping = frame(PING, 0, b"12345678");
        check(&ping.repeat(3), POLICY, false, Ok(()));
        check(&ping.repeat(4), POLICY, false, Err(Abuse::Pings));
        check(&ping.repeat(40), POLICY, true, Ok(()));
        check(&ping.repeat(40), PingPolicy { strikes: 0, ..POLICY }, false, Ok(()));
        check(&ping.repeat(40), PingPolicy { interval: Duration::ZERO, ..POLICY }, false, Ok(()));
        check(&frame(PING, ACK, b"12345678").repeat(40), POLICY, false, Ok(()));
        // What looks like it inside of a payload is none.
        check(&frame(DATA, 0, &ping.repeat(40)), POLICY, false, Ok(()));
    }

    #[test]
    fn frames_that_carry_nothing_are_counted_while_nothing_is_sent() {
        let most = IDLE_FRAMES as usize;
        for (kind, flags) in [(DATA, 0), (2, 0), (4, 0), (9, 0), (99, 0)] {
            let idle = frame(kind, flags, b"");
            check(&idle.repeat(most), POLICY, false, Ok(()));
            check(&idle.repeat(most + 1), POLICY, false, Err(Abuse::Frames));
            check(&idle.repeat(most * 3), POLICY, true, Ok(()));
        }
        for useful in [frame(DATA, 0, b"x"), frame(DATA, ACK, b""), frame(HEADERS, 4, b"x")] {
            check(&useful.repeat(most * 3), POLICY, false, Ok(()));
        }
    }

    #[test]
    fn what_h2_may_have_answered_is_told() {
        let mut told = Vec::new();
        let (ping, settings) = (frame(PING, 0, b"12345678"), frame(4, 0, b""));
        let bytes = [&ping[..], &settings, &settings, &ping, &ping].concat();
        let forgiving = |answers| {
            told.push(answers / ANSWER);
            told.len() == 2
        };
        Frames::after(0).feed(&bytes, POLICY, forgiving).unwrap();
        // It adds up until the client is forgiven.
        assert_eq!(told, [1, 4, 1]);
    }

    #[test]
    fn the_last_words_name_the_last_stream() {
        let mut frames = Frames::after(3);
        frames.feed(b"PRI", POLICY, |_| false).unwrap();
        frames.feed(&frame(HEADERS, 4, b"x"), POLICY, |_| false).unwrap();
        let goaway = frames.goaway(Abuse::Pings);
        assert_eq!(goaway[..9], [0, 0, 22, 7, 0, 0, 0, 0, 0]);
        assert_eq!(goaway[9..17], [0, 0, 0, 5, 0, 0, 0, 11]);
        assert_eq!(&goaway[17..], b"too_many_pings");
    }

    proptest! {
        #[test]
        fn no_input_upsets_it(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut frames = Frames::after(24);
            for piece in pieces {
                let _ = frames.feed(&piece, POLICY, |_| false);
            }
        }
    }
}
