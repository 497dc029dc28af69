//! Faults on order: the next requests (of one method, or all) are answered wrong, late or not at all.

use std::collections::VecDeque;

/// What happens instead of the right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429 with `parameters.retry_after`, in seconds.
    TooManyRequests(u64),
    /// 500 in Telegram's shape.
    ServerError,
    /// 502 with a page of HTML, as a proxy in front of Telegram gives.
    BadGateway,
    /// Nothing, until the client gives up.
    Silence,
    /// The connection is cut in the middle of the answer; nothing was done.
    Cut,
    /// It is done, but the connection is cut in the middle of the answer that says so.
    LostAnswer,
    /// 409, as the older of two pollers gets it.
    OtherPoller,
    /// 401, as after the token was revoked.
    Unauthorized,
    /// 403: the user blocked the bot.
    Blocked,
}

/// Faults still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    orders: VecDeque<Order>,
}

#[derive(Debug)]
struct Order {
    fault: Fault,
    /// Lower case; `None` is any method.
    method: Option<String>,
    /// `None` lasts until mended.
    left: Option<usize>,
}

impl Faults {
    pub(crate) fn order(&mut self, fault: Fault, method: Option<&str>, times: Option<usize>) {
        self.orders.push_back(Order { fault, method: method.map(str::to_ascii_lowercase), left: times });
    }

    pub(crate) fn mend(&mut self) {
        self.orders.clear();
    }

    /// The fault for a request of this method, which uses it up.
    pub(crate) fn take(&mut self, method: &str) -> Option<Fault> {
        let fits = |order: &Order| order.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
        let at = self.orders.iter().position(fits)?;
        let order = &mut self.orders[at];
        let fault = order.fault;
        if let Some(left) = &mut order.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.orders.remove(at);
            }
        }
        Some(fault)
    }

    /// Whether a fault without end waits for this method.
    pub(crate) fn lasting(&self, method: &str) -> bool {
        self.orders.iter().any(|order| {
            order.left.is_none() && order.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_used_up_by_their_method() {
        let mut faults = Faults::default();
        faults.order(Fault::ServerError, Some("sendMessage"), Some(2));
        faults.order(Fault::Silence, None, None);
        assert_eq!(faults.take("getMe"), Some(Fault::Silence));
        assert_eq!(faults.take("SendMessage"), Some(Fault::ServerError));
        assert_eq!(faults.take("sendmessage"), Some(Fault::ServerError));
        assert_eq!(faults.take("sendMessage"), Some(Fault::Silence));
        assert!(faults.lasting("getUpdates"));
        faults.mend();
        assert_eq!(faults.take("getMe"), None);
    }
}
