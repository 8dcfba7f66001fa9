//! Real sockets against a log in memory. Deadlines of the server are made short where a test waits for them; every wait of a test ends
//! with what it waits for, or fails the test.

mod adding;
mod bounds;
mod drain;
mod http2;
mod operations;
mod reading;
mod rfc6962;
mod server;
mod wire;
