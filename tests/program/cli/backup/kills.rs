//! Backups and restorations that are killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::sqlite::{LATER, backup, contents_of, import, passes_deep_check};
use super::{BINARY, Files, TestDatabase, contents, run, sample, tickbase};

#[test]
fn a_restoration_that_is_killed_leaves_the_old_database_or_the_new_one() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    import(&db, &sample());
    let file = files.path("ours.db");
    let new = backup(&db, &file)["tables"].clone();
    import(&db, &files.write("later.csv", LATER));
    let old = contents(&db)["tables"].clone();
    let took = {
        let began = Instant::now();
        assert_eq!(
            run(&db, &["restore", file.to_str().unwrap(), "--replace"]).code,
            Some(0)
        );
        began.elapsed()
    };
    let kills = crate::support::chaos::scaled(20, 1_000);
    let (mut olds, mut news, mut gaps) = (0, 0, 0);
    for kill in 0..kills {
        import(&db, files.path("later.csv").to_str().unwrap());
        let mut child = tickbase(db.url())
            .args(["restore", file.to_str().unwrap(), "--replace"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(took.mul_f64(f64::from(kill) / f64::from(kills)));
        child.kill().unwrap();
        child.wait().unwrap();
        if !Path::new(db.url()).exists() {
            // Between the two renames: the old one is complete under its other name.
            gaps += 1;
            assert_eq!(contents_of(&newest_kept(&db)), old);
            assert_eq!(run(&db, &["restore", file.to_str().unwrap()]).code, Some(0));
        }
        let now = contents(&db)["tables"].clone();
        match now {
            now if now == old => olds += 1,
            now if now == new => news += 1,
            other => panic!("neither the old nor the new: {other}"),
        }
        passes_deep_check(Path::new(db.url()));
    }
    crate::support::chaos::report(
        "a restoration is killed",
        "restore --replace of 20,009 ticks",
        format!("{kills} kill -9"),
        format!("0: {olds} old, {news} new, {gaps} between the two renames"),
    );
}

/// The file that the last restoration has put aside.
fn newest_kept(db: &TestDatabase) -> PathBuf {
    let is_kept = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.contains(".replaced-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    let entries = fs::read_dir(db.dir().unwrap()).unwrap();
    let kept = entries.map(|entry| entry.unwrap().path()).filter(is_kept);
    kept.max().unwrap()
}

#[test]
fn a_backup_that_is_killed_leaves_the_one_before_and_the_next_takes_over() {
    let (db, files) = (TestDatabase::sqlite(), Files::new());
    import(&db, &sample());
    let file = files.path("ours.db");
    backup(&db, &file);
    let began = Instant::now();
    let before = backup(&db, &file);
    let took = began.elapsed();
    let half = || {
        let names = fs::read_dir(files.path("")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("ours.db.tmp-"))
            .count()
    };
    let mut left = 0;
    for kill in 0..10 {
        let mut child = Command::new(BINARY)
            .args(["--database-url", db.url(), "backup", file.to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(took.mul_f64(f64::from(kill) / 10.0));
        child.kill().unwrap();
        child.wait().unwrap();
        left += half();
        assert_eq!(contents_of(&file), before["tables"]);
    }
    assert!(left > 0, "none was killed while it copied");
    backup(&db, &file);
    assert_eq!(half(), 0);
    passes_deep_check(&file);
}
