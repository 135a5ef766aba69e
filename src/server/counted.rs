//! Connections at the listeners beside the site: they count among all, so that no address has more by going to another port.

use std::rc::Rc;
use std::sync::Arc;

use actix_http::error::DispatchError;
use actix_service::{Service as _, ServiceFactory, fn_factory, fn_service};
use actix_web::rt::net::TcpStream;

use crate::http::Crowd;

/// Lets `http` answer those connections for which there is a place; the others are closed.
pub(super) fn counted<F>(
    crowd: Arc<Crowd>,
    http: F,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    F: ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> + 'static,
    F::Service: 'static,
{
    let http = Rc::new(http);
    fn_factory(move || {
        let (http, crowd) = (Rc::clone(&http), Arc::clone(&crowd));
        async move {
            let http = Rc::new(http.new_service(()).await?);
            Ok(fn_service(move |stream: TcpStream| {
                let (http, place) = (Rc::clone(&http), crowd.enter(stream.peer_addr().ok()));
                async move {
                    match place {
                        Some(_place) => http.call(stream).await,
                        None => Ok(()),
                    }
                }
            }))
        }
    })
}
