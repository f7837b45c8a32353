//! Manual pages of headers, made from the headers themselves.
//!
//! A header is written for whoever reads it: a comment about all of it, comments that
//! are headings, and declarations, each below a comment of its own. So a page cannot
//! know less than the header.

use super::VERSION;

/// A piece of a header.
enum Piece {
    /// A comment with no declaration below it.
    Heading(Vec<String>),
    /// A declaration, or several, and what is said of them.
    Declaration { about: Vec<String>, code: Vec<String> },
}

/// The page of a header, in the language of man(7).
pub fn page(name: &str, header: &str) -> String {
    let mut pieces = pieces(header).into_iter();
    let about = match pieces.next() {
        Some(Piece::Heading(about)) => about,
        _ => Vec::new(),
    };
    let title = about.first().map_or("", String::as_str);
    let purpose = title.split_once(" - ").map_or(title, |(_, purpose)| purpose);
    let mut out = format!(
        ".TH \"{}\" 3 \"\" \"Interceptor {VERSION}\" \"C Library\"\n.SH NAME\n{} \\- {}\n",
        text(name).to_uppercase(),
        text(name),
        text(purpose.trim_end_matches('.')),
    );
    out.push_str(&format!(
        ".SH SYNOPSIS\n.nf\n.B #include <{}>\n.fi\n.SH DESCRIPTION\n",
        text(name)
    ));
    prose(&mut out, about.get(1..).unwrap_or(&[]));
    for piece in pieces {
        match piece {
            Piece::Heading(lines) => {
                let (title, rest) = lines.split_first().expect("a comment has a line");
                let is_title =
                    !title.ends_with(['.', ':', ',']) && rest.first().is_none_or(String::is_empty);
                if is_title {
                    out.push_str(&format!(".SH \"{}\"\n", text(title).to_uppercase()));
                    prose(&mut out, rest);
                } else {
                    out.push_str(".PP\n");
                    prose(&mut out, &lines);
                }
            }
            Piece::Declaration { about, code } => {
                out.push_str(".PP\n");
                verbatim(&mut out, &code);
                if !about.is_empty() {
                    out.push_str(".RS\n");
                    prose(&mut out, &about);
                    out.push_str(".RE\n");
                }
            }
        }
    }
    out
}

/// Takes a header apart.
fn pieces(header: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut about: Vec<String> = Vec::new();
    let mut code: Vec<String> = Vec::new();
    let mut lines = header.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("/*").filter(|_| code.is_empty()) {
            flush(&mut pieces, &mut about, &mut code);
            about = comment_lines(comment, &mut lines);
        } else if line.is_empty() && !is_open(&code) {
            flush(&mut pieces, &mut about, &mut code);
        } else if !is_frame(line) || !code.is_empty() {
            code.push(line.to_owned());
        }
    }
    flush(&mut pieces, &mut about, &mut code);
    pieces
}

/// The lines of a comment whose first begins with `first`.
fn comment_lines<'a>(first: &str, rest: &mut impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first;
    loop {
        let (body, is_last) = match line.split_once("*/") {
            Some((body, _)) => (body, true),
            None => (line, false),
        };
        let body = body.trim_end();
        let body =
            body.trim_start().strip_prefix('*').filter(|_| !lines.is_empty()).unwrap_or(body);
        lines.push(body.strip_prefix(' ').unwrap_or(body).to_owned());
        if is_last {
            break;
        }
        match rest.next() {
            Some(next) => line = next,
            None => break,
        }
    }
    while lines.first().is_some_and(String::is_empty) {
        lines.remove(0);
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Whether a declaration goes on after a blank line.
fn is_open(code: &[String]) -> bool {
    let count =
        |bracket| code.iter().flat_map(|line| line.chars()).filter(|c| *c == bracket).count();
    count('{') > count('}')
}

/// Whether a line is no declaration, but what frames all of them.
fn is_frame(line: &str) -> bool {
    let guards = ["#include", "#if", "#else", "#elif", "#endif", "#undef", "extern \"C\""];
    guards.iter().any(|guard| line.starts_with(guard))
        || line == "}"
        || line.starts_with("#define") && line.ends_with("_H")
}

fn flush(pieces: &mut Vec<Piece>, about: &mut Vec<String>, code: &mut Vec<String>) {
    let (about, code) = (std::mem::take(about), std::mem::take(code));
    if !code.is_empty() {
        pieces.push(Piece::Declaration { about, code: without_bodies(code) });
    } else if !about.is_empty() {
        pieces.push(Piece::Heading(about));
    }
}

/// Functions that are defined in a header are shown as they are called.
fn without_bodies(code: Vec<String>) -> Vec<String> {
    let Some(body) = code.iter().position(|line| line == "{") else {
        return code;
    };
    let mut head: Vec<String> = code.into_iter().take(body).collect();
    if let Some(last) = head.last_mut() {
        last.push(';');
    }
    head
}

/// Paragraphs, lists that begin with `- `, and lines that are indented, which stay.
fn prose(out: &mut String, lines: &[String]) {
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if line.is_empty() {
            out.push_str(".PP\n");
        } else if is_set(line) {
            let block = lines[at..].iter().take_while(|line| is_set(line));
            let block: Vec<String> = block.cloned().collect();
            verbatim(out, &block);
            at += block.len();
            continue;
        } else if let Some(item) = line.strip_prefix("- ") {
            out.push_str(&format!(".IP \\(bu 2\n{}\n", line_of(item)));
            while let Some(more) = lines.get(at + 1).and_then(|line| line.strip_prefix("  ")) {
                out.push_str(&format!("{}\n", line_of(more.trim_start())));
                at += 1;
            }
        } else {
            out.push_str(&format!("{}\n", line_of(line)));
        }
        at += 1;
    }
}

/// Whether spaces of a line have a meaning: it is indented, or has columns.
fn is_set(line: &str) -> bool {
    line.starts_with("   ") || line.trim_start().contains("   ")
}

fn verbatim(out: &mut String, lines: &[String]) {
    out.push_str(".EX\n");
    for line in lines {
        out.push_str(&format!("{}\n", line_of(line)));
    }
    out.push_str(".EE\n");
}

/// Text that troff takes as it is.
fn text(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga")
}

/// The same, at the beginning of a line.
fn line_of(line: &str) -> String {
    let line = text(line);
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::page;

    const HEADER: &str = "/*\n * x.h - does things.\n *\n * More:\n *\n *     code(\"\\n\");\n */\n\
        #ifndef X_H\n#define X_H\n\n/*\n * Parts\n */\n\n/* One. */\nint one(void);\n\n\
        /*\n * Two, which\n * is more.\n */\nstatic inline int two(int a)\n{\n    return a;\n\n}\n\n\
        /* Three. */\nstruct three {\n    int a;\n\n    int b; /* of it */\n};\n\n#endif\n";

    #[test]
    fn a_page_has_all_that_a_header_says() {
        let page = page("x.h", HEADER);
        for expected in [
            ".SH NAME\nx.h \\- does things\n",
            "#include <x.h>",
            "More:\n.PP\n.EX\n    code(\"\\en\");\n.EE\n",
            ".SH \"PARTS\"\n.PP\n.EX\nint one(void);\n.EE\n.RS\nOne.\n.RE\n",
            ".EX\nstatic inline int two(int a);\n.EE\n.RS\nTwo, which\nis more.\n.RE\n",
            ".EX\nstruct three {\n    int a;\n\n    int b; /* of it */\n};\n.EE\n.RS\nThree.\n.RE\n",
        ] {
            assert!(page.contains(expected), "{expected}\n is not in\n{page}");
        }
        assert!(!page.contains("X_H") && !page.contains("return"), "{page}");
    }
}
