//! Statements that several people sign, one after the other and perhaps offline: those of registrars, and of issuers about their keys.
//!
//! What is passed round is a file, `*.statement`: the one line of JSON alone while nobody has signed, and from the first signature on
//! the signed note that is going to be the log's entry.
//!
//! Invariant: a file that comes back from somebody still has the text that was sent, or it is another statement; so signatures are only
//! ever added, and each signer's line is of that very text.

use std::collections::BTreeMap;

use decision::statement::{Draft, Malformed, SignStatementError, Statement};
use decision::text::{self, BadText};
use decision::types::{
    Announced, Body, Hours, InvalidValue, IssuerId, IssuerPattern, KeyAction, KeyChange, KindPattern, Lang, Line, Overrule,
    RegistrarChange, Registrars, Registration, Timestamp, Vkey,
};
use tlog::key::{SigningKey, VerifierKey};
use tlog::note::Signature;

/// The ending of the files that are passed round.
pub const EXTENSION: &str = "statement";

/// A statement, and the signatures that it has so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Collected {
    draft: Draft,
    signatures: Vec<Signature>,
}

/// What a statement still lacks, as far as it shows without the log: how many registrars it takes is in the log's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// A key that the statement adds must sign it, to show that its holder has it.
    AddedKey(Vkey),
    /// Nobody has signed who could decide it: registrars, or one key of the issuer itself.
    Authority,
}

/// A statement could not be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A value that cannot stand in its field.
    #[error("{field}: {reason}")]
    Value {
        /// Which option or field.
        field: &'static str,
        /// What is wrong with it.
        reason: InvalidValue,
    },
    /// Something of an option is missing.
    #[error("{field}: write it as {form}")]
    Form {
        /// Which option.
        field: &'static str,
        /// How it is written.
        form: &'static str,
    },
    /// A language that is given twice.
    #[error("--name: there are two names in the language {0}")]
    SameLanguage(Lang),
    /// A text that no log takes in.
    #[error(transparent)]
    Text(#[from] BadText),
    /// All in all it is not a statement.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Collected {
    /// Nobody has signed yet.
    pub fn new(draft: Draft) -> Self {
        Collected { draft, signatures: Vec::new() }
    }

    /// Reads a file that is passed round.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        // A line of JSON has no other newline than its last one: whoever has another wants to be a signed note.
        let alone = bytes.iter().position(|byte| *byte == b'\n').is_none_or(|at| at + 1 == bytes.len());
        match str::from_utf8(bytes) {
            Ok(text) if alone => Ok(Collected::new(Draft::from_text(text.to_owned())?)),
            _ => {
                let statement = Statement::parse(bytes)?;
                Ok(Collected { draft: statement.draft().clone(), signatures: statement.signatures().to_vec() })
            }
        }
    }

    /// What is signed.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Who has signed, as they say.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds the signature of `key`; `false` if it was there already. Of two lines of one key only the one made now stays.
    pub fn sign(&mut self, key: &SigningKey) -> Result<bool, SignStatementError> {
        let signed = self.draft.sign(&[key])?;
        let [signature] = signed.signatures() else { unreachable!("one key signs once") };
        if self.signatures.contains(signature) {
            return Ok(false);
        }
        let mut signatures = self.signatures.clone();
        signatures.retain(|other| !other.is_of(key.verifier_key()));
        signatures.push(signature.clone());
        self.signatures = self.draft.with_signatures(signatures)?.signatures().to_vec();
        Ok(true)
    }

    /// As a file: what [`Collected::parse`] reads.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self.statement() {
            Some(statement) => statement.to_bytes(),
            None => self.draft.text().as_bytes().to_vec(),
        }
    }

    /// The statement as it would be published; `None` while nobody has signed.
    pub fn statement(&self) -> Option<Statement> {
        if self.signatures.is_empty() {
            return None;
        }
        Some(self.draft.with_signatures(self.signatures.clone()).expect("these signatures were with this text before"))
    }

    /// What shows to be missing without the log.
    pub fn missing(&self) -> Vec<Missing> {
        let added = self.added_keys();
        let has_signed = |key: &Vkey| self.signatures.iter().any(|line| line.is_of(&key.verifier_key()));
        let mut missing: Vec<_> = added.iter().filter(|key| !has_signed(key)).cloned().map(Missing::AddedKey).collect();
        let is_added = |line: &Signature| added.iter().any(|key| line.is_of(&key.verifier_key()));
        if self.signatures.iter().all(is_added) {
            missing.push(Missing::Authority);
        }
        missing
    }

    /// The keys that this statement adds.
    fn added_keys(&self) -> Vec<Vkey> {
        match self.draft.body() {
            Body::Registration(registration) => registration.keys.clone(),
            Body::KeyChange(change) if change.action == KeyAction::Add => vec![change.key.clone()],
            _ => Vec::new(),
        }
    }

    /// The lines of `keys` that do not fit the text: somebody has changed it, or made them with another key.
    pub fn forged<'a>(&self, keys: &'a [VerifierKey]) -> Vec<&'a VerifierKey> {
        let lines = |key: &VerifierKey| self.signatures.iter().filter(|line| line.is_of(key)).collect::<Vec<_>>();
        let is_bad = |key: &&VerifierKey| lines(key).iter().any(|line| key.verify_note(self.draft.text(), &line.bytes).is_err());
        keys.iter().filter(is_bad).collect()
    }
}

/// A value that may stand in `field`.
pub fn value<T: TryFrom<String, Error = InvalidValue>>(field: &'static str, text: &str) -> Result<T, BuildError> {
    T::try_from(text.to_owned()).map_err(|reason| BuildError::Value { field, reason })
}

/// What admission looks at beyond the form is looked at before anybody signs.
fn draft(body: &Body) -> Result<Draft, BuildError> {
    let draft = Draft::from_body(body)?;
    text::check(draft.line())?;
    Ok(draft)
}

/// Replaces the registrars.
pub fn replace_registrars(log: &str, issued: Timestamp, registrars: Vec<Vkey>, threshold: u16) -> Result<Draft, BuildError> {
    let by = Registrars { registrars, threshold };
    draft(&Body::RegistrarChange(RegistrarChange { log: value("log", log)?, issued, by }))
}

/// Adds or retires a key.
pub fn change_key(
    log: &str,
    issued: Timestamp,
    issuer: IssuerId,
    action: KeyAction,
    key: Vkey,
    doubt_from: Option<u64>,
) -> Result<Draft, BuildError> {
    let change = KeyChange { log: value("log", log)?, issuer, issued, action, key, doubt_from };
    draft(&Body::KeyChange(change))
}

/// What to say of an issuer, as people write it.
#[derive(Clone, Debug, Default)]
pub struct IssuerText {
    /// `planning.*`, …
    pub kinds: Vec<String>,
    /// `en=Planning Authority`, …
    pub names: Vec<String>,
    /// `planning.example:planning.permit` or `*:*`, …
    pub may_overrule: Vec<String>,
    /// `mon-fri 09:00-17:30 Europe/London`.
    pub hours: Option<String>,
    /// `2026` or `2026=Decisions of 2026`, …
    pub series: Vec<String>,
    /// How people reach it.
    pub contact: Option<String>,
}

/// Registers an issuer, or replaces what is registered of it. `keys` are added.
pub fn register(log: &str, issued: Timestamp, issuer: IssuerId, keys: Vec<Vkey>, about: &IssuerText) -> Result<Draft, BuildError> {
    let registration = Registration {
        log: value("log", log)?,
        issued,
        names: names(&about.names, &issuer)?,
        issuer,
        keys,
        kinds: about.kinds.iter().map(|kind| value("--kinds", kind)).collect::<Result<_, _>>()?,
        may_overrule: overrules(&about.may_overrule)?,
        hours: about.hours.as_deref().map(hours).transpose()?,
        series: about.series.iter().map(|series| announced(series)).collect::<Result<_, _>>()?,
        contact: about.contact.as_deref().map(|contact| value("--contact", contact)).transpose()?,
        retired: false,
    };
    draft(&Body::Registration(registration))
}

/// Ends an issuer. What else is registered of it stays as `registration` says.
pub fn retire(registration: &Registration, issued: Timestamp) -> Result<Draft, BuildError> {
    let retired = Registration { issued, keys: Vec::new(), retired: true, ..registration.clone() };
    draft(&Body::Registration(retired))
}

/// With none given, the issuer's identifier, in a language that is not determined.
fn names(texts: &[String], issuer: &IssuerId) -> Result<BTreeMap<Lang, Line<256>>, BuildError> {
    let mut names = BTreeMap::new();
    if texts.is_empty() {
        names.insert(value("--name", "und")?, value("--name", issuer.as_str())?);
    }
    for text in texts {
        let form = BuildError::Form { field: "--name", form: "LANGUAGE=NAME, such as en=\"Planning Authority\"" };
        let (lang, name) = text.split_once('=').ok_or(form)?;
        let lang: Lang = value("--name", lang)?;
        if names.insert(lang.clone(), value("--name", name)?).is_some() {
            return Err(BuildError::SameLanguage(lang));
        }
    }
    Ok(names)
}

/// Those of one issuer together, in the order in which issuers are named.
fn overrules(texts: &[String]) -> Result<Vec<Overrule>, BuildError> {
    let mut overrules: Vec<Overrule> = Vec::new();
    for text in texts {
        let field = "--may-overrule";
        let form = BuildError::Form { field, form: "ISSUER:KIND, such as planning.example:planning.*, or *:* for all" };
        let (issuer, kind) = text.rsplit_once(':').ok_or(form)?;
        let issuer: IssuerPattern = value(field, issuer)?;
        let kind: KindPattern = value(field, kind)?;
        match overrules.iter_mut().find(|overrule| overrule.issuer == issuer) {
            Some(overrule) => overrule.kinds.push(kind),
            None => overrules.push(Overrule { issuer, kinds: vec![kind] }),
        }
    }
    Ok(overrules)
}

fn hours(text: &str) -> Result<Hours, BuildError> {
    let field = "--hours";
    let form = BuildError::Form { field, form: "DAYS FROM-UNTIL ZONE, such as \"mon-fri 09:00-17:30 Europe/London\"" };
    let words: Vec<_> = text.split_whitespace().collect();
    let [days, times, zone] = words[..] else { return Err(form) };
    let (from, until) = times.split_once('-').ok_or(form)?;
    Ok(Hours {
        days: days.split(',').map(|day| value(field, day)).collect::<Result<_, _>>()?,
        from: value(field, from)?,
        until: value(field, until)?,
        zone: value(field, zone)?,
    })
}

fn announced(text: &str) -> Result<Announced, BuildError> {
    let field = "--announces-series";
    let (name, title) = match text.split_once('=') {
        Some((name, title)) => (name, Some(value(field, title)?)),
        None => (text, None),
    };
    Ok(Announced { name: value(field, name)?, title })
}

#[cfg(test)]
mod tests;
