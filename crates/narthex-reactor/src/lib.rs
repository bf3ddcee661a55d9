//! Sockets, timers and tasks behind one descriptor that any event loop can watch.
