//! Content extractors that any format or the engine may call. They extract; they do not judge.

pub mod executable;
pub mod payload;
pub mod script;
