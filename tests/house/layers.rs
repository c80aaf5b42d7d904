//! Who may import whom: the layer table of the house, and the test of one source against it.
//!
//! `use` and paths alike count, through `crate::`, `super::` and, in the binary, `tickbase::`.

use crate::source::{Source, Violation};

/// Each room of `src` with the rooms that it may import, lowest first: a room names only rooms
/// above it in this list, so that imports go down only.
pub(crate) const LAYERS: &[(&str, &[&str])] = &[
    // Ground: no database, no network.
    ("error", &[]),
    ("sql_types", &[]),
    ("timestamp", &["error", "sql_types"]),
    ("decimal", &["error", "sql_types"]),
    ("clock", &["error", "timestamp"]),
    // The words of the field know how they are written in SQL, and no query.
    ("domain", &["error", "sql_types", "timestamp", "decimal"]),
    ("config", &["error", "timestamp", "decimal", "domain"]),
    // Pictures of what it is given: data in, text or bytes out.
    ("chart", &["error", "timestamp", "domain"]),
    // The files of archived ticks: ticks in, bytes out, and back.
    ("segment", &["error", "timestamp", "domain"]),
    // Rows.
    ("schema", &["sql_types"]),
    ("schema_postgres", &["sql_types"]),
    ("soft_delete", &[]),
    ("tables", &["schema", "soft_delete"]),
    (
        "models",
        &[
            "error",
            "sql_types",
            "timestamp",
            "decimal",
            "domain",
            "schema",
            "soft_delete",
            "tables",
        ],
    ),
    // The doors. `schema` is for the table of its own versions alone.
    (
        "database",
        &[
            "error",
            "sql_types",
            "timestamp",
            "clock",
            "config",
            "schema",
        ],
    ),
    // All SQL.
    (
        "repository",
        &[
            "error",
            "sql_types",
            "timestamp",
            "decimal",
            "domain",
            "config",
            "schema",
            "soft_delete",
            "tables",
            "models",
            "database",
            "segment",
        ],
    ),
    // Work. `ingest` and `services` meet through `domain`, wired by `app`: neither names the other.
    ("ingest", &WORK),
    ("services", &WORK),
    // Rows out, as tables.
    (
        "export",
        &[
            "error",
            "timestamp",
            "domain",
            "segment",
            "models",
            "database",
            "repository",
            "services",
        ],
    ),
    // Watchers.
    (
        "monitoring",
        &[
            "error",
            "timestamp",
            "clock",
            "decimal",
            "domain",
            "config",
            "models",
            "database",
            "repository",
            "ingest",
            "services",
        ],
    ),
    // For the tests of the crate's users.
    ("testing", &["error", "config", "database"]),
    // The edge.
    ("api", &EDGE),
    // The only room that sees every layer.
    (
        "app",
        &[
            "error",
            "timestamp",
            "clock",
            "decimal",
            "domain",
            "config",
            "models",
            "database",
            "repository",
            "ingest",
            "services",
            "monitoring",
            "api",
        ],
    ),
    // The binary uses the library as anyone would: by its public interface.
    (
        "bin",
        &[
            "error",
            "timestamp",
            "clock",
            "decimal",
            "domain",
            "chart",
            "config",
            "models",
            "database",
            "repository",
            "ingest",
            "services",
            "export",
            "app",
        ],
    ),
    // For the unit tests of the crate; only test code may import it.
    ("test_support", &["error", "database"]),
];

const WORK: [&str; 9] = [
    "error",
    "timestamp",
    "clock",
    "decimal",
    "domain",
    "config",
    "models",
    "database",
    "repository",
];
const EDGE: [&str; 13] = [
    "error",
    "timestamp",
    "clock",
    "decimal",
    "domain",
    "config",
    "models",
    "database",
    "repository",
    "ingest",
    "services",
    "export",
    "monitoring",
];

/// Rooms that the test code of every room may import.
const FOR_TESTS: [&str; 2] = ["test_support", "testing"];

/// What the crate's root names besides its rooms, and the room that it comes from. `diesel` is
/// the re-export: who may name it is a rule of its own.
const ROOT_NAMES: &[(&str, Option<&str>)] = &[
    ("Error", Some("error")),
    ("Result", Some("error")),
    ("Timestamp", Some("timestamp")),
    ("Decimal", Some("decimal")),
    ("on_backend", Some("database")),
    ("soft_deletable", Some("soft_delete")),
    ("identifiable", Some("soft_delete")),
    ("soft_delete_alias", Some("soft_delete")),
    ("allow_in_same_query", Some("soft_delete")),
    ("diesel", None),
];

/// The imports of a file of `src` that the table does not allow.
pub(crate) fn violations(source: &Source) -> Vec<Violation> {
    let Some(room) = source.room() else {
        return Vec::new(); // The crate's root is the map of all rooms.
    };
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == room) else {
        let rule = format!("`{room}` is no room of the layer table");
        let remedy = "give it a line in tests/house/layers.rs, above the rooms that import it";
        return vec![source.violation(0, &rule, remedy)];
    };
    imports(source)
        .into_iter()
        .filter_map(|(at, name)| {
            let target = match ROOT_NAMES.iter().find(|(root, _)| *root == name) {
                Some((_, room)) => (*room)?,
                None => &name,
            };
            let for_tests = FOR_TESTS.contains(&target) && source.is_test_code(at);
            if target == room || allowed.contains(&target) || for_tests {
                return None;
            }
            let rule = format!("`{room}` imports `{target}`, which is not below it");
            let remedy = "move the code, pass the value in from above, or change the layer table \
                          with its reason (tests/house/layers.rs)";
            Some(source.violation(at, &rule, remedy))
        })
        .collect()
}

/// Every name of the crate's root that a path of the file goes through, with its place.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let mut found = Vec::new();
    let root = if source.is_of_binary() {
        "tickbase::"
    } else {
        "crate::"
    };
    for (at, _) in code.match_indices(root) {
        if !within_word(code, at) {
            found.extend(names(code, at + root.len()));
        }
    }
    for (at, _) in code.match_indices("super::") {
        let before = code[..at].trim_end();
        if within_word(code, at) || before.ends_with("super::") {
            continue;
        }
        let mut end = at;
        let mut ups = 0;
        while code[end..].starts_with("super::") {
            end += "super::".len();
            ups += 1;
        }
        let is_root = ups == source.module().len() + inline_depth(code, at);
        if is_root && !source.is_of_binary() {
            found.extend(names(code, end));
        }
    }
    found
}

fn within_word(code: &str, at: usize) -> bool {
    code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The first name of each path that goes on at `at`: one, or those of a braced group.
fn names(code: &str, at: usize) -> Vec<(usize, String)> {
    let word = |from: usize| -> Option<(usize, String)> {
        let from = from + code[from..].len() - code[from..].trim_start().len();
        let name: String = code[from..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        (!name.is_empty()).then_some((from, name))
    };
    if !code[at..].starts_with('{') {
        return word(at).into_iter().collect();
    }
    let mut found: Vec<_> = word(at + 1).into_iter().collect();
    let mut depth = 0;
    for (offset, byte) in code[at..].bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => found.extend(word(at + offset + 1)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// How many `mod name { .. }` are open at a place.
pub(crate) fn inline_depth(code: &str, at: usize) -> usize {
    let mut open = Vec::new();
    for (place, byte) in code.bytes().enumerate().take(at) {
        match byte {
            b'{' => open.push(opens_module(&code[..place])),
            b'}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.into_iter().filter(|module| *module).count()
}

fn opens_module(before: &str) -> bool {
    let mut words = before.split_whitespace().rev();
    words.next().is_some() && words.next() == Some("mod")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<String> {
        let found = violations(&Source::new(path, text));
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_itself_goes_down_only() {
        for (place, (room, allowed)) in LAYERS.iter().enumerate() {
            for name in *allowed {
                let below = LAYERS[..place].iter().any(|(lower, _)| lower == name);
                assert!(
                    below,
                    "{room} imports {name}, which does not stand above it in the table"
                );
            }
        }
    }

    #[test]
    fn an_import_that_goes_up_is_found_in_each_way_of_writing_it() {
        for text in [
            "//! x\nuse crate::services::Service;\n",
            "//! x\nuse crate::{error::Error, services::Service};\n",
            "//! x\nuse crate::{\n    error::{Error, Result},\n    services,\n};\n",
            "//! x\nfn f() -> crate::services::Service {}\n",
            "//! x\nuse super::super::services::Service;\n",
            "//! x\nmod inner {\n    use super::super::super::services::Service;\n}\n",
        ] {
            let found = broken("src/repository/market_data.rs", text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(
                found[0].contains("`repository` imports `services`"),
                "{}",
                found[0]
            );
        }
        let found = broken(
            "src/repository/a.rs",
            "//! x\nuse crate::services::Service;\n",
        );
        assert!(
            found[0].starts_with("src/repository/a.rs:2: "),
            "{}",
            found[0]
        );
        assert!(found[0].contains("; move the code"), "{}", found[0]);
    }

    #[test]
    fn names_of_the_root_belong_to_their_rooms() {
        assert_eq!(broken("src/sql_types.rs", "use crate::Timestamp;").len(), 1);
        assert_eq!(
            broken("src/models/x.rs", "use crate::{Error, Timestamp};").len(),
            0
        );
        assert_eq!(
            broken("src/domain/x.rs", "fn f() { crate::on_backend!(c) }").len(),
            1
        );
        assert_eq!(
            broken("src/bin/tickbase/x.rs", "use tickbase::schema::ticks;").len(),
            1
        );
        let own = "use crate::output::table;\nuse super::output;\nuse tickbase::app::App;";
        assert_eq!(broken("src/bin/tickbase/x.rs", own), Vec::<String>::new());
    }

    #[test]
    fn what_stays_in_the_room_or_in_a_comment_or_string_is_no_import() {
        for text in [
            "use super::b;\nuse crate::repository::b;\nuse crate::database::Database;",
            "// crate::services\nconst X: &str = \"crate::services\";",
            "mod tests {\n    use super::super::b;\n}",
        ] {
            assert_eq!(broken("src/repository/a.rs", text), Vec::<String>::new());
        }
    }

    #[test]
    fn only_test_code_imports_the_support_of_tests() {
        let text = "use crate::test_support::on_both;";
        assert_eq!(broken("src/repository/a.rs", text).len(), 1);
        let tests = format!("#[cfg(test)]\nmod tests {{\n    {text}\n}}");
        assert_eq!(broken("src/repository/a.rs", &tests).len(), 0);
        assert_eq!(broken("src/repository/a/tests.rs", text).len(), 0);
    }

    #[test]
    fn a_room_without_a_line_in_the_table_is_found() {
        let found = broken("src/attic/box.rs", "//! x\n");
        assert!(found[0].contains("`attic` is no room"), "{found:?}");
    }
}
