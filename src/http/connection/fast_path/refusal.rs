//! What is said on a connection itself to who asks for more than there may be, or for nothing that is understood.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};

use super::{Express, Question, head};
use crate::http::connection::response::{Answer, Body};
use crate::http::message::accept::Form;
use crate::http::message::problem::Problem;
use crate::http::observation::access_log;
use crate::http::{Limits, UnderWay};

impl Express {
    pub(in crate::http) fn limits(&self) -> &Limits {
        self.crowd.limits()
    }

    /// How long a connection may idle between requests.
    pub(in crate::http) fn idle_limit(&self) -> Duration {
        self.crowd.idle_limit()
    }

    /// Notes that nothing is under way on the connection now that the server stops.
    pub(in crate::http) fn note_idle(&self) -> UnderWay {
        self.crowd.note_under_way(0)
    }

    /// Counts an answer to what was no request, and logs it.
    pub(in crate::http) fn note_refusal(&self, status: StatusCode) {
        self.site.load().metrics.count("", status, 0);
        if access_log::is_on() {
            access_log::Line {
                peer: self.peer,
                account: None,
                method: "-",
                target: "-",
                version: "HTTP/1.1",
                status,
                size: 0,
                referer: None,
                user_agent: None,
            }
            .write();
        }
    }

    /// A problem, as a page where the client names HTML.
    pub(super) fn refuse(&self, question: &Question<'_>, problem: Problem) -> Option<Answer> {
        let form = if question.names_html { Form::Html } else { Form::Json };
        let path = question.target.split('?').next().unwrap_or_default();
        let (status, mut fields) = (problem.status(), Vec::new());
        let body = problem.write(form, path, &mut fields);
        let length = body.len() as u64;
        let head = head(status, Some(length), |head| head.extend_from_slice(&fields));
        let body = match question.method == Method::HEAD {
            true => Body::Nothing,
            false => Body::Bytes(body.into()),
        };
        self.send(&self.site.load(), question, status, &head, length, body)
    }
}
