//! Files that import each other in a loop: who changes one of them has to read them all.
//!
//! An import counts for the file that defines the name, however many `pub use` lie between; to
//! hand a name on by `pub use` is no import. Names that macros make are not seen.

use std::collections::{BTreeMap, BTreeSet};

use crate::layers::inline_depth;
use crate::source::Source;

/// How many `use` items a name is followed through.
const STEPS_MAX: usize = 8;

type Path = Vec<String>;

/// The files of the crate, by module path, and what each defines and names.
struct Crate<'s> {
    modules: BTreeMap<Path, Module<'s>>,
}

struct Module<'s> {
    source: &'s Source,
    defined: BTreeSet<String>,
    /// `use` items: the name, what it stands for, and whether it is only handed on.
    bindings: Vec<Binding>,
}

#[derive(Clone)]
struct Binding {
    name: String,
    path: Path,
    handed_on: bool,
}

/// Each circle as its files, with the names that tie them: those of the library, then the binary's.
pub(crate) fn circles(sources: &[Source]) -> Vec<String> {
    let of_crate = |binary: bool| circles_of(&Crate::new(sources, binary));
    [false, true].into_iter().flat_map(of_crate).collect()
}

fn circles_of(house: &Crate<'_>) -> Vec<String> {
    let mut ties: BTreeMap<Path, BTreeMap<Path, BTreeSet<String>>> = BTreeMap::new();
    for (path, module) in &house.modules {
        for name in module.names() {
            if let Some(target) = house.definition(path, &name, 0)
                && !path.starts_with(&target)
            {
                let tie = ties.entry(path.clone()).or_default();
                let last = name.last().cloned().unwrap_or_default();
                tie.entry(target).or_default().insert(last);
            }
        }
    }
    let reached: BTreeMap<&Path, BTreeSet<&Path>> =
        ties.keys().map(|from| (from, reach(&ties, from))).collect();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for (from, reached_from) in &reached {
        let is_back = |to: &&&Path| reached.get(**to).is_some_and(|back| back.contains(*from));
        let circle: BTreeSet<&Path> = reached_from.iter().filter(is_back).copied().collect();
        if !circle.is_empty() && told.insert(circle.clone()) {
            found.push(describe(house, &ties, &circle));
        }
    }
    found
}

fn reach<'t>(
    ties: &'t BTreeMap<Path, BTreeMap<Path, BTreeSet<String>>>,
    from: &Path,
) -> BTreeSet<&'t Path> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Path> = ties
        .get(from)
        .into_iter()
        .flat_map(BTreeMap::keys)
        .collect();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(ties.get(next).into_iter().flat_map(BTreeMap::keys));
        }
    }
    reached
}

fn describe(
    house: &Crate<'_>,
    ties: &BTreeMap<Path, BTreeMap<Path, BTreeSet<String>>>,
    circle: &BTreeSet<&Path>,
) -> String {
    let file = |path: &Path| house.modules[path].source.path.clone();
    let mut lines = vec![format!(
        "{} files import each other in a loop; move what they share into a file below them:",
        circle.len()
    )];
    for from in circle {
        for (to, names) in ties.get(*from).into_iter().flatten() {
            if circle.contains(to) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                lines.push(format!(
                    "  {} -> {}: {}",
                    file(from),
                    file(to),
                    names.join(", ")
                ));
            }
        }
    }
    lines.join("\n")
}

impl<'s> Crate<'s> {
    fn new(sources: &'s [Source], binary: bool) -> Self {
        let modules = sources
            .iter()
            .filter(|source| source.is_of_binary() == binary && !source.is_test_code(0))
            .map(|source| {
                let path = source.module().into_iter().map(str::to_owned).collect();
                (path, Module::new(source))
            })
            .collect();
        Self { modules }
    }

    /// Whether a path leads into the crate, seen from a module.
    fn is_own(&self, from: &Path, path: &[String]) -> bool {
        path.first().is_some_and(|first| {
            let below: Path = from.iter().chain([first]).cloned().collect();
            ["crate", "self", "super"].contains(&first.as_str())
                || self.modules.contains_key(&below)
        })
    }

    /// The file that defines what a path names, seen from a module.
    fn definition(&self, from: &Path, name: &[String], steps: usize) -> Option<Path> {
        let (first, mut rest) = name.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Path::new(),
            "self" => from.clone(),
            "super" => {
                let mut at = from.clone();
                at.pop()?;
                while rest.first().is_some_and(|word| word == "super") {
                    at.pop()?;
                    rest = &rest[1..];
                }
                at
            }
            _ => {
                rest = name;
                from.clone()
            }
        };
        while let Some((next, after)) = rest.split_first() {
            let mut below = at.clone();
            below.push(next.clone());
            if self.modules.contains_key(&below) {
                (at, rest) = (below, after);
                continue;
            }
            let module = self.modules.get(&at)?;
            if module.defined.contains(next) {
                return Some(at);
            }
            if steps > STEPS_MAX {
                return None;
            }
            return module.bindings.iter().find_map(|binding| {
                let mut path = binding.path.clone();
                if binding.name == "*" && self.is_own(&at, &path) {
                    path.push(next.clone());
                } else if binding.name != *next {
                    return None;
                }
                path.extend(after.iter().cloned());
                // A path of one's own name is that of an external crate.
                (path != name || at != *from)
                    .then(|| self.definition(&at, &path, steps + 1))
                    .flatten()
            });
        }
        None
    }
}

impl<'s> Module<'s> {
    fn new(source: &'s Source) -> Self {
        let mut defined = BTreeSet::new();
        for keyword in [
            "struct", "enum", "trait", "type", "union", "fn", "const", "static",
        ] {
            for (at, _) in source.code.match_indices(keyword) {
                let rest = &source.code[at + keyword.len()..];
                let alone = !source.code[..at].ends_with(is_word) && rest.starts_with(' ');
                let line = source.code[..at].rfind('\n').map_or(0, |end| end + 1);
                // What is written further in belongs to a type or a function, not to the module.
                if alone && !source.code[line..].starts_with(' ') && !source.is_test_code(at) {
                    defined.insert(word(rest.trim_start()).to_owned());
                }
            }
        }
        Self {
            source,
            defined,
            bindings: bindings(source),
        }
    }

    /// Every path that the file's own code goes through, and what it imports.
    fn names(&self) -> Vec<Path> {
        let code = &self.source.code;
        let imported = self.bindings.iter().filter(|binding| !binding.handed_on);
        let mut names: Vec<Path> = imported.map(|binding| binding.path.clone()).collect();
        let mut at = 0;
        while let Some(next) = code[at..].find("::") {
            let colons = at + next;
            let start = code[..colons]
                .rfind(|c| !is_word(c))
                .map_or(0, |end| end + 1);
            let (path, end) = path_at(code, start);
            at = end.max(colons + 2);
            if path.len() > 1 && !self.source.is_test_code(start) && !is_in_use(code, start) {
                names.push(from_file(path, inline_depth(code, start)));
            }
        }
        names
    }
}

/// A path as the file's own module would write it: that of a module inside the file goes up less.
fn from_file(mut path: Path, depth: usize) -> Path {
    for _ in 0..depth {
        if path.first().is_some_and(|word| word == "super") {
            path.remove(0);
        }
    }
    path
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

/// The path that begins at a place, and where it ends.
fn path_at(code: &str, start: usize) -> (Path, usize) {
    let mut path = Path::new();
    let mut at = start;
    loop {
        let next = word(&code[at..]);
        if next.is_empty() {
            return (path, at);
        }
        path.push(next.to_owned());
        at += next.len();
        if !code[at..].starts_with("::") {
            return (path, at);
        }
        at += 2;
    }
}

fn is_in_use(code: &str, at: usize) -> bool {
    let begin = code[..at].rfind(';').map_or(0, |end| end + 1);
    let item = code[begin..at].trim_start();
    item.contains("use ") && !item[item.rfind("use ").unwrap_or(0)..].contains(['(', ')', '='])
}

/// The `use` items of a file, one for each name.
fn bindings(source: &Source) -> Vec<Binding> {
    let code = &source.code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let before = code[line..at].trim();
        let Some(end) = code[at..].find(';') else {
            continue;
        };
        let is_item = before.is_empty() || before == "pub" || before.starts_with("pub(");
        if is_item && !source.is_test_code(at) {
            let tree: String = code[at + 4..at + end]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            let depth = inline_depth(code, at);
            for (name, path) in flat(&tree) {
                found.push(Binding {
                    name,
                    path: from_file(path, depth),
                    handed_on: !before.is_empty(),
                });
            }
        }
    }
    found
}

/// `a::{b, c as d}` is `b` for `a::b` and `d` for `a::c`.
fn flat(tree: &str) -> Vec<(String, Path)> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let (path, alias) = tree
            .split_once(" as ")
            .map_or((tree, None), |(p, a)| (p, Some(a)));
        let path: Path = path
            .split("::")
            .map(|part| part.trim().to_owned())
            .collect();
        let path = match path.split_last() {
            Some((last, before)) if last == "self" && !before.is_empty() => before.to_vec(),
            Some((last, before)) if last == "*" => return vec![("*".to_owned(), before.to_vec())],
            _ => path,
        };
        let name = alias.map_or_else(|| path.last().cloned().unwrap_or_default(), str::to_owned);
        return vec![(name, path)];
    };
    let before: Path = tree[..open]
        .split("::")
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    let inside = tree[open + 1..].trim_end().trim_end_matches('}');
    // The closing braces of inner groups went, too: they end where the text ends.
    split_outside_braces(inside)
        .into_iter()
        .filter(|part| !part.trim().is_empty())
        .flat_map(|part| {
            let closed = format!("{part}{}", "}".repeat(unclosed(part)));
            flat(&closed)
        })
        .map(|(name, path)| {
            let whole: Path = before.iter().cloned().chain(path).collect();
            match whole.split_last() {
                Some((last, rest)) if last == "self" => {
                    let name = if name == "self" {
                        rest.last().cloned().unwrap_or_default()
                    } else {
                        name
                    };
                    (name, rest.to_vec())
                }
                _ => (name, whole),
            }
        })
        .collect()
}

fn unclosed(part: &str) -> usize {
    part.matches('{')
        .count()
        .saturating_sub(part.matches('}').count())
}

fn split_outside_braces(text: &str) -> Vec<&str> {
    let (mut depth, mut from) = (0_usize, 0);
    let mut parts = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        circles(&sources)
    }

    #[test]
    fn a_loop_is_found_in_each_way_of_importing() {
        for import in [
            "use super::b::B;",
            "use super::{b::B, c};",
            "use crate::a::b::{B as X};",
            "use crate::a::{c, b::{self, B}};",
            "use super::b;\nfn f() { b::B }",
            "fn f() -> super::b::B {}",
            "mod inner { fn f() -> super::super::b::B {} }",
            "use crate::a::B;",
            "use super::*;\nfn f() -> super::B {}",
        ] {
            let files = [
                ("src/a.rs", "mod b; mod c; mod d;\npub use b::B;\n"),
                ("src/a/b.rs", "use super::d::D;\npub struct B;\n"),
                ("src/a/c.rs", "pub struct C;\n"),
                ("src/a/d.rs", &format!("{import}\npub struct D;\n")),
            ];
            let circles = found(&files);
            assert_eq!(circles.len(), 1, "{import}: {circles:?}");
            assert!(
                circles[0].contains("src/a/b.rs -> src/a/d.rs: D"),
                "{circles:?}"
            );
            assert!(
                circles[0].contains("src/a/d.rs -> src/a/b.rs: B"),
                "{circles:?}"
            );
        }
    }

    #[test]
    fn the_binary_is_a_crate_of_its_own() {
        let files = [
            ("src/a.rs", "pub struct A;\n"),
            ("src/bin/tickbase/main.rs", "mod a; mod b;\npub struct C;\n"),
            (
                "src/bin/tickbase/a.rs",
                "use crate::b::B;\nuse crate::C;\npub struct A;\n",
            ),
            ("src/bin/tickbase/b.rs", "use crate::a::A;\npub struct B;\n"),
        ];
        let circles = found(&files);
        assert_eq!(circles.len(), 1, "{circles:?}");
        let tie = "src/bin/tickbase/a.rs -> src/bin/tickbase/b.rs: B";
        assert!(circles[0].contains(tie), "{circles:?}");
    }

    #[test]
    fn a_module_and_a_file_of_its_folder_are_no_loop() {
        let parent = "mod b;\npub struct A;\nfn f() { b::g() }\n";
        let files = [
            ("src/a.rs", parent),
            ("src/a/b.rs", "use super::A;\npub fn g() {}\n"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }

    #[test]
    fn to_hand_a_name_on_is_no_import_and_test_code_does_not_count() {
        let files = [
            ("src/a.rs", "mod b;\npub use b::B;\npub struct A;\n"),
            ("src/a/b.rs", "use super::A;\npub struct B;\n"),
            (
                "src/a/c.rs",
                "pub struct C;\n#[cfg(test)]\nmod tests {\n    use super::super::d::D;\n}\n",
            ),
            ("src/a/d.rs", "use super::c::C;\npub struct D;\n"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }
}
