//! Putting a query to the index.

use std::ops::Bound;

use tantivy::collector::TopDocs;
use tantivy::query::{AllQuery, BooleanQuery, EnableScoring, Occur, PhraseQuery, Query as IndexQuery, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{DocAddress, DocSet, Index, IndexReader, Order as Direction, ReloadPolicy, Searcher, TERMINATED, Term};

use super::{Fields, ISSUED, PLACE, Place, SearchError, analyzer};
use crate::search::query::{Clause, ExactField, Query, RangeField, TextField, What};
use crate::search::{Count, Order, Page};

/// Hits that are counted; more are many.
const COUNTED: u32 = 10_000;

/// Searches in what was committed last.
#[derive(Clone)]
pub(crate) struct Reader {
    fields: Fields,
    reader: IndexReader,
}

/// The places of hits, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) places: Vec<Place>,
    pub(crate) count: Count,
}

impl Reader {
    pub(super) fn new(index: &Index, fields: Fields) -> Result<Self, SearchError> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Reader { fields, reader })
    }

    /// Looks at the newest commit from now on.
    pub(super) fn reload(&self) -> Result<(), SearchError> {
        Ok(self.reader.reload()?)
    }

    /// The hits of a page.
    pub(crate) fn find(&self, query: &Query, order: Order, page: Page) -> Result<Found, SearchError> {
        let searcher = self.reader.searcher();
        let query = self.query(query);
        let top = TopDocs::with_limit(page.limit.max(1)).and_offset(page.offset);
        let addresses: Vec<DocAddress> = match order {
            Order::Relevance => {
                let top = searcher.search(&query, &top.order_by_score())?;
                top.into_iter().map(|(_, address)| address).collect()
            }
            Order::Newest | Order::Oldest => {
                let direction = if order == Order::Newest { Direction::Desc } else { Direction::Asc };
                let top = searcher.search(&query, &top.order_by_fast_field::<i64>(ISSUED, direction))?;
                top.into_iter().map(|(_, address)| address).collect()
            }
        };
        let places = addresses.into_iter().map(|address| place(&searcher, address)).collect::<Result<_, _>>()?;
        Ok(Found { places, count: count(&searcher, &query)? })
    }

    fn query(&self, query: &Query) -> Box<dyn IndexQuery> {
        let mut analyzer = analyzer();
        let part = |clause: &Clause| {
            let occur = if clause.excluded { Occur::MustNot } else { Occur::Must };
            (occur, self.clause(&mut analyzer, &clause.what))
        };
        let mut parts: Vec<_> = query.clauses().iter().map(part).collect();
        if parts.iter().all(|(occur, _)| *occur == Occur::MustNot) {
            parts.push((Occur::Must, Box::new(AllQuery)));
        }
        // By itself, a word passes over entries that cannot be among the best.
        if let [(Occur::Must, _)] = parts.as_slice() {
            return parts.swap_remove(0).1;
        }
        Box::new(BooleanQuery::new(parts))
    }

    fn clause(&self, analyzer: &mut TextAnalyzer, what: &What) -> Box<dyn IndexQuery> {
        match what {
            What::Text(field, text) => words(analyzer, self.text(*field), text),
            What::Exact(field, value) => {
                let term = Term::from_field_text(self.exact(*field), value);
                Box::new(TermQuery::new(term, IndexRecordOption::Basic))
            }
            What::Range(field, least, most) => {
                let bound = |value| Bound::Included(Term::from_field_i64(self.range(*field), value));
                Box::new(RangeQuery::new(bound(*least), bound(*most)))
            }
        }
    }

    fn text(&self, field: TextField) -> Field {
        match field {
            TextField::All => self.fields.text,
            TextField::Subject => self.fields.subject,
            TextField::Outcome => self.fields.outcome,
            TextField::Party => self.fields.party,
            TextField::Place => self.fields.location,
            TextField::Unit => self.fields.unit,
            TextField::Basis => self.fields.basis,
        }
    }

    fn exact(&self, field: ExactField) -> Field {
        match field {
            ExactField::Log => self.fields.log,
            ExactField::Type => self.fields.r#type,
            ExactField::Issuer => self.fields.issuer,
            ExactField::Kind => self.fields.kind,
            ExactField::Series => self.fields.series,
            ExactField::Status => self.fields.status,
            ExactField::Currency => self.fields.currency,
            ExactField::Lang => self.fields.lang,
        }
    }

    fn range(&self, field: RangeField) -> Field {
        match field {
            RangeField::Number => self.fields.number,
            RangeField::Amount => self.fields.amount,
            RangeField::Decided => self.fields.decided,
            RangeField::Issued => self.fields.issued,
            RangeField::Published => self.fields.published,
        }
    }
}

/// Words that follow each other in a field.
fn words(analyzer: &mut TextAnalyzer, field: Field, text: &str) -> Box<dyn IndexQuery> {
    let mut terms = Vec::new();
    analyzer.token_stream(text).process(&mut |token| terms.push((token.position, Term::from_field_text(field, &token.text))));
    match terms.len() {
        // Words so long that nothing has them.
        0 => Box::new(tantivy::query::EmptyQuery),
        1 => Box::new(TermQuery::new(terms.swap_remove(0).1, IndexRecordOption::WithFreqs)),
        _ => Box::new(PhraseQuery::new_with_offset(terms)),
    }
}

fn place(searcher: &Searcher, address: DocAddress) -> Result<Place, SearchError> {
    let places = searcher.segment_reader(address.segment_ord).fast_fields().u64(PLACE)?;
    Ok(Place::unpack(places.first(address.doc_id).unwrap_or(u64::MAX)))
}

/// Counts hits up to [`COUNTED`], without weighing them.
fn count(searcher: &Searcher, query: &dyn IndexQuery) -> Result<Count, SearchError> {
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
    let mut number = 0;
    for segment in searcher.segment_readers() {
        let mut hits = weight.scorer(segment, 1.0)?;
        let alive = segment.alive_bitset();
        let mut hit = hits.doc();
        while hit != TERMINATED {
            if alive.is_none_or(|alive| alive.is_alive(hit)) {
                number += 1;
            }
            if number >= COUNTED {
                return Ok(Count { number, is_exact: false });
            }
            hit = hits.advance();
        }
    }
    Ok(Count { number, is_exact: true })
}
