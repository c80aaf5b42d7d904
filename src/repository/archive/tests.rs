//! The permit: active ticks are deleted only where a file holds them.

use diesel::connection::SimpleConnection;

use crate::test_support::on_both;

#[test]
fn nobody_deletes_an_active_tick_without_the_permit() {
    on_both(|conn| {
        let insert = match conn.backend() {
            crate::database::Backend::Sqlite => {
                "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence) \
                 VALUES (1, 0, 1, 0)"
            }
            crate::database::Backend::Postgres => {
                "INSERT INTO market_data (instrument_id, \"timestamp\", source_id, sequence) \
                 VALUES (1, 'epoch', 1, 0)"
            }
        };
        crate::on_backend!(conn, |c| c.batch_execute(insert)).unwrap();
        let delete = "DELETE FROM market_data WHERE instrument_id = 1";
        let refused = crate::on_backend!(conn, |c| c.batch_execute(delete)).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("an active row cannot be deleted"),
            "{refused}"
        );
        let permitted = "UPDATE archive_permit SET permitted = TRUE";
        crate::on_backend!(conn, |c| c.batch_execute(permitted)).unwrap();
        crate::on_backend!(conn, |c| c.batch_execute(delete)).unwrap();
    });
}
