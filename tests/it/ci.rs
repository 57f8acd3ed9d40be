//! `modelaudit ci` against real repositories, made-up events and a server that speaks the hosts' APIs.

mod comments;
mod events;
#[cfg(unix)]
mod large;
pub(crate) mod pipeline;
mod server;
mod settings;
mod upload;
