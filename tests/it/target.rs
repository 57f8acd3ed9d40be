//! What is looked at: paths, git, pointers.

#[cfg(feature = "git")]
mod base;
#[cfg(feature = "git")]
mod changes;
#[cfg(feature = "git")]
mod kinds;
mod paths;
mod pointers;
mod scratch;
