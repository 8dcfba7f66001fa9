//! Who plays in the demo: agencies that do not exist, and what they decided.
//!
//! Part of the program, so that the demo works wherever it is installed.

/// An issuer.
pub(super) struct Issuer {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// What it may issue.
    pub(super) kinds: &'static [&'static str],
    /// JSON Lines for `acta publish`.
    pub(super) decisions: &'static str,
}

/// Those who say who may issue what.
pub(super) const REGISTRARS: [&str; 3] = ["registrar-one.example", "registrar-two.example", "registrar-three.example"];

/// How many registrars must sign.
pub(super) const THRESHOLD: &str = "2";

pub(super) const PLANNING: &Issuer = &Issuer {
    id: "planning.northmere.example",
    name: "en=Planning Authority of Northmere",
    kinds: &["planning.*"],
    decisions: include_str!("../../../../testdata/decisions/planning.northmere.example.jsonl"),
};

/// What the planning authority seals.
pub(super) const PLANNING_MAPPING: &str = include_str!("../../../../testdata/decisions/planning.northmere.example.toml");

pub(super) const WATER: &Issuer = &Issuer {
    id: "wasser.kaltenwiek.example",
    name: "de=Wasserbehörde Kaltenwiek",
    kinds: &["water.*"],
    decisions: include_str!("../../../../testdata/decisions/wasser.kaltenwiek.example.jsonl"),
};

pub(super) const LICENSING: &Issuer = &Issuer {
    id: "licensing.port-calder.example",
    name: "en=Licensing Board of Port Calder",
    kinds: &["licence.*", "grant.*", "health.*"],
    decisions: include_str!("../../../../testdata/decisions/licensing.port-calder.example.jsonl"),
};

const PROCUREMENT: &Issuer = &Issuer {
    id: "marches.val-ormelle.example",
    name: "fr=Marchés publics du Val-d'Ormelle",
    kinds: &["procurement.*"],
    decisions: include_str!("../../../../testdata/decisions/marches.val-ormelle.example.jsonl"),
};

pub(super) const LANDS: &Issuer = &Issuer {
    id: "lands.tarnholm.example",
    name: "en=Land Register of Tarnholm",
    kinds: &["land.*"],
    decisions: include_str!("../../../../testdata/decisions/lands.tarnholm.example.jsonl"),
};

/// It may overrule the planning authority.
pub(super) const COURT: &Issuer = &Issuer {
    id: "court.northmere.example",
    name: "en=Court of Northmere",
    kinds: &["judgment.*"],
    decisions: include_str!("../../../../testdata/decisions/court.northmere.example.jsonl"),
};

/// In the order in which they publish. The court comes later.
pub(super) const AGENCIES: [&Issuer; 5] = [PLANNING, PROCUREMENT, LANDS, WATER, LICENSING];

impl Issuer {
    /// Its private key's file.
    pub(super) fn key(&self) -> String {
        format!("keys/{}.key", self.id)
    }

    /// Its public key's file.
    pub(super) fn vkey(&self) -> String {
        format!("keys/{}.key.vkey", self.id)
    }

    /// The file with its decisions.
    pub(super) fn input(&self) -> String {
        format!("decisions/{}.jsonl", self.id)
    }

    /// The receipt of one of its decisions.
    pub(super) fn receipt(&self, seq: u64) -> String {
        format!("receipts/{}-2026-{seq}.tlog-proof", self.id)
    }
}
