//! The extension module narthex._native: configuration in, the stack assembled, a server out.
