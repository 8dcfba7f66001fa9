//! By what a person shows in names and texts.
//!
//! All of it is a guess, in the languages that the authors read. It leans to telling too much where a person could be meant, and keeps
//! quiet about what registers are full of: references, dates, amounts, numbers of parcels.

use super::Sign;

/// Names of fields that hold something personal, in small letters and without marks between words.
const PERSONAL: [&str; 40] = [
    "birthdate",
    "birthday",
    "dateofbirth",
    "dob",
    "placeofbirth",
    "geburtsdatum",
    "geburtstag",
    "datedenaissance",
    "fechadenacimiento",
    "email",
    "emailaddress",
    "mail",
    "mailaddress",
    "phone",
    "phonenumber",
    "telephone",
    "telephonenumber",
    "tel",
    "telefon",
    "mobile",
    "mobilenumber",
    "firstname",
    "lastname",
    "givenname",
    "givennames",
    "forename",
    "forenames",
    "surname",
    "familyname",
    "maidenname",
    "vorname",
    "nachname",
    "prenom",
    "nomdefamille",
    "nationalid",
    "nationalinsurancenumber",
    "socialsecuritynumber",
    "ssn",
    "passport",
    "passportnumber",
];

/// What those are called whom a decision concerns, where an agency has fields of its own for them.
const ROLES: [&str; 32] = [
    "applicant",
    "appellant",
    "beneficiary",
    "child",
    "claimant",
    "complainant",
    "debtor",
    "defendant",
    "employee",
    "grantee",
    "grantor",
    "holder",
    "lessee",
    "lessor",
    "licensee",
    "objector",
    "owner",
    "patient",
    "person",
    "petitioner",
    "plaintiff",
    "proprietor",
    "recipient",
    "respondent",
    "tenant",
    "transferee",
    "transferor",
    "witness",
    "antragsteller",
    "antragstellerin",
    "demandeur",
    "solicitante",
];

/// Last words of names that only bodies have.
const LEGAL_FORMS: [&str; 46] = [
    "aps",
    "association",
    "authority",
    "bank",
    "board",
    "bvba",
    "company",
    "cooperative",
    "corp",
    "corporation",
    "council",
    "doo",
    "earl",
    "eurl",
    "foundation",
    "gaec",
    "gbr",
    "genossenschaft",
    "gmbh",
    "inc",
    "incorporated",
    "kft",
    "kgaa",
    "limited",
    "llc",
    "llp",
    "ltd",
    "ministry",
    "ohg",
    "partgmbb",
    "plc",
    "pty",
    "sarl",
    "sas",
    "sasu",
    "scic",
    "sci",
    "scop",
    "society",
    "spa",
    "sprl",
    "srl",
    "stiftung",
    "trust",
    "university",
    "verein",
];

/// The same, which are family names too unless they stand in capitals beside words that do not.
const SHORT_FORMS: [&str; 15] = ["AB", "AG", "AS", "BV", "EG", "EV", "KG", "LP", "NV", "OY", "SA", "SE", "SL", "UG", "CO"];

/// What stands before a telephone number.
const CALLS: [&str; 14] = [
    "tel",
    "tél",
    "telephone",
    "téléphone",
    "telefon",
    "telefono",
    "teléfono",
    "phone",
    "mobile",
    "mob",
    "cell",
    "handy",
    "portable",
    "fax",
];

/// What stands before a day of birth.
const BORN: [&str; 14] = [
    "born",
    "birth",
    "birthdate",
    "dob",
    "d.o.b",
    "geb",
    "geboren",
    "geburtsdatum",
    "né",
    "née",
    "naissance",
    "nato",
    "nata",
    "nacimiento",
];

/// How many words may be between that and the day.
const WORDS_TO_DAY: usize = 5;

pub(super) fn is_personal(field: &str) -> bool {
    PERSONAL.contains(&plain(field).as_str())
}

pub(super) fn is_role(field: &str) -> bool {
    ROLES.contains(&plain(field.strip_suffix("[]").unwrap_or(field)).as_str())
}

/// `dateOfBirth`, `date_of_birth` and `Date of birth` are one.
fn plain(field: &str) -> String {
    field.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).map(|c| if c == 'é' { 'e' } else { c }).collect()
}

/// Whether a name does not say itself that it is that of a body.
pub(super) fn may_be_person(name: &str) -> bool {
    let words: Vec<String> = name.split_whitespace().map(|word| word.chars().filter(|c| c.is_alphanumeric()).collect()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    let Some((last, before)) = words.split_last() else { return false };
    let is_form = |word: &str| LEGAL_FORMS.contains(&word.to_lowercase().as_str());
    if !before.is_empty() && is_form(last) {
        return false;
    }
    // As in `e. V.` and `S. A.`, or in `eG`, where the last letter is the one that counts.
    let spelt: String =
        words.iter().rev().take_while(|word| word.chars().count() == 1).copied().collect::<Vec<_>>().into_iter().rev().collect();
    let (form, others) =
        if spelt.chars().count() > 1 { (spelt.as_str(), words.len() - spelt.chars().count()) } else { (*last, before.len()) };
    let in_capitals = form.chars().last().is_some_and(char::is_uppercase);
    let beside_small = words.iter().take(others).any(|word| word.chars().any(char::is_lowercase));
    !(in_capitals && beside_small && SHORT_FORMS.contains(&form.to_uppercase().as_str()))
}

/// What a text shows.
pub(super) fn in_text(text: &str) -> Vec<Sign> {
    let signs = [(Sign::Mail, has_mail(text)), (Sign::Telephone, has_telephone(text)), (Sign::Birth, has_birth(text))];
    signs.into_iter().filter_map(|(sign, there)| there.then_some(sign)).collect()
}

/// Something, `@`, and a domain with a dot.
fn has_mail(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let local = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || "._%+-".contains(c));
        let end = after.find(|c: char| !c.is_alphanumeric() && c != '.' && c != '-').unwrap_or(after.len());
        let top = after[..end].trim_end_matches(['.', '-']).rsplit_once('.');
        local && top.is_some_and(|(domain, top)| !domain.is_empty() && top.chars().count() >= 2 && top.chars().all(char::is_alphabetic))
    })
}

/// A number in international form, or with the zero of a trunk call, or after a word that says so.
fn has_telephone(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let starts = chars[at] == '+' || chars[at] == '(' || chars[at].is_ascii_digit();
        // Within a word or a reference such as NM/25/0911 no telephone number begins.
        let apart = at == 0 || !(chars[at - 1].is_alphanumeric() || "/-.,:_#+(".contains(chars[at - 1]));
        if !starts || !apart {
            at += 1;
            continue;
        }
        let run = run_of_digits(&chars[at..]);
        if is_telephone(&chars[at..at + run], chars.get(at + run), &chars[..at]) {
            return true;
        }
        at += run.max(1);
    }
    false
}

/// How far digits go on, with single marks between them.
fn run_of_digits(chars: &[char]) -> usize {
    let (mut end, mut marks) = (0, 0);
    for (at, c) in chars.iter().enumerate() {
        match c {
            c if c.is_ascii_digit() => (end, marks) = (at + 1, 0),
            '+' if at == 0 => {}
            '(' | ')' => {}
            ' ' | '\u{a0}' | '\u{202f}' | '-' | '.' | '/' if marks == 0 => marks = 1,
            _ => break,
        }
    }
    end
}

fn is_telephone(run: &[char], next: Option<&char>, before: &[char]) -> bool {
    let text: String = run.iter().filter(|c| !"()".contains(**c)).collect();
    let groups: Vec<&str> = text.trim_start_matches('+').split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let digits: usize = groups.iter().map(|group| group.len()).sum();
    // A number that goes on as a word, a time or a fraction is another thing. So is one with dots that has no groups as people write them.
    let goes_on = next.is_some_and(|c| c.is_alphanumeric() || ":%€$£".contains(*c));
    let decimal = text.contains('.') && (groups.len() < 3 || groups.iter().any(|group| group.len() > 5));
    if digits == 0 || goes_on || decimal || is_day(&groups) {
        return false;
    }
    if text.starts_with('+') || text.starts_with("00") {
        return (8..=15).contains(&digits) && !text.starts_with("000");
    }
    if says(before, &CALLS) {
        return (5..=15).contains(&digits);
    }
    groups[0].len() > 1 && groups[0].starts_with('0') && (9..=12).contains(&digits)
}

/// Whether groups of digits begin as a day of the calendar does.
fn is_day(groups: &[&str]) -> bool {
    let lengths: Vec<usize> = groups.iter().take(3).map(|group| group.len()).collect();
    matches!(lengths[..], [1 | 2, 1 | 2, 4] | [4, 2, 2])
}

/// Whether the last word of what was before is one of these.
fn says(before: &[char], words: &[&str]) -> bool {
    let before: String = before.iter().collect();
    let word = before.trim_end_matches(|c: char| !c.is_alphanumeric()).rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    before.chars().rev().take_while(|c| !c.is_alphanumeric()).count() <= 3 && words.contains(&word.to_lowercase().as_str())
}

/// A word about birth, and soon after it a year of somebody who may be alive, or a day.
fn has_birth(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_born = |word: &&str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        BORN.contains(&word.as_str())
    };
    (0..words.len()).any(|at| is_born(&words[at]) && words[at + 1..].iter().take(WORDS_TO_DAY).any(|word| has_year(word)))
}

/// Four digits from 1900 to 2099 together, or three groups of digits.
fn has_year(word: &str) -> bool {
    let groups: Vec<&str> = word.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let year = |group: &&str| group.len() == 4 && (group.starts_with("19") || group.starts_with("20"));
    groups.iter().any(year) || groups.len() == 3 && groups.iter().all(|group| group.len() <= 2)
}
