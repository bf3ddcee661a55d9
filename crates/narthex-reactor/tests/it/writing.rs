//! Writing: all at once, held back, and more than there is room for.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::outer::Outer;
use crate::sockets::{accept, pair, tcp};

#[test]
fn a_writer_waits_for_its_reader_and_loses_nothing() {
    const SIZE: usize = 8 << 20;
    let outer = Outer::new();
    let (listener, address) = tcp(&outer.reactor);
    let client = TcpStream::connect(address).unwrap();
    let stream = accept(&outer, &listener);
    let written = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&written);
    let writer = outer.reactor.spawn(async move {
        let block: Vec<u8> = (0..=255).cycle().take(64 << 10).collect();
        let (head, tail) = block.split_at(1 << 10);
        while counter.load(Ordering::SeqCst) < SIZE {
            let slices = [IoSlice::new(head), IoSlice::new(tail)];
            let count = poll_fn(|context| stream.poll_write_vectored(context, &slices)).await?;
            // Whole blocks only, so that the pattern goes on.
            stream.write_all(&block[count..]).await?;
            counter.fetch_add(block.len(), Ordering::SeqCst);
        }
        io::Result::Ok(())
    });
    outer.settle();
    assert!(!writer.is_finished(), "nobody reads, so it waits");
    assert!(written.load(Ordering::SeqCst) < SIZE);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        (&client).read_to_end(&mut all).unwrap();
        all
    });
    outer.run_until(|| writer.is_finished());
    crate::outer::output(writer).unwrap();
    let all = reader.join().unwrap();
    assert_eq!(all.len(), SIZE);
    assert!(all.iter().zip((0..=255_u8).cycle()).all(|(byte, expected)| *byte == expected));
    outer.settle();
}

#[test]
fn slices_arrive_in_order_whatever_their_lengths() {
    let outer = Outer::new();
    let (near, mut far) = pair(&outer);
    outer.block_on(async move {
        let bytes: Vec<u8> = (0..=255).cycle().take(1 << 10).collect();
        let mut read = vec![0; bytes.len()];
        for length in 0..bytes.len() {
            let (head, rest) = bytes[..length].split_at(length / 3);
            let (body, tail) = rest.split_at(rest.len() / 2);
            let slices = [head, &[], body, tail].map(IoSlice::new);
            let written = poll_fn(|context| near.poll_write_vectored(context, &slices)).await;
            assert_eq!(written.unwrap(), length, "there is room for all of it");
            far.read_exact(&mut read[..length]).unwrap();
            assert_eq!(read[..length], bytes[..length]);
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_held_back_goes_out_with_a_push() {
    let outer = Outer::new();
    let (listener, address) = tcp(&outer.reactor);
    let mut client = TcpStream::connect(address).unwrap();
    client.set_nonblocking(true).unwrap();
    let stream = accept(&outer, &listener);
    let context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut buffer = [0; 16];
    stream.push();
    for round in ["one", "two"] {
        let start = Instant::now();
        let written = stream.poll_write_more(&context, &[IoSlice::new(round.as_bytes())]);
        assert!(matches!(written, std::task::Poll::Ready(Ok(3))), "{written:?}");
        // The loopback delivers what is sent before the call returns, and Linux holds it back for 200 ms.
        let early = client.read(&mut buffer);
        stream.push();
        let read = match early {
            Ok(read) if start.elapsed() > Duration::from_millis(150) => read,
            early => {
                assert_eq!(early.unwrap_err().kind(), io::ErrorKind::WouldBlock);
                client.read(&mut buffer).unwrap()
            }
        };
        assert_eq!(&buffer[..read], round.as_bytes());
    }
}
