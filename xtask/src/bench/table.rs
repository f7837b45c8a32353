//! A printed table, and a target beside what was measured.

use std::fmt;

use serde_json::{Value, json};

/// Rows of text under a heading.
pub struct Table {
    title: String,
    /// What the columns mean, where their names do not say it.
    legend: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Row>,
    has_failed: bool,
}

enum Row {
    Cells(Vec<String>),
    /// A subject that has no figures, and why.
    Remark(String, String),
}

impl Table {
    /// A table without rows. The first column is text, all others are figures.
    pub fn new(title: impl Into<String>, legend: &'static str, columns: &[&'static str]) -> Table {
        let (title, columns) = (title.into(), columns.to_vec());
        Table { title, legend, columns, rows: Vec::new(), has_failed: false }
    }

    /// Adds figures.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(Row::Cells(cells.into_iter().collect()));
    }

    /// Adds a subject that should have run and did not.
    pub fn failed(&mut self, subject: &str, why: &anyhow::Error) {
        self.rows.push(Row::Remark(subject.to_owned(), format!("did not run: {why:#}")));
        self.has_failed = true;
    }

    /// Adds a subject that is not there to be measured.
    pub fn missing(&mut self, subject: &str, why: &str) {
        self.rows.push(Row::Remark(subject.to_owned(), format!("not measured: {why}")));
    }

    /// Whether something that is there did not run.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The table as an object, under the name of its group.
    pub fn json(&self, group: &str) -> Value {
        let rows = self.rows.iter().map(|row| match row {
            Row::Cells(cells) => {
                let cells = self.columns.iter().zip(cells);
                cells.map(|(column, cell)| ((*column).to_owned(), figure(cell))).collect::<Value>()
            }
            Row::Remark(subject, remark) => json!({ self.columns[0]: subject, "remark": remark }),
        });
        json!({
            "group": group,
            "title": self.title,
            "legend": self.legend,
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    /// The table as a section of a Markdown file.
    pub fn markdown(&self) -> String {
        let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | ").replace("  ", " "));
        let mut text = format!("## {}\n\n", self.title);
        if !self.legend.is_empty() {
            text += &format!("{}.\n\n", self.legend);
        }
        text += &line(&self.columns);
        text += &line(&vec!["---"; self.columns.len()]);
        for row in &self.rows {
            if let Row::Cells(cells) = row {
                text += &line(&cells.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        for row in &self.rows {
            if let Row::Remark(subject, remark) = row {
                text += &format!("\n{subject}: {remark}.\n");
            }
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| match row {
            Row::Cells(cells) => cells.get(column).map(|cell| cell.chars().count()),
            Row::Remark(subject, _) => (column == 0).then(|| subject.chars().count()),
        });
        cells.chain([self.columns[column].chars().count()]).max().unwrap_or(0)
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, cells: &[&str]) -> fmt::Result {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let width = self.width(column);
            // Text is read from the left, and so is the target at the end.
            if column == 0 {
                line += &format!("  {cell:<width$}");
            } else if self.columns[column] == TARGET {
                line += &format!("  {cell}");
            } else {
                line += &format!("  {cell:>width$}");
            }
        }
        writeln!(f, "{}", line.trim_end())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        if !self.legend.is_empty() {
            writeln!(f, "({})", self.legend)?;
        }
        self.line(f, &self.columns)?;
        for row in &self.rows {
            match row {
                Row::Cells(cells) => {
                    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
                    self.line(f, &cells)?;
                }
                Row::Remark(subject, remark) => {
                    writeln!(f, "  {subject:<width$}  {remark}", width = self.width(0))?;
                }
            }
        }
        Ok(())
    }
}

/// A cell as a number, if it is one.
fn figure(cell: &str) -> Value {
    cell.parse::<f64>().map_or_else(|_| json!(cell), |number| json!(number))
}

/// Name of the column that [`verdict`] fills.
pub const TARGET: &str = "target";

/// A limit, and whether a figure keeps it.
pub fn verdict(unit: &str, figure: f64, limit: f64) -> String {
    let word = if figure <= limit { "met" } else { "MISSED" };
    format!("at most {limit}{unit}: {word}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_numbers_and_the_rest_is_text() {
        let mut table = Table::new("One", "legend", &["way", "added", TARGET]);
        table.row(["us", "+1.50", "at most 2 ms: met"].map(str::to_owned));
        table.missing("them", "not \"there\"");
        let json = table.json("start");
        assert_eq!(json["group"], "start");
        let expected = json!({ "way": "us", "added": 1.5, "target": "at most 2 ms: met" });
        assert_eq!(json["rows"][0], expected);
        let expected = json!({ "way": "them", "remark": "not measured: not \"there\"" });
        assert_eq!(json["rows"][1], expected);
    }
    #[test]
    fn a_section_has_a_line_for_each_row_and_remarks_behind() {
        let mut table = Table::new("One", "all of it", &["way", "ms"]);
        table.missing("them", "absent");
        table.row(["us", "1"].map(str::to_owned));
        let expected = "## One\n\nall of it.\n\n| way | ms |\n| --- | --- |\n| us | 1 |\n\n\
                        them: not measured: absent.\n";
        assert_eq!(table.markdown(), expected);
    }
}
