//! Fixtures and the tidy test; never published.
