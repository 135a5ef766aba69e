//! The services that actix calls, and the dispatch behind them.

mod dispatch;
mod health;
pub(in crate::http) mod https_redirect;
mod metrics_page;
pub(in crate::http) mod mount;
pub(in crate::http) mod site_service;
