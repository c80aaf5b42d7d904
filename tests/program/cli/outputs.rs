//! Files that commands write where the user says, databases among them: who may read them, what
//! stays of what was there, and where no file is.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{BINARY, Files, clean, done, run, tickbase};
use crate::support::on_both;

const RULE: &str = "[[rules]]\nsymbol = \"ES\"\ncondition = \"above\"\nthreshold = \"1650\"\n";
const TICKS: &str = "timestamp,price\n2024-01-02T14:30:00Z,1.5\n2024-01-02T14:30:01Z,2.5\n";

/// Commands that write a file, each with what its text begins with.
const WRITERS: [(&[&str], &str); 3] = [
    (
        &["export", "--symbol", "ES", "--out"],
        "timestamp,source_id",
    ),
    (
        &[
            "chart",
            "--symbol",
            "ES",
            "--frequency",
            "1min",
            "--format",
            "svg",
            "--out",
        ],
        "<svg",
    ),
    (&["rules", "export", "--format", "toml"], "[[rules]]"),
];

fn stored(db: &crate::support::TestDatabase, files: &Files) {
    let ticks = files.write("ticks.csv", TICKS);
    assert_eq!(run(db, &["import", &ticks, "--symbol", "ES"]).code, Some(0));
    let rules = files.write("rules.toml", RULE);
    assert_eq!(run(db, &["rules", "import", &rules]).code, Some(0));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

on_both! {
    fn links_and_modes_stay_and_no_name_is_taken_from_others(db: &TestDatabase) {
        let files = Files::new();
        stored(db, &files);
        for (arguments, beginning) in WRITERS {
            let target = files.write("target", "old");
            fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
            let link = files.path("link");
            let _ = fs::remove_file(&link);
            symlink("target", &link).unwrap();
            files.write("link.part", "of somebody");
            files.write("target.part", "of somebody");
            let written = run(db, &[arguments, &[link.to_str().unwrap()]].concat());
            assert_eq!(written.code, Some(0), "{written:?}");
            let text = fs::read_to_string(&target).unwrap();
            assert!(text.contains(beginning), "{arguments:?}: {text}");
            assert_eq!(mode(Path::new(&target)), 0o640, "{arguments:?}");
            assert_eq!(fs::read_link(&link).unwrap(), Path::new("target"), "{arguments:?}");
            for name in ["link.part", "target.part"] {
                assert_eq!(fs::read_to_string(files.path(name)).unwrap(), "of somebody");
            }
        }
    }

    fn pipes_and_the_standard_output_are_written_to(db: &TestDatabase) {
        let files = Files::new();
        stored(db, &files);
        let pipe = files.path("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for (arguments, beginning) in WRITERS {
            let mut writer = tickbase(db.url());
            writer.args(arguments).arg(&pipe).stdout(Stdio::null()).stderr(Stdio::null());
            let mut writer = writer.spawn().unwrap();
            let mut text = String::new();
            fs::File::open(&pipe).unwrap().read_to_string(&mut text).unwrap();
            assert!(writer.wait().unwrap().success());
            assert!(text.contains(beginning), "{arguments:?}: {text}");
            assert!(!fs::metadata(&pipe).unwrap().is_file(), "{arguments:?}");

            let shown = run(db, &[arguments, &["/dev/stdout"]].concat());
            assert!(shown.out.contains(beginning), "{arguments:?}: {shown:?}");
            let nowhere = run(db, &[arguments, &["/dev/null"]].concat());
            assert_eq!(nowhere.code, Some(0), "{nowhere:?}");

            // The file of the shell is neither replaced nor written from its start.
            let log = files.write("log", "before\n");
            let appended = fs::OpenOptions::new().append(true).open(&log).unwrap();
            let mut into_log = tickbase(db.url());
            into_log.args(arguments).arg("/dev/stdout").stdout(appended);
            assert!(into_log.status().unwrap().success());
            let log = fs::read_to_string(log).unwrap();
            assert!(log.starts_with("before\n") && log.contains(beginning), "{arguments:?}: {log}");
        }
        let full = run(db, &["export", "--symbol", "ES", "--out", "/dev/full"]);
        assert!(full.failure().contains("/dev/full"), "{full:?}");
        assert!(fs::metadata("/dev/full").unwrap().mode() & 0o170_000 == 0o020_000);
    }
}

#[test]
fn a_new_database_is_its_owners_alone_unless_asked_otherwise() {
    let files = Files::new();
    let create = |name: &str, umask: &str, mode: Option<&str>| {
        let mut shell = Command::new("sh");
        clean(&mut shell);
        let script = format!("umask {umask}; exec \"$0\" --database-url \"$1\" migrate run");
        shell
            .arg("-c")
            .arg(script)
            .arg(BINARY)
            .arg(files.path(name));
        shell.envs(mode.map(|mode| ("TICKBASE_SQLITE_FILE_MODE", mode)));
        done(&mut shell)
    };
    for (name, umask, asked, expected) in [
        ("default.db", "000", None, 0o600),
        ("shared.db", "000", Some("0660"), 0o660),
        ("stricter.db", "027", Some("0666"), 0o640),
    ] {
        let created = create(name, umask, asked);
        assert_eq!(created.code, Some(0), "{created:?}");
        assert_eq!(mode(&files.path(name)), expected, "{name}");
    }
    let wrong = create("wrong.db", "022", Some("0755"));
    assert!(wrong.failure().contains("sqlite.file_mode"), "{wrong:?}");
}

#[test]
fn what_is_no_database_is_refused_without_repeating_it() {
    let files = Files::new();
    for url in [
        "host=h password=s3cret",
        "postgres:/u:s3cret@h/db",
        "sqlite:s3cret.db",
        "s3cret.db?mode=ro",
        "u:s3cret@h:5432/db",
    ] {
        let mut command = tickbase(url);
        let refused = done(command.arg("stats").current_dir(files.0.path()));
        assert!(refused.failure().contains("database.url"), "{refused:?}");
        assert!(!refused.err.contains("s3cret"), "{refused:?}");
    }
    // Without quotes the second word is a command to the parser, which repeats it.
    let mut split = tickbase("host=h");
    let refused = done(split.args(["password=s3cret", "stats"]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        !refused.err.contains("s3cret") && refused.err.contains("(not shown)"),
        "{refused:?}"
    );
    assert_eq!(
        fs::read_dir(files.0.path()).unwrap().count(),
        0,
        "nothing was created"
    );
}
