//! The texts of statements: nothing of a value is left in them, and equal statements are one.

use proptest::prelude::*;

use super::explain::explainable;
use super::text::{Words, masked, normalized, without_binds};

#[test]
fn statements_that_differ_in_values_and_lists_are_one() {
    for (sql, expected) in [
        ("SELECT  a\n FROM t  ; ", "SELECT a FROM t"),
        (
            "SELECT a FROM t WHERE b IN (?, ?,?)",
            "SELECT a FROM t WHERE b IN (?)",
        ),
        ("x IN ($1, $2, $30) AND y = $31", "x IN (?) AND y = ?"),
        ("VALUES (?, ?), (?, ?),(?,?)", "VALUES (?)"),
        ("LIMIT 10 OFFSET 2.5e3", "LIMIT ? OFFSET ?"),
        (
            "a = 'it''s; -- no' AND t1.b2 = x'00'",
            "a = ? AND t1.b2 = ?",
        ),
        (r"a = E'\'; x' OR b", "a = ? OR b"),
        ("SELECT $$ a; $b$ $$, $tag$ $$ $tag$, c", "SELECT ?, c"),
        ("a /* one /* two */ b */ c -- d\n, e", "a c , e"),
        ("\"it?\" = `$1`", "\"it?\" = `$1`"),
        ("a = 'never ends", "a = ?"),
        ("é = '日本' AND b", "é = ? AND b"),
    ] {
        assert_eq!(normalized(sql), expected, "{sql}");
    }
}

#[test]
fn a_shown_statement_has_no_text_and_no_comment() {
    let sql = "CREATE ROLE r PASSWORD 's3cret' -- s3cret\n; SELECT $1, 7";
    assert_eq!(masked(sql), "CREATE ROLE r PASSWORD '?'  \n; SELECT $1, 7");
}

#[cfg(feature = "sqlite")]
#[test]
fn bind_values_are_cut_off_and_not_even_formatted() {
    use diesel::sql_types::Text;
    let query = diesel::sql_query("SELECT ? || ' x'").bind::<Text, _>("s3cret -- binds: ");
    let shown = diesel::debug_query::<diesel::sqlite::Sqlite, _>(&query);
    assert!(
        shown.to_string().contains("s3cret"),
        "Diesel shows it: {shown}"
    );
    assert_eq!(without_binds(&shown), "SELECT ? || ' x'");
}

/// Pieces as a formatter might be given them.
struct Pieces(Vec<String>);

impl std::fmt::Display for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|piece| f.write_str(piece))
    }
}

#[test]
fn only_one_statement_with_a_plan_is_explained() {
    for sql in [
        "SELECT 1",
        " -- why\n select ';' ; ",
        "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
    ] {
        assert_eq!(explainable(sql), Ok(sql));
    }
    for sql in [
        "SELECT 1; DELETE FROM t",
        "SELECT 1;; SELECT 2",
        "DROP TABLE t",
        "COPY t FROM STDIN",
        "PRAGMA optimize",
        "COMMIT",
        "",
    ] {
        assert!(explainable(sql).is_err(), "{sql}");
    }
}

proptest! {
    #[test]
    fn nothing_is_left_out_of_the_words(sql in ".{0,200}") {
        let whole: String = Words(&sql).map(|(_, word)| word).collect();
        prop_assert_eq!(whole, sql);
    }

    #[test]
    fn what_comes_after_the_mark_is_cut_however_it_is_written(
        sql in "[a-z -]{0,30}", binds in ".{0,30}", at in proptest::collection::vec(0_usize..80, 0..6),
    ) {
        let whole = format!("{sql} -- binds: {binds}");
        let mut rest = whole.as_str();
        let mut pieces = Vec::new();
        for at in at {
            let mut at = at.min(rest.len());
            while !rest.is_char_boundary(at) {
                at -= 1;
            }
            let (piece, after) = rest.split_at(at);
            pieces.push(piece.to_owned());
            rest = after;
        }
        pieces.push(rest.to_owned());
        prop_assert_eq!(without_binds(&Pieces(pieces)), sql);
    }
}
