//! Decisions and annotations: kind and number.

use tlog::LeafIndex;

use super::{Case, issuer, registry};
use crate::ledger::rows::{self, Entry, NumberedEntry, Series, WINDOW, What};
use crate::ledger::{ApplyError, Changes, LedgerError, LedgerRead, Refusal, read};
use crate::statement::Numbered;

impl<L: LedgerRead> Case<'_, L> {
    pub(super) fn numbered(&self, numbered: &Numbered) -> Result<Changes, ApplyError<L::Error>> {
        registry(self.ledger)?;
        let issuer = issuer(self.ledger, &numbered.issuer)?;
        let key = self.signed_by_issuer(&numbered.issuer, &issuer, &[])?;
        if numbered.is_decision && !issuer.kinds.iter().any(|pattern| pattern.matches(&numbered.kind)) {
            return Err(Refusal::KindNotAllowed { issuer: numbered.issuer.clone(), kind: numbered.kind.clone() }.into());
        }
        let mut changes = Changes::default();
        let series = self.number(numbered)?;
        self.relations(numbered, &issuer, &mut changes)?;

        let entry = NumberedEntry {
            issuer: numbered.issuer.clone(),
            number: numbered.number.clone(),
            kind: numbered.kind.clone(),
            key: u16::try_from(key).map_err(|_| LedgerError::Damaged)?,
        };
        let what = if numbered.is_decision { What::Decision { numbered: entry, successor: None } } else { What::Annotation(entry) };
        changes.put(rows::entry_key(self.index), &Entry::new(self.leaf, what));
        changes.put(rows::number_key(&numbered.issuer, &numbered.number), &self.index);
        changes.put(rows::series_key(&numbered.issuer, &numbered.number.series), &series);
        Ok(changes)
    }

    /// Rule 3: the series with this number taken.
    fn number(&self, numbered: &Numbered) -> Result<Series, ApplyError<L::Error>> {
        let number = &numbered.number;
        let mut series: Series = read(self.ledger, &rows::series_key(&numbered.issuer, &number.series))?.unwrap_or_default();
        if series.is_used(number.seq) {
            let by: u64 = read(self.ledger, &rows::number_key(&numbered.issuer, number))?.ok_or(LedgerError::Damaged)?;
            return Err(Refusal::NumberUsed { issuer: numbered.issuer.clone(), number: number.clone(), by: LeafIndex::new(by) }.into());
        }
        if let Some(last) = series.closed.filter(|last| number.seq > *last) {
            return Err(Refusal::SeriesClosed { number: number.clone(), last }.into());
        }
        if number.seq - series.contiguous > WINDOW {
            return Err(Refusal::NumberTooHigh { number: number.clone(), contiguous: series.contiguous }.into());
        }
        if numbered.closes() {
            let highest = series.highest();
            // Under a close only gaps are left, and a second close would fill one of them.
            if number.seq < highest {
                return Err(Refusal::ClosedTooLow { number: number.clone(), highest }.into());
            }
            series.closed = Some(number.seq);
        }
        series.take(number.seq);
        Ok(series)
    }
}
