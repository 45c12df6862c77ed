//! Host names → addresses, by the system's resolver.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::target::NamedTarget;

/// A name gets this long; resolvers repeat a lost question within it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What became of the names, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Each target with one of its addresses, of which a name can have several.
    pub addresses: Vec<(NamedTarget, IpAddr)>,
    /// Each name that has none, once, and why.
    pub unresolved: Vec<Unresolved>,
}

/// A name without an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    pub name: String,
    /// The resolver's words.
    pub reason: String,
}

/// Asks for each distinct name once, at most `limit` at a time (0 counts as 1). Once `stop` is
/// cancelled no more are asked, and those without an answer are unresolved.
///
/// A name without an address is no error: the others are still worth a scan.
pub async fn resolve(names: &[NamedTarget], limit: usize, stop: &CancellationToken) -> Resolved {
    let permits = Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS)));
    let distinct: BTreeSet<&str> = names.iter().map(|named| named.name.as_str()).collect();
    let mut lookups = JoinSet::new();
    for name in distinct {
        let (name, permits, stop) = (name.to_owned(), Arc::clone(&permits), stop.clone());
        lookups.spawn(async move {
            // The semaphore is never closed; were it, the name would go unlimited.
            let answer = stop.run_until_cancelled(async {
                let _permit = permits.acquire().await;
                look_up(&name).await
            });
            let answer = answer
                .await
                .unwrap_or_else(|| Err("not looked up before the scan was stopped".to_owned()));
            (name, answer)
        });
    }
    let answers: BTreeMap<_, _> = lookups.join_all().await.into_iter().collect();

    let mut resolved = Resolved::default();
    let mut reported = BTreeSet::new();
    for named in names {
        match answers.get(&named.name) {
            Some(Ok(addresses)) => {
                let pairs = addresses.iter().map(|address| (named.clone(), *address));
                resolved.addresses.extend(pairs);
            }
            Some(Err(reason)) if reported.insert(&named.name) => resolved
                .unresolved
                .push(Unresolved { name: named.name.clone(), reason: reason.clone() }),
            Some(Err(_)) | None => {}
        }
    }
    resolved
}

async fn look_up(name: &str) -> Result<Vec<IpAddr>, String> {
    judge(timeout(TIMEOUT, tokio::net::lookup_host((name, 0))).await.map(|answer| {
        answer.map(|addresses| addresses.map(|address| address.ip()).collect::<Vec<_>>())
    }))
}

/// The distinct addresses in the resolver's order, or the reason why there is none.
fn judge(
    answer: Result<io::Result<Vec<IpAddr>>, tokio::time::error::Elapsed>,
) -> Result<Vec<IpAddr>, String> {
    let addresses = match answer {
        Err(_) => return Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        Ok(Err(error)) => return Err(error.to_string()),
        Ok(Ok(addresses)) => addresses,
    };
    let mut distinct = Vec::new();
    for address in addresses {
        if !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    if distinct.is_empty() { Err("the name has no address".to_owned()) } else { Ok(distinct) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, port: Option<u16>) -> NamedTarget {
        NamedTarget { name: name.to_owned(), port }
    }

    #[tokio::test]
    async fn localhost_is_found_for_each_of_its_ports() {
        let names = [named("localhost", Some(99)), named("localhost", None)];
        let resolved = resolve(&names, 0, &CancellationToken::new()).await;
        assert!(resolved.unresolved.is_empty());
        for target in &names {
            let mine = resolved.addresses.iter().filter(|(named, _)| named == target);
            let addresses: Vec<IpAddr> = mine.map(|(_, address)| *address).collect();
            assert!(addresses.contains(&IpAddr::from([127, 0, 0, 1])), "{addresses:?}");
            assert!(addresses.iter().all(IpAddr::is_loopback));
        }
    }

    #[tokio::test]
    async fn no_names_are_no_work() {
        assert_eq!(resolve(&[], 8, &CancellationToken::new()).await, Resolved::default());
    }

    #[test]
    fn answers_are_judged() {
        let ip = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(judge(Ok(Ok(vec![ip, ip]))), Ok(vec![ip]));
        assert_eq!(judge(Ok(Ok(vec![]))), Err("the name has no address".to_owned()));
        let error = io::Error::other("Name or service not known");
        assert_eq!(judge(Ok(Err(error))), Err("Name or service not known".to_owned()));
    }

    #[tokio::test]
    async fn a_stop_leaves_the_rest_unresolved() {
        let stop = CancellationToken::new();
        stop.cancel();
        let names = [NamedTarget { name: "localhost".to_owned(), port: None }];
        let resolved = resolve(&names, 8, &stop).await;
        assert!(resolved.addresses.is_empty());
        assert!(resolved.unresolved[0].reason.contains("stopped"), "{resolved:?}");
    }
}
