//! What a comparison means: evidence on the disk, a finding, and how the head stands.

use std::path::Path;

use jiff::Timestamp;
use tlog::checkpoint::{Checkpoint, SignedCheckpoint};
use tlog::evidence::{Contradiction, Evidence};

use super::{Comparison, Source, Standing};
use crate::check::Outcome;
use crate::evidence::{EvidenceError, keep, keep_pair};
use crate::finding::{Code, Raised};

/// Puts what follows from a comparison of `head`, which `source` showed, with an `earlier` one into `out`, and gives how `head` stands by it.
/// Evidence is kept below `dir` first. The standing of a head that is [`Standing::Followed`] is for whoever read the entries to say.
pub fn report(
    dir: &Path,
    comparison: &Comparison,
    earlier: &SignedCheckpoint,
    head: &SignedCheckpoint,
    source: &Source,
    now: Timestamp,
    out: &mut Outcome,
) -> Result<Standing, EvidenceError> {
    let subject = subject(head.checkpoint());
    match comparison {
        Comparison::Same | Comparison::Consistent => {
            out.clear(Code::LOG_UNPROVEN, subject);
            Ok(Standing::Continues)
        }
        Comparison::Behind { .. } | Comparison::Unavailable(_) => Ok(Standing::Pending),
        Comparison::Convicts(evidence) => {
            convicted(dir, evidence, source, out)?;
            out.clear(Code::LOG_UNPROVEN, subject);
            Ok(Standing::Contradicts)
        }
        Comparison::Unproven(why) => {
            if let Some(name) = keep_pair(dir, earlier, head, now)? {
                out.raise(Raised::new(Code::LOG_UNPROVEN, "", subject, unproven(earlier, head, source, why, &name)));
            }
            Ok(Standing::Unproven)
        }
    }
}

/// Keeps what convicts a log, and raises it.
fn convicted(dir: &Path, evidence: &Evidence, source: &Source, out: &mut Outcome) -> Result<(), EvidenceError> {
    // Without a file this is the sixty-fifth time that the log is convicted.
    let Some(name) = keep(dir, evidence)? else { return Ok(()) };
    let [one, other] = evidence.heads().each_ref().map(|head| in_words(head.checkpoint()));
    let mut text =
        format!("The log signed two heads that cannot both be true, {one} and {other}; one of them was seen {}.", source.in_words());
    let code = match evidence.contradiction() {
        Contradiction::SameSize => Code::LOG_SAME_SIZE,
        Contradiction::Divergent { subtree, .. } => {
            text += &format!(" They differ in the entries from {} up to, not including, {}.", subtree.start(), subtree.end());
            Code::LOG_FORK
        }
        _ => Code::LOG_FORK,
    };
    text += &format!(" Anybody who has the log's public key can check it: acta verify --evidence {name} --log-key VKEY_FILE");
    let mut raised = Raised::new(code, "", &name, &text);
    raised.evidence = Some(name.clone());
    if let Contradiction::Divergent { subtree, .. } = evidence.contradiction()
        && subtree.end() - subtree.start() == 1
    {
        raised = raised.at([subtree.start()]);
    }
    out.raise(raised);
    if let Source::Receipt { index, leaf } = source {
        let text = format!(
            "There is a receipt under the log's signature for an entry with the leaf hash {} at place {index}, and the log, as it was read, is \
             not the one that the receipt is of. The evidence file proves that the log signed both.",
            leaf.to_hex()
        );
        let mut raised = Raised::new(Code::LOG_RECEIPT, "", format!("{index} {}", leaf.to_hex()), text).at([index.as_u64()]);
        raised.evidence = Some(name);
        out.raise(raised);
    }
    Ok(())
}

fn unproven(earlier: &SignedCheckpoint, head: &SignedCheckpoint, source: &Source, why: &str, name: &str) -> String {
    format!(
        "A head that the log signed, {}, was seen {}, and what the log serves does not show that it belongs together with {}: {why}. Both are \
         kept in {name}. This proves nothing yet.",
        in_words(head.checkpoint()),
        source.in_words(),
        in_words(earlier.checkpoint())
    )
}

/// What a finding about a single head is about.
pub(super) fn subject(head: &Checkpoint) -> String {
    format!("{} {}", head.size(), head.root().to_base64())
}

fn in_words(head: &Checkpoint) -> String {
    format!("of {} entries with the root hash {}", head.size(), head.root().to_base64())
}
