//! Rust and asyncio on one thread: pump, standby, awaitables, lanes.
