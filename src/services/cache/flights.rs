//! Reads under way: who asks for what is being read waits for it. It knows no database, and keeps
//! nothing of what has landed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use super::store::{CacheEntry, CacheKey};

/// The result of a shared read. One that was given up has none: its sender is gone.
#[derive(Clone)]
pub(super) enum Landed {
    Filled(CacheEntry),
    Failed,
}

type Sender = watch::Sender<Option<Landed>>;
type Landing = watch::Receiver<Option<Landed>>;

/// The keys that are being read; who reads holds the sender.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<CacheKey, Weak<Sender>>>);

impl Flights {
    /// Sorts keys into those that the caller is to read, and those that others read at this time.
    /// `alone` reads all of them for the caller itself.
    pub(super) fn claim(&self, keys: &[CacheKey], places: Vec<usize>, alone: bool) -> Flight<'_> {
        let mut flight = Flight {
            flights: self,
            led: Vec::new(),
            joined: Vec::new(),
        };
        if alone {
            flight
                .led
                .extend(places.into_iter().map(|place| (place, None)));
            return flight;
        }
        let mut under_way = self.lock();
        for place in places {
            if let Some(sender) = under_way.get(&keys[place]).and_then(Weak::upgrade) {
                // Subscribed under the lock: the sender may land at any moment after it.
                flight.joined.push((place, sender.subscribe()));
                continue;
            }
            let sender = Arc::new(watch::Sender::new(None));
            under_way.insert(keys[place].clone(), Arc::downgrade(&sender));
            let lead = Lead {
                key: keys[place].clone(),
                sender,
            };
            flight.led.push((place, Some(lead)));
        }
        flight
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CacheKey, Weak<Sender>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key that others may wait for.
struct Lead {
    key: CacheKey,
    sender: Arc<Sender>,
}

/// A caller's part in what is being read. Dropped, it gives up what has not landed, and one of
/// those who wait takes it over.
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    led: Vec<(usize, Option<Lead>)>,
    joined: Vec<(usize, Landing)>,
}

impl Flight<'_> {
    /// The places of the keys that the caller is to read.
    pub(super) fn led(&self) -> Vec<usize> {
        self.led.iter().map(|(place, _)| *place).collect()
    }

    /// The places of the keys that others read, and where to wait for them.
    pub(super) fn take_joined(&mut self) -> Vec<(usize, Landing)> {
        std::mem::take(&mut self.joined)
    }

    /// Tells those who wait for a key what came of it. What is to be found later was stored before.
    pub(super) fn land(&mut self, place: usize, landed: Landed) {
        let found = self.led.iter().position(|(led, _)| *led == place);
        let Some((_, Some(lead))) = found.map(|found| self.led.swap_remove(found)) else {
            return;
        };
        self.flights.lock().remove(&lead.key);
        // Out of the map first: whoever comes now reads the store instead of joining a flight that
        // has ended.
        lead.sender.send_replace(Some(landed));
    }

    /// Tells all who wait that nothing came of it.
    pub(super) fn fail(&mut self) {
        for place in self.led() {
            self.land(place, Landed::Failed);
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut under_way = self.flights.lock();
        for (_, lead) in &self.led {
            if let Some(lead) = lead {
                under_way.remove(&lead.key);
            }
        }
    }
}

#[cfg(test)]
impl Flights {
    /// The number of callers that wait for a read of another one.
    pub(super) fn waiting(&self) -> usize {
        let under_way = self.lock();
        let senders = under_way.values().filter_map(Weak::upgrade);
        senders.map(|sender| sender.receiver_count()).sum()
    }
}
