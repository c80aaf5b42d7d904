//! The support of the integration tests keeps its promises: databases of their own, servers that
//! come and go.

use crate::support::{TestDatabase, on_both};

on_both! {
    fn a_test_database_is_migrated_and_its_own(db: &TestDatabase) {
        let other = match db.dir() {
            #[cfg(feature = "sqlite")]
            Some(_) => TestDatabase::sqlite(),
            #[cfg(feature = "postgres")]
            None => TestDatabase::postgres(),
            #[allow(unreachable_patterns)]
            _ => unreachable!(),
        };
        let insert = "INSERT INTO data_sources (id, name, provider_type, created_at, updated_at) \
                      SELECT 7, 'seven', provider_type, created_at, updated_at FROM data_sources \
                      WHERE id = 1";
        db.raw(insert).unwrap();
        other.raw(insert).unwrap();
        assert!(db.raw(insert).is_err(), "the row is there");
    }
}

#[cfg(feature = "postgres")]
mod servers {
    use diesel::PgConnection;
    use diesel::prelude::*;

    use crate::support::server::Server;

    #[test]
    fn a_server_stops_and_comes_back_on_the_same_port() {
        let mut server = Server::start();
        let url = server.url("postgres");
        assert!(PgConnection::establish(&url).is_ok());
        server.stop();
        assert!(PgConnection::establish(&url).is_err());
        server.start_again();
        assert!(PgConnection::establish(&url).is_ok());
    }

    #[test]
    fn a_server_leaves_nothing_behind() {
        let server = Server::start();
        let (url, directory) = (server.url("postgres"), server.directory().to_owned());
        assert!(directory.is_dir());
        drop(server);
        assert!(!directory.exists());
        assert!(PgConnection::establish(&url).is_err());
    }

    #[test]
    fn a_wrong_password_is_refused_and_the_right_one_is_not() {
        let server = Server::start();
        assert!(PgConnection::establish(&server.url_with_password("right", "postgres")).is_ok());
        let wrong = PgConnection::establish(&server.url_with_password("wrong", "postgres"));
        let refusal = wrong.err().unwrap().to_string();
        assert!(
            refusal.contains("password authentication failed"),
            "{refusal}"
        );
    }
}
