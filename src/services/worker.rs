//! The thread of a service that works in rounds: it is started, woken and stopped from anywhere,
//! survives its rounds, and notes down how they ended. What a round does, and how long the thread
//! sleeps between two, is the service's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use super::{ServiceRecord, ServiceStatus, lock, panic_text};
use crate::clock::Clock;
use crate::error::{Error, Result};

/// A thread that works until it is stopped, and what became of its rounds.
#[derive(Debug)]
pub(crate) struct Worker(Arc<WorkerInner>);

/// The name of a worker, and the words of the log about its rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerText {
    /// The service's name.
    pub(crate) service: &'static str,
    /// The thread's name.
    pub(crate) thread: &'static str,
    /// Said of the first round that fails.
    pub(crate) failing: &'static str,
    /// Said of the first round after it that does not.
    pub(crate) recovered: &'static str,
}

#[derive(Debug)]
struct WorkerInner {
    text: WorkerText,
    clock: Clock,
    record: ServiceRecord,
    /// Held for moments only: whoever rings or stops must not wait for an end.
    running: Mutex<Option<RunningWorker>>,
    /// Those that work for the service, while they do.
    threads: Mutex<Vec<ThreadId>>,
}

#[derive(Debug, Clone)]
struct RunningWorker {
    bell: Arc<Wakeup>,
    /// Held while its end is waited for.
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Worker {
    pub(crate) fn new(text: WorkerText, clock: Clock) -> Self {
        Self(Arc::new(WorkerInner {
            text,
            clock,
            record: ServiceRecord::default(),
            running: Mutex::default(),
            threads: Mutex::default(),
        }))
    }

    /// Starts the thread. It runs `work`, which returns when the bell says so.
    pub(crate) fn start(&self, work: impl FnOnce(&Wakeup) + Send + 'static) -> Result<()> {
        self.start_with(|_| Ok(work))
    }

    /// Starts the thread with the work that `prepare` makes for its bell, if that succeeds.
    pub(crate) fn start_with<W>(
        &self,
        prepare: impl FnOnce(&Arc<Wakeup>) -> Result<W>,
    ) -> Result<()>
    where
        W: FnOnce(&Wakeup) + Send + 'static,
    {
        // One that was asked to stop is waited for, so that no two work at once.
        let last = lock(&self.0.running).clone();
        if let Some(stopping) = last.filter(|last| last.bell.is_stopped()) {
            self.wait_for(&stopping);
        }
        let mut running = lock(&self.0.running);
        if running.as_ref().is_some_and(|it| !it.bell.is_stopped()) {
            return Err(self.refused("it runs already", "stop it first"));
        }
        let bell = Arc::<Wakeup>::default();
        // Before the thread exists: a first round that ends at once must not be noted before the
        // start.
        self.0.record.started(self.0.clock.now());
        // Under the lock: a second start waits here, and finds the first one running.
        let thread = prepare(&bell)
            .and_then(|work| self.run(Arc::clone(&bell), work))
            .inspect_err(|_| self.0.record.stopped())?;
        *running = Some(RunningWorker {
            bell,
            thread: Arc::new(Mutex::new(Some(thread))),
        });
        Ok(())
    }

    fn run(
        &self,
        bell: Arc<Wakeup>,
        work: impl FnOnce(&Wakeup) + Send + 'static,
    ) -> Result<JoinHandle<()>> {
        let inner = Arc::clone(&self.0);
        self.spawn(self.0.text.thread.to_owned(), move || {
            let ended = catch_unwind(AssertUnwindSafe(|| work(&bell)));
            inner.over(&bell, ended);
        })
    }

    /// Starts a further thread of the service: out of it, too, a stop does not wait.
    pub(crate) fn spawn(
        &self,
        name: String,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>> {
        let inner = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let own = std::thread::current().id();
            lock(&inner.threads).push(own);
            work();
            lock(&inner.threads).retain(|thread| *thread != own);
        });
        thread.map_err(|error| self.refused(&error.to_string(), "raise the limit of threads"))
    }

    /// Wakes the thread; does nothing while there is none.
    pub(crate) fn notify(&self) {
        if let Some(running) = &*lock(&self.0.running) {
            running.bell.notify();
        }
    }

    /// Has the thread end, and returns when it has; out of a thread of the service, at once.
    pub(crate) fn stop(&self) {
        // Released before the wait: the thread takes this lock when it ends.
        let running = lock(&self.0.running).clone();
        if let Some(running) = running {
            running.bell.stop();
            self.wait_for(&running);
        }
    }

    fn wait_for(&self, running: &RunningWorker) {
        if lock(&self.0.threads).contains(&std::thread::current().id()) {
            return; // Out of a callback or the log: the work ends when that has returned.
        }
        // A second caller waits here until the first one's wait is over.
        if let Some(thread) = lock(&running.thread).take() {
            // It cannot have panicked: what the work throws is caught.
            drop(thread.join());
        }
    }

    /// Runs a round at once, and one in each interval from then on, until the bell says stop. A round that
    /// takes longer than the interval is not made up for.
    pub(crate) fn repeat(&self, bell: &Wakeup, every: Duration, mut round: impl FnMut()) {
        loop {
            let began = Instant::now();
            self.survive(&mut round);
            if bell.stopped_within(every.saturating_sub(began.elapsed())) {
                return;
            }
        }
    }

    /// Runs a round; a panic is noted down as its end, and there is nothing to return.
    pub(crate) fn survive<T>(&self, round: impl FnOnce() -> T) -> Option<T> {
        let outcome = catch_unwind(AssertUnwindSafe(round));
        let noted = outcome.map_err(|payload| {
            self.0.record.panicked();
            self.ended(Some(panic_text(payload.as_ref())));
        });
        noted.ok()
    }

    /// Notes down the end of a round. What fails again and again is logged once, and once more
    /// when it is over.
    pub(crate) fn ended(&self, error: Option<String>) {
        // Read before the end is noted: the log shows the change, not each repetition.
        let was_failing = self.0.record.status().failing_runs > 0;
        let WorkerText {
            service,
            failing,
            recovered,
            ..
        } = self.0.text;
        let log = || match &error {
            Some(error) if !was_failing => tracing::warn!(service, error, "{failing}"),
            None if was_failing => tracing::info!(service, "{recovered}"),
            _ => {}
        };
        // Whoever keeps the log may panic, too.
        drop(catch_unwind(AssertUnwindSafe(log)));
        self.0.record.ran(self.0.clock.now(), error);
    }

    /// The record, for events beside the rounds.
    pub(crate) fn record(&self) -> &ServiceRecord {
        &self.0.record
    }

    pub(crate) fn status(&self) -> ServiceStatus {
        self.0.record.status()
    }

    fn refused(&self, reason: &str, remedy: &str) -> Error {
        Error::service(self.0.text.service, reason, remedy)
    }
}

impl WorkerInner {
    /// The work of the thread with this bell is over.
    fn over(&self, bell: &Arc<Wakeup>, ended: std::thread::Result<()>) {
        let mut running = lock(&self.running);
        if !running
            .as_ref()
            .is_some_and(|it| Arc::ptr_eq(&it.bell, bell))
        {
            return; // Out of itself it was stopped and started: another thread works.
        }
        // Under the same lock as the record: a caller that finds no thread finds its end, too.
        *running = None;
        match ended {
            Ok(()) => self.record.stopped(),
            Err(payload) => {
                let text = panic_text(payload.as_ref());
                self.record.failed(self.clock.now(), text);
            }
        }
    }
}

/// Lets the thread of a worker sleep, wakes it, and tells it to stop.
#[derive(Debug, Default)]
pub(crate) struct Wakeup {
    state: Mutex<BellState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct BellState {
    rung: bool,
    stopped: bool,
}

impl Wakeup {
    /// Ends the sleep of the thread, or the next one when it is awake.
    pub(crate) fn notify(&self) {
        lock(&self.state).rung = true;
        self.changed.notify_all();
    }

    fn stop(&self) {
        lock(&self.state).stopped = true;
        self.changed.notify_all();
    }

    /// True when the thread is to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        lock(&self.state).stopped
    }

    /// Sleeps for this long or until it rings; whether to stop.
    pub(crate) fn stopped_within(&self, time: Duration) -> bool {
        let state = lock(&self.state);
        let quiet = |state: &mut BellState| !state.rung && !state.stopped;
        let waited = self.changed.wait_timeout_while(state, time, quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.rung = false;
        state.stopped
    }
}

#[cfg(test)]
mod tests;
