//! One run of the service, from start to stop: the thread that looks for what is due, the threads
//! that deliver it, and what they share. It hands alerts over by channels, and stores by the
//! repository.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::backoff;
use super::channel::{Channel, Subscribers};
use super::send_outcome::SendOutcome;
use super::snapshot::QueueDepth;
use crate::config::AlertsConfig;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::repository::alert_delivery::{self, ChannelKey, Claim, DeliveryOutcome, Look, Tried};
use crate::services::{Wakeup, Worker, lock, panic_text};

/// Alerts that are queued in one transaction.
const QUEUED_ALERTS_MAX: usize = 256;
/// Time that a claim is held beyond the timeout of its request: for storing the outcome.
const LEASE_MARGIN: Duration = Duration::from_secs(60);
/// Time between two looks at how much waits.
const DEPTH_EVERY: Duration = Duration::from_secs(5);

/// The state that all runs share.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) db: Database,
    pub(super) config: AlertsConfig,
    pub(super) worker: Worker,
    pub(super) channels: Vec<Channel>,
    pub(super) subscribers: Subscribers,
    pub(super) depth: Mutex<Option<QueueDepth>>,
}

/// A run: its bell, and a lane for each channel.
#[derive(Debug)]
struct DeliveryRun {
    bell: Arc<Wakeup>,
    lanes: Vec<Lane>,
}

/// The work of one channel's threads.
#[derive(Debug)]
struct Lane {
    state: Mutex<LaneState>,
    ready: Condvar,
}

#[derive(Debug)]
struct LaneState {
    waiting: VecDeque<Vec<Claim>>,
    /// Threads without a batch, those counted that one waits for.
    free: usize,
    closed: bool,
}

/// The threads of a run that deliver. They end, and are waited for, when this goes.
struct Deliverers {
    run: Arc<DeliveryRun>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts the threads of a run that deliver; what it returns looks for what is due, and ends
/// after them.
pub(super) fn prepare(
    outbox: &Arc<Outbox>,
    bell: &Arc<Wakeup>,
) -> Result<impl FnOnce(&Wakeup) + Send + use<>> {
    let mut deliverers = Deliverers {
        run: Arc::new(DeliveryRun::new(outbox, bell)),
        threads: Vec::new(),
    };
    for (index, channel) in outbox.channels.iter().enumerate() {
        for _ in 0..channel.threads {
            let (of, run) = (Arc::clone(outbox), Arc::clone(&deliverers.run));
            let name = format!("tickbase-{}", channel.key.name);
            let deliver = move || of.deliver(&run, index);
            deliverers.threads.push(outbox.worker.spawn(name, deliver)?);
        }
    }
    let outbox = Arc::clone(outbox);
    Ok(move |bell: &Wakeup| outbox.look(&deliverers, bell))
}

impl Drop for Deliverers {
    fn drop(&mut self) {
        for lane in &self.run.lanes {
            // All lanes are closed before the first thread is waited for, so that they end side by side.
            // What a lane still holds is delivered first: it is claimed already.
            lock(&lane.state).closed = true;
            lane.ready.notify_all();
        }
        for thread in self.threads.drain(..) {
            // It cannot have panicked: it catches what deliveries throw.
            drop(thread.join());
        }
    }
}

impl DeliveryRun {
    fn new(outbox: &Outbox, bell: &Arc<Wakeup>) -> Self {
        let lane = |channel: &Channel| Lane {
            state: Mutex::new(LaneState {
                waiting: VecDeque::new(),
                free: channel.threads,
                closed: false,
            }),
            ready: Condvar::new(),
        };
        Self {
            bell: Arc::clone(bell),
            lanes: outbox.channels.iter().map(lane).collect(),
        }
    }
}

impl Lane {
    /// Threads that wait for something to do.
    fn free(&self) -> usize {
        lock(&self.state).free
    }

    /// Threads that may be given something to do, at the pace of the channel.
    fn room(&self, channel: &Channel) -> usize {
        let free = self.free();
        let busy = channel.threads - free.min(channel.threads);
        let at_once = channel.pacing.at_once(channel.threads);
        free.min(at_once.saturating_sub(busy))
    }

    fn push(&self, batch: Vec<Claim>) {
        let mut state = lock(&self.state);
        // Taken here and not by the thread that wakes up: between the two another look would give
        // the same thread a second batch.
        state.free = state.free.saturating_sub(1);
        state.waiting.push_back(batch);
        self.ready.notify_one();
    }

    /// The next batch, once there is one; `None` when there will be none.
    fn next(&self) -> Option<Vec<Claim>> {
        let state = lock(&self.state);
        let idle = |state: &mut LaneState| state.waiting.is_empty() && !state.closed;
        let waited = self.ready.wait_while(state, idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting.pop_front()
    }

    fn done(&self) {
        lock(&self.state).free += 1;
    }
}

impl Outbox {
    /// Looks for what is due until the bell says to stop.
    fn look(&self, deliverers: &Deliverers, bell: &Wakeup) {
        let mut depth_at: Option<Instant> = None;
        let longest = self.config.poll_interval;
        loop {
            // A panic or an error of one round must not end delivery: the next round looks anew.
            let next = self.worker.survive(|| {
                let looked = self.round(&deliverers.run, &mut depth_at);
                self.worker.ended(looked.as_ref().err().map(Error::chain));
                looked.ok().flatten()
            });
            let wait = next.flatten().unwrap_or(longest);
            if bell.stopped_within(wait.min(longest)) {
                return;
            }
        }
    }

    /// One look at what is due and, from time to time, at how much waits; returns how long nothing
    /// will be due.
    fn round(&self, run: &DeliveryRun, depth_at: &mut Option<Instant>) -> Result<Option<Duration>> {
        let next = self.hand_out_due(run)?;
        if depth_at.is_none_or(|at| at.elapsed() >= DEPTH_EVERY) {
            *depth_at = Some(Instant::now());
            self.look_at_depth()?;
        }
        Ok(next)
    }

    /// Queues what fired and hands out what is due, as far as threads are free; returns how long
    /// nothing will be due.
    fn hand_out_due(&self, run: &DeliveryRun) -> Result<Option<Duration>> {
        let keys: Vec<ChannelKey> = self.channels.iter().map(|c| c.key.clone()).collect();
        let free: Vec<bool> = run.lanes.iter().map(|lane| lane.free() > 0).collect();
        // A look is a read: an idle service takes no write lock.
        let mut seen = self.look_at_queue(&keys, &free)?;
        if seen.unqueued {
            let channels = keys.clone();
            self.db.write("alert_delivery.enqueue", move |conn| {
                let now = conn.shared_now()?;
                alert_delivery::enqueue(conn, &channels, now, QUEUED_ALERTS_MAX)
            })?;
            seen = self.look_at_queue(&keys, &[])?;
        }
        let mut next = None;
        for (index, due) in seen.next_due.iter().enumerate() {
            let (lane, channel) = (&run.lanes[index], &self.channels[index]);
            let (Some(due), room) = (due, lane.room(channel)) else {
                continue;
            };
            if room == 0 {
                continue; // Whoever ends rings the bell.
            }
            let pause = channel.pacing.pause().unwrap_or_default();
            let wait = seen.until(*due).max(pause);
            if wait.is_zero() {
                self.hand_out(lane, channel, room)?;
            } else {
                next = next.into_iter().chain([wait]).min();
            }
        }
        Ok(next)
    }

    fn look_at_queue(&self, channels: &[ChannelKey], free: &[bool]) -> Result<Look> {
        self.db.read("alert_delivery.look", |conn| {
            let now = conn.shared_now()?;
            alert_delivery::look(conn, channels, free, now)
        })
    }

    /// Claims what so many threads can take. Each rings the bell when it is free again.
    fn hand_out(&self, lane: &Lane, channel: &Channel, threads: usize) -> Result<()> {
        // Longer than a request can take, or another process would claim the delivery while it is
        // still being sent.
        let lease = self.config.total_timeout + LEASE_MARGIN;
        let limit = threads * channel.batch_max;
        let name = channel.key.name.clone();
        // Attempts and lease are committed before anything is sent: a crash in between costs a
        // repetition, never a lost alert.
        let mut claims = self.db.write("alert_delivery.claim", move |conn| {
            let now = conn.shared_now()?;
            alert_delivery::claim(conn, &name, now, lease, limit)
        })?;
        while !claims.is_empty() {
            let rest = claims.split_off(claims.len().min(channel.batch_max));
            lane.push(claims);
            claims = rest;
        }
        Ok(())
    }

    /// A thread that delivers.
    fn deliver(&self, run: &DeliveryRun, index: usize) {
        let (lane, channel) = (&run.lanes[index], &self.channels[index]);
        while let Some(batch) = lane.next() {
            let tried = batch.iter().map(|claim| self.attempt(channel, claim));
            let tried: Vec<Tried> = tried.collect();
            let stored = catch_unwind(AssertUnwindSafe(|| {
                self.db.write("alert_delivery.record", move |conn| {
                    let now = conn.shared_now()?;
                    alert_delivery::record(conn, &tried, now)
                })
            }));
            match stored {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => self.unrecorded(channel, &error.chain()),
                Err(payload) => self.unrecorded(channel, &panic_text(payload.as_ref())),
            }
            // Only now: a batch that came while outcomes are stored would age in the lane.
            lane.done();
            run.bell.notify();
        }
    }

    /// Attempts whose outcome is not known: they are made again when their lease ends.
    fn unrecorded(&self, channel: &Channel, error: &str) {
        let name = &channel.key.name;
        let text = format!("{name}: {error}");
        self.worker.record().ran(self.db.clock().now(), Some(text));
        let line = catch_unwind(|| {
            tracing::error!(
                channel = name,
                error,
                "what came of attempts to deliver was not stored; they are made again with the same keys"
            );
        });
        drop(line);
    }

    fn attempt(&self, channel: &Channel, claim: &Claim) -> Tried {
        let begun = Instant::now();
        let send = || channel.send(claim, self.db.clock().now());
        let answer = catch_unwind(AssertUnwindSafe(send)).unwrap_or_else(|payload| {
            self.worker.record().panicked();
            SendOutcome::TryAgain {
                reason: panic_text(payload.as_ref()),
            }
        });
        channel.counts.attempts.record(begun.elapsed());
        // By monotonic time: the age comes from the database, whose clock may not be ours.
        let age = claim.age + begun.elapsed();
        let outcome = self.outcome(channel, claim, answer, age);
        channel.counts.count(&outcome);
        // Whoever keeps the log may panic, too.
        drop(catch_unwind(AssertUnwindSafe(|| tell(claim, &outcome))));
        Tried {
            delivery_id: claim.delivery.id,
            alert_id: claim.delivery.alert_id,
            attempts: claim.delivery.attempts,
            outcome,
        }
    }

    /// When to try again, or whether to, with an alert that was queued so long ago.
    fn outcome(
        &self,
        channel: &Channel,
        claim: &Claim,
        answer: SendOutcome,
        age: Duration,
    ) -> DeliveryOutcome {
        let config = &self.config;
        let attempts = u32::try_from(claim.delivery.attempts).unwrap_or(u32::MAX);
        let too_old = |reason: &str| DeliveryOutcome::Dead {
            error: format!(
                "{reason}; it is given up after {} s",
                config.age_max.as_secs()
            ),
        };
        match answer {
            SendOutcome::Accepted { .. } => {
                channel.pacing.accepted();
                DeliveryOutcome::Delivered
            }
            #[cfg(feature = "server")]
            SendOutcome::Refused { reason } => DeliveryOutcome::Dead { error: reason },
            #[cfg(feature = "server")]
            SendOutcome::Paused { reason, after } => {
                let (retry_in, begins) = channel.pacing.refused(after);
                if begins {
                    pauses(channel, &reason, retry_in);
                }
                // The pause is noted first: it holds for the other alerts of the channel, too.
                if age >= config.age_max {
                    return too_old(&reason);
                }
                DeliveryOutcome::Deferred {
                    retry_in,
                    error: reason,
                    age_max: config.age_max,
                }
            }
            SendOutcome::TryAgain { reason }
                if config.attempts_max.is_some_and(|m| attempts >= m) =>
            {
                let error = format!("{reason}; that was attempt {attempts}, the last");
                DeliveryOutcome::Dead { error }
            }
            SendOutcome::TryAgain { reason } if age >= config.age_max => too_old(&reason),
            SendOutcome::TryAgain { reason } => DeliveryOutcome::Failed {
                retry_in: backoff::delay(attempts, config.backoff_base, config.backoff_cap),
                error: reason,
            },
        }
    }
}

/// A line for each pause, not for each alert that waits.
#[cfg(feature = "server")]
fn pauses(channel: &Channel, reason: &str, wait: Duration) {
    let (channel, seconds) = (&channel.key.name, wait.as_secs_f64());
    // Whoever keeps the log may panic.
    drop(catch_unwind(|| {
        tracing::warn!(
            channel,
            reason,
            seconds,
            "a receiver takes no alerts for now; its channel pauses"
        );
    }));
}

/// A line for each attempt that failed, and a louder one for the last.
fn tell(claim: &Claim, outcome: &DeliveryOutcome) {
    let delivery = &claim.delivery;
    let (channel, alert_id, attempts) = (&delivery.channel, delivery.alert_id, delivery.attempts);
    match outcome {
        DeliveryOutcome::Delivered => {
            tracing::debug!(channel, alert_id, attempts, "alert delivered")
        }
        DeliveryOutcome::Deferred { error, .. } => {
            tracing::debug!(channel, alert_id, error, "an alert waits for its receiver");
        }
        DeliveryOutcome::Failed { error, retry_in } => {
            let retry_in_seconds = retry_in.as_secs_f64();
            tracing::warn!(
                channel,
                alert_id,
                attempts,
                error,
                retry_in_seconds,
                "an alert was not delivered yet"
            );
        }
        DeliveryOutcome::Dead { error } => tracing::error!(
            channel,
            alert_id,
            attempts,
            error,
            "an alert was not delivered, and is given up"
        ),
    }
}
