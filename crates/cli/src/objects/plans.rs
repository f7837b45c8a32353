//! What is planned for the patch sites of a file.

use interceptor_rewrite::{CodeMap, Data, Ladder, SitePlan, Text, Width};

use super::image::{Image, Piece};

impl Image<'_> {
    /// Plans an executable segment, as the runtime will when it is mapped.
    pub fn plan(&self, piece: &Piece<'_>, sink: &mut dyn FnMut(SitePlan)) {
        let text = Text { base: piece.address, bytes: piece.bytes, width: Width::default() };
        let data = Some(self as &dyn Data);
        interceptor_rewrite::plan(&text, &self.code_map(), data, Ladder::Full, sink);
    }

    fn code_map(&self) -> CodeMap<'_> {
        let mut code = CodeMap::of_object(self.eh_frame_hdr(), |address| self.from(address));
        if let Some(symbols) = self.dynamic_symbols() {
            code = code.with_symbols(symbols, self.bias());
        }
        if let Some(table) = self.go_table() {
            code = code.with_go(table);
        }
        code
    }
}

impl Data for Image<'_> {
    fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        self.from(address)
    }
}
