//! Rebuilds the crate when a migration changes: `embed_migrations!` alone does not. Makes the files of
//! the page smaller before they are compiled in.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=migrations");
    #[cfg(feature = "page")]
    page::write()?;
    Ok(())
}

/// The files of the page, without comments and blanks, and a list of them for `src/api/page.rs`.
#[cfg(feature = "page")]
mod page {
    use std::error::Error;
    use std::fmt::Write as _;
    use std::fs;
    use std::path::{Path, PathBuf};

    const OWN: &str = "assets/page";
    /// Libraries as they were published, by the names under which the page asks for them.
    const VENDORED: [(&str, &str); 2] = [
        (
            "vendor/lightweight-charts.js",
            "assets/vendor/lightweight-charts-5.2.1/lightweight-charts.standalone.production.mjs",
        ),
        (
            "vendor/uplot.js",
            "assets/vendor/uplot-1.6.32/uPlot.iife.min.js",
        ),
    ];

    pub(super) fn write() -> Result<(), Box<dyn Error>> {
        println!("cargo:rerun-if-changed={OWN}");
        println!("cargo:rerun-if-changed=assets/vendor");
        let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
        let out = PathBuf::from(std::env::var("OUT_DIR")?);
        let mut list = String::from("[\n");
        for path in files(&root.join(OWN))? {
            let name = path
                .strip_prefix(root.join(OWN))?
                .to_str()
                .ok_or("a name is no text")?;
            let name = name.replace('\\', "/");
            let made = out.join("page").join(&name);
            fs::create_dir_all(made.parent().ok_or("no folder")?)?;
            fs::write(&made, smaller(&name, &fs::read_to_string(&path)?)?)?;
            entry(&mut list, &name, &made)?;
        }
        for (name, file) in VENDORED {
            entry(&mut list, name, &root.join(file))?;
        }
        list.push_str("]\n");
        Ok(fs::write(out.join("page_files.rs"), list)?)
    }

    fn entry(list: &mut String, name: &str, file: &Path) -> std::fmt::Result {
        writeln!(
            list,
            "PageFile {{ path: {name:?}, bytes: include_bytes!({file:?}) }},"
        )
    }

    /// The files below a folder, in the order of their names.
    fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
        let entries: Result<Vec<_>, _> = fs::read_dir(folder)?.collect();
        let mut paths: Vec<PathBuf> = entries?.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        let mut all = Vec::new();
        for path in paths {
            match path.is_dir() {
                true => all.extend(files(&path)?),
                false => all.push(path),
            }
        }
        Ok(all)
    }

    /// `let` for `const`: both mean the same in a script that nobody changes any more. Words within a
    /// line, which may be of a text, stay.
    fn with_short_words(text: &str) -> String {
        let lines = text.lines().map(|line| {
            let line = line.trim_start();
            for (word, short) in [
                ("const ", "let "),
                ("export const ", "export let "),
                ("for (const ", "for (let "),
            ] {
                if let Some(rest) = line.strip_prefix(word) {
                    return format!("{short}{rest}\n");
                }
            }
            format!("{line}\n")
        });
        lines.collect()
    }

    fn smaller(name: &str, text: &str) -> Result<String, Box<dyn Error>> {
        Ok(match name.rsplit('.').next() {
            Some("js") => smaller_script(name, text)?,
            Some("css") => smaller_styles(name, text)?,
            // Indentation has no meaning here.
            Some("html") => text
                .lines()
                .map(|line| line.trim().to_owned() + "\n")
                .collect(),
            _ => text.to_owned(),
        })
    }

    fn smaller_script(name: &str, text: &str) -> Result<String, Box<dyn Error>> {
        // The last statement of a block needs no semicolon. Within a text it does.
        if text.contains(";}") {
            return Err(format!("{name}: put a blank between a semicolon and a bracket").into());
        }
        let script = minifier::js::minify(&with_short_words(text)).to_string();
        Ok(with_short_values(&script.replace(";}", "}")))
    }

    /// `!0` for `true`, `!1` for `false`, where such a value stands between marks of the language. Texts
    /// for people have blanks there.
    fn with_short_values(script: &str) -> String {
        let mut short = script.to_owned();
        for before in [":", "=", "(", ","] {
            for after in [",", ";", ")", "}", "]"] {
                for (value, same) in [("true", "!0"), ("false", "!1")] {
                    let long = format!("{before}{value}{after}");
                    short = short.replace(&long, &format!("{before}{same}{after}"));
                }
            }
        }
        short
    }

    fn smaller_styles(name: &str, text: &str) -> Result<String, Box<dyn Error>> {
        // The minifier drops this blank, and with it the step down to a descendant.
        let is_dropped = |line: &&str| {
            let selector = line.trim().split('{').next().unwrap_or_default();
            line.contains('{') && selector.contains(" :")
        };
        if let Some(line) = text.lines().find(is_dropped) {
            return Err(
                format!("{name}: name an element or a class before the colon: {line}").into(),
            );
        }
        Ok(minifier::css::minify(text)?.to_string().replace(";}", "}"))
    }
}
