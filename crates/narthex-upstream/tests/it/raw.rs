//! A peer that writes frames of HTTP/2 as a test has them, on a thread of its own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PREFACE: usize = 24;

/// A head: `:status: 200` from HPACK's static table, the rest in full.
fn block(more: &[(&str, &str)]) -> Vec<u8> {
    let literal = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let mut block = vec![0x88];
    for (name, value) in [("content-type", "application/grpc")].iter().chain(more) {
        block.extend([&[0x00][..], &literal(name), &literal(value)].concat());
    }
    block
}

/// A connection of the peer's.
pub(crate) struct Frames(TcpStream);

/// Accepts connections and hands each, after SETTINGS, to `script`; gives the address.
pub(crate) fn peer(script: impl Fn(usize, &mut Frames) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the process: a test that is over connects no more.
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut frames = Frames(stream.unwrap());
            frames.0.read_exact(&mut [0; PREFACE]).unwrap();
            frames.send(SETTINGS, 0, 0, &[]);
            script(number, &mut frames);
        }
    });
    address
}

impl Frames {
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        let _ = self.0.write_all(&frame);
    }

    /// Reads a frame, answering SETTINGS and PINGs, and gives its kind and stream; none if the other side has left.
    fn read(&mut self) -> Option<(u8, u32)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        match kind {
            SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => self.send(PING, ACK, 0, &payload),
            _ => {}
        }
        Some((kind, u32::from_be_bytes(stream)))
    }

    /// Reads up to a call's HEADERS, and gives its stream; none if the other side has left.
    pub(crate) fn call(&mut self) -> Option<u32> {
        loop {
            if let (HEADERS, stream) = self.read()? {
                return Some(stream);
            }
        }
    }

    /// Reads until as many PINGs have come.
    pub(crate) fn answer_pings(&mut self, mut count: usize) {
        while count > 0
            && let Some((kind, _)) = self.read()
        {
            count -= usize::from(kind == PING);
        }
    }

    /// Reads until the other side leaves, and answers nothing.
    pub(crate) fn ignore(&mut self) {
        let _ = std::io::copy(&mut self.0, &mut std::io::sink());
    }

    /// The head of an answer by gRPC.
    pub(crate) fn send_head(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS, stream, &block(&[]));
    }

    /// An answer that is a status alone, OK.
    pub(crate) fn send_end(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &block(&[("grpc-status", "0")]));
    }

    /// Reads until the other side leaves.
    pub(crate) fn drain(&mut self) {
        while self.call().is_some() {}
    }
}
