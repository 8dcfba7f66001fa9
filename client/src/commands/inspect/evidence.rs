//! Evidence against a log, for those who never heard of Merkle trees.

use std::collections::BTreeSet;

use tlog::evidence::{Contradiction, Evidence};

use super::super::show;
use super::explain::describe;

/// What the file is and what is in it.
pub(super) fn explain(evidence: &Evidence) -> String {
    let mut out = String::from(
        "Evidence against a log: two of its signed heads, which contradict each other. Keep this file, and pass copies on.\n\n\
         A log promises to show everybody one and the same list of entries, and only ever to add to its end. From time to time it signs a\n\
         head: how many entries it has, and one short number, the root hash, that is computed from all of them in their order. Change, remove\n\
         or move one letter of any entry, and the root hash is another one. So a head pins down the whole list, and whoever signs two\n\
         heads that do not fit together has shown two lists: one to some people, another one to others.\n",
    );
    for (what, head) in ["One head:", "The other head:"].into_iter().zip(evidence.heads()) {
        out += &format!("\n{what}\n");
        describe(&mut out, head);
    }
    out += &format!("\nWhy they contradict each other:\n  {}\n", wrap(&contradiction(evidence)));
    out += "  That was computed just now from this file; no mistake, crash or network explains it away.\n\n";
    out += "What it does not tell: which of the two lists is the right one, and who of those who hold the log's key did it, and why.\n\n";
    let lines = evidence.heads().iter().flat_map(|head| head.note().signatures());
    let keys: BTreeSet<String> = lines.map(|line| line.key_id.to_string()).collect();
    out += &format!(
        "What is left to check is that the log signed both (with its key {}, the file says), which takes its public key:\n  \
         acta verify --evidence FILE --policy POLICY\n  acta verify --evidence FILE --log-key VKEY\n",
        keys.into_iter().collect::<Vec<_>>().join(", ")
    );
    out
}

/// In what the two heads contradict each other, in one sentence or two.
pub(in super::super) fn contradiction(evidence: &Evidence) -> String {
    let [one, other] = evidence.heads().each_ref().map(|head| head.checkpoint().size().as_u64());
    let entries = |number| show::count(number, "entry", "entries");
    match evidence.contradiction() {
        Contradiction::Divergent { subtree, .. } => {
            let (first, last) = (subtree.start(), subtree.end() - 1);
            let part = if first == last {
                format!("an entry number {}, and it is", show::grouped(first))
            } else {
                format!("entries number {} to {}, and they are", show::grouped(first), show::grouped(last))
            };
            format!(
                "Both lists have {part} not the same in both: the list of {} has one hash there, the list of {} another, and each of the two \
                 hashes is proved from the signed root hash.",
                entries(one),
                entries(other)
            )
        }
        _ => format!(
            "Both heads are of a list of {}, and the two root hashes differ, so the lists differ in at least one entry.",
            entries(one)
        ),
    }
}

/// Long sentences in lines of some 130 characters.
fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        if width > 0 && width + word.len() > 130 {
            out += "\n  ";
            width = 0;
        } else if width > 0 {
            out.push(' ');
        }
        out += word;
        width += word.len() + 1;
    }
    out
}
