//! What types are called: in the words of the field, and no two alike.
//!
//! A name that a reader has met once means the same thing wherever it stands. Associated types,
//! whose names a trait gives, and what a macro makes for each of its calls are left out.

use std::collections::BTreeMap;

use crate::source::{Source, Violation};

/// Names that say nothing to a stranger, or that once stood for several things at a time; and
/// what says it instead.
const BANNED: &[(&str, &str)] = &[
    ("Account", "OperationHandle, or whose account it is"),
    ("Bell", "Wakeup"),
    ("Fate", "the outcome of what"),
    ("Follower", "TransactionHook"),
    ("Gone", "what was deleted or closed"),
    ("Held", "what is locked"),
    ("Inner", "whose inside it is"),
    ("Joined", "CompositeRules"),
    ("Kept", "what is kept"),
    ("Known", "what is known"),
    ("Ledger", "a table of what"),
    ("Letters", "dead letters"),
    ("Mark", "Savepoint"),
    ("Memory", "the state of what"),
    ("Of", "a subject, a key or a filter"),
    ("Open", "what is open"),
    ("Pass", "EvalContext"),
    ("Pause", "Cooldown"),
    ("Place", "a cursor, a key, a location or a path"),
    ("Pulse", "SnapshotCache"),
    ("Reach", "ThresholdRange"),
    ("Role", "whose role"),
    ("Run", "the run of what"),
    ("Said", "InvalidationGuard"),
    ("Scope", "TransactionContext"),
    ("Shared", "what is shared"),
    ("StandsOn", "CacheTag"),
    ("Tally", "counts of what"),
    ("Tape", "RecentValues"),
    ("Told", "Notifier"),
    ("Touch", "Invalidation"),
    ("Touched", "Invalidations"),
    ("UnderWay", "in flight"),
    ("Untold", "what was missed"),
    ("Word", "the enum's own name"),
    ("World", "Fixture"),
];

/// Files whose names are given elsewhere: the diesel CLI writes the types of columns into the schema
/// (`Timestamp`, `Decimal`), and each table of Diesel is a module with the same names.
const NAMED_BY_DIESEL: [&str; 2] = ["src/sql_types.rs", "src/tables.rs"];

const KEYWORDS: [&str; 5] = ["struct", "enum", "trait", "type", "union"];

/// The types whose names are no word of the field.
pub(crate) fn banned(source: &Source) -> Vec<Violation> {
    let types = types(source).into_iter();
    let found = types.filter_map(|(at, name)| {
        let (_, instead) = BANNED.iter().find(|(word, _)| *word == name)?;
        let rule = format!("`{name}` says too little");
        let remedy = format!("name it by {instead}");
        Some(source.violation(at, &rule, &remedy))
    });
    found.collect()
}

/// The types whose name another one has, too.
pub(crate) fn doubles(sources: &[Source]) -> Vec<Violation> {
    let mut seen: BTreeMap<String, Vec<(&Source, usize)>> = BTreeMap::new();
    for source in sources {
        for (at, name) in types(source) {
            seen.entry(name).or_default().push((source, at));
        }
    }
    let doubles = seen.into_iter().filter(|(_, places)| places.len() > 1);
    let each = doubles.flat_map(|(name, places)| {
        places.into_iter().map(move |(source, at)| {
            let rule = format!("`{name}` is the name of another type, too");
            source.violation(at, &rule, "say in the name what tells them apart")
        })
    });
    each.collect()
}

/// Every type that the crate itself defines, with its place: neither in tests nor by a macro.
fn types(source: &Source) -> Vec<(usize, String)> {
    if source.is_generated() || NAMED_BY_DIESEL.contains(&&*source.path) {
        return Vec::new();
    }
    let code = &source.code;
    let mut found = Vec::new();
    let mut blocks: Vec<Block> = Vec::new();
    let mut header = 0;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => {
                blocks.push(Block::of(&code[header..at]));
                header = at + 1;
            }
            b'}' => {
                blocks.pop();
                header = at + 1;
            }
            b';' => header = at + 1,
            b's' | b'e' | b't' | b'u' if !source.is_test_code(at) => {
                let Some((keyword, name)) = definition(code, at) else {
                    continue;
                };
                let named_by_trait = keyword == "type" && blocks.last() == Some(&Block::Methods);
                if !named_by_trait && !blocks.contains(&Block::Macro) {
                    found.push((at, name.to_owned()));
                }
            }
            _ => {}
        }
    }
    found
}

#[derive(PartialEq)]
enum Block {
    Methods,
    Macro,
    Other,
}

impl Block {
    fn of(header: &str) -> Self {
        let mut words = header.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        if header.contains("macro_rules!") {
            Self::Macro
        } else if words.any(|word| word == "impl" || word == "trait") && !header.contains("fn ") {
            Self::Methods
        } else {
            Self::Other
        }
    }
}

fn definition(code: &str, at: usize) -> Option<(&'static str, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let keyword = KEYWORDS
        .into_iter()
        .find(|word| code[at..].starts_with(word))?;
    let name = code[at + keyword.len()..].strip_prefix(' ')?;
    let name = &name[..name.find(|c| !is_word(c)).unwrap_or(name.len())];
    let starts = !code[..at].ends_with(is_word) && name.starts_with(char::is_uppercase);
    starts.then_some((keyword, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double_names(texts: &[&str]) -> usize {
        let sources: Vec<Source> = texts
            .iter()
            .enumerate()
            .map(|(n, text)| Source::new(&format!("src/{n}.rs"), text))
            .collect();
        doubles(&sources).len()
    }

    #[test]
    fn a_name_that_two_types_have_is_found_wherever_they_stand() {
        for text in [
            "pub struct A;",
            "enum A {}",
            "pub(crate) trait A {}",
            "fn f() {\n    type A = u8;\n}",
            "mod m {\n    pub(super) struct A<'a>(&'a u8);\n}",
        ] {
            assert_eq!(double_names(&[text, "struct A;\nstruct B;"]), 2, "{text}");
        }
    }

    #[test]
    fn names_that_traits_macros_and_tests_give_are_left_out() {
        for text in [
            "impl X for Y {\n    type A = u8;\n}",
            "trait X {\n    type A;\n}",
            "macro_rules! m { () => { pub type A = u8; } }",
            "#[cfg(test)]\nmod tests {\n    struct A;\n}",
            "// struct A;\nconst X: &str = \"struct A\";",
        ] {
            assert_eq!(double_names(&[text, "struct A;"]), 0, "{text}");
        }
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        let found = banned(&Source::new(
            "src/x.rs",
            "struct Placement;\nenum Place {}\n",
        ));
        assert_eq!(found.len(), 1);
        let text = found[0].to_string();
        assert!(
            text.starts_with("src/x.rs:2: `Place` says too little"),
            "{text}"
        );
    }
}
