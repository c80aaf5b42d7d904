//! The service that keeps series up to date.

use std::time::Duration;

use crate::bar_series::world::{HOUR, World, at, open};
use crate::support::{eventually, on_both};
use tickbase::config::HistoryConfig;
use tickbase::database::Database;
use tickbase::domain::Frequency;
use tickbase::repository::bar_series::BuildSpan;
use tickbase::services::{HistoricalDataService, Service, ServiceState};

const M1: Frequency = Frequency::OneMinute;
const H1: Frequency = Frequency::OneHour;

fn every(interval: Duration, db: &Database) -> HistoricalDataService {
    let config = HistoryConfig::default().with(|config| config.refresh_interval = interval);
    HistoricalDataService::new(db.clone(), config).unwrap()
}

on_both! {
    fn it_extends_and_repairs_what_is_built_until_it_is_stopped(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[10, 70, 130]);
        world.build(M1);
        world.build(H1);
        let service = every(Duration::from_secs(1), &db);
        assert_eq!(service.status().state, ServiceState::Stopped);
        service.start().unwrap();
        service.start().unwrap_err();
        assert_eq!(service.status().state, ServiceState::Running);
        eventually("the first round", || service.status().runs >= 1);
        world.insert(&[15, 3 * HOUR]);
        eventually("it is extended and repaired", || {
            let ends = [M1, H1].map(|frequency| world.of(frequency).unwrap().built_to);
            ends == [at(3 * HOUR); 2] && world.stale(M1).is_empty()
        });
        service.stop();
        service.stop();
        let status = service.status();
        assert_eq!((status.state, status.errors), (ServiceState::Stopped, 0));
        world.assert_true();
        service.start().unwrap();
        drop(service);
    }

    fn a_series_that_cannot_be_built_is_told_and_holds_up_no_other(place: &TestDatabase) {
        let db = open(place);
        let (bad, good) = (World::new(&db, "AAA"), World::new(&db, "BBB"));
        for world in [&bad, &good] {
            world.insert(&[10, 70, 130]);
            world.build(M1);
            world.insert(&[250]);
        }
        bad.insert_too_much(140);
        let service = every(Duration::from_secs(60), &db);
        let report = service.refresh_now();
        assert_eq!((report.series, report.errors.len()), (1, 1));
        assert!(report.errors[0].contains("AAA 1min"), "{report:?}");
        assert_eq!(good.of(M1).unwrap().built_to, at(240));
        assert_eq!(service.status().failing_runs, 1);
        bad.ticks().soft_delete_range(bad.range(140, 141)).unwrap();
        let report = service.refresh_now();
        assert_eq!((report.series, report.bars_written), (1, 1));
        assert_eq!(service.status().failing_runs, 0);
        assert_eq!(service.refresh_now().series, 0);
        bad.assert_true();
    }

    fn a_long_refresh_ends_after_the_transaction_under_way(place: &TestDatabase) {
        let db = open(place);
        let world = World::new(&db, "BTC");
        world.insert(&[0]);
        let nothing = BuildSpan { start: Some(at(0)), end: Some(at(0)) };
        world.build_span(M1, nothing).unwrap();
        world.insert(&[HOUR]);
        let service = every(Duration::from_secs(3_600), &db);
        service.start().unwrap();
        // Whether it got to the series or not: it ends at once, and what is built is true.
        service.stop();
        world.assert_true();
        assert_eq!(service.status().state, ServiceState::Stopped);
    }
}
