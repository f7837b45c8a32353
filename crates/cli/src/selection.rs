//! Names and sets of system calls, as users write them.

/// A set of system calls.
pub struct Selection {
    numbers: Vec<usize>,
}

impl Selection {
    /// Reads `trace=read,write` or the part after the equals sign.
    pub fn parse(expression: &str) -> Result<Selection, String> {
        let list = expression.strip_prefix("trace=").unwrap_or(expression);
        let numbers = list.split(',').map(|item| {
            item.parse()
                .map_err(|_| format!("`{item}` is not a system call"))
        });
        Ok(Selection {
            numbers: numbers.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a number is among them.
    pub fn contains(&self, nr: usize) -> bool {
        self.numbers.contains(&nr)
    }

    /// As the runtime reads it: numbers, separated by commas.
    pub fn ranges(&self) -> String {
        let numbers: Vec<String> = self.numbers.iter().map(usize::to_string).collect();
        numbers.join(",")
    }
}

/// The name of a system call.
pub fn name(nr: usize) -> String {
    format!("syscall_{nr}")
}
