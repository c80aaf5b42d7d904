//! The programs of PostgreSQL.

use std::process::Command;

use super::{BINARY, Files, TestDatabase, contents, done, run, sample, tickbase};
use crate::cli::clean;

/// The lines of a message that are commands, with the programs of the server.
fn commands(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_commands_that_are_named_back_up_and_bring_back() {
    let (db, files) = (TestDatabase::postgres(), Files::new());
    assert_eq!(
        run(&db, &["import", &sample(), "--symbol", "ES"]).code,
        Some(0)
    );
    let file = files.path("it's a backup");
    let file = file.to_str().unwrap();
    let told = run(&db, &["backup", file]);
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{told:?}");
    let mut all = commands(&told.err);
    let told = run(&db, &["restore", file]);
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{told:?}");
    all.extend(commands(&told.err));
    assert_eq!(all.len(), 4, "{all:?}");
    let name = format!("restored_{}", std::process::id());
    // Debian has them in a folder of their version.
    let find = "PATH=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1):$PATH";
    for line in all {
        let line = line.replace("NEW", &name);
        let mut shell = Command::new("bash");
        clean(&mut shell);
        let line = line.replace("tickbase ", &format!("{} ", BINARY));
        let ran = shell
            .args(["-c", &format!("{find}; {line}")])
            .output()
            .unwrap();
        assert!(ran.status.success(), "{line}: {ran:?}");
    }
    let (server, _) = db.url().rsplit_once('/').unwrap();
    let url = format!("{server}/{name}");
    let stats = done(tickbase(&url).args(["stats", "--json"])).json();
    assert_eq!(stats["tables"], contents(&db)["tables"]);
    db.raw(&format!("DROP DATABASE {name}")).unwrap();
}

#[test]
fn a_directory_for_backups_is_refused() {
    let db = TestDatabase::postgres();
    let directory = [("TICKBASE_BACKUP_DIRECTORY", "/tmp/backups")];
    let refused = crate::support::process::command(&db, &["--bind", "127.0.0.1:0"])
        .envs(directory)
        .output()
        .unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(
        text.contains("backup.directory: PostgreSQL is backed up by its own programs"),
        "{text}"
    );
}
