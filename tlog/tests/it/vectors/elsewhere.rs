//! What the specifications print, and what other programs made.

use super::{Vector, vector};

/// signed-note, section Example.
const FOO_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
/// signed-note, section Example.
const FOO: &str = "\
This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
";
/// signed-note, introduction.
const POEM: &str = "\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
";
/// tlog-checkpoint, introduction.
const CHECKPOINT: &str = "\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
";
/// tlog-cosignature, introduction.
const COSIGNED: &str = "\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
";
/// tlog-witness, section add-checkpoint.
const ADD_CHECKPOINT: &str = "\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
";
/// `note.GenerateKey` of golang.org/x/mod v0.42.0.
const GO_PRIVATE_KEY: &str = "PRIVATE+KEY+go.example/log+e6a9aa5e+ARotD4svqnwnL2/lH7as2kszW3zdVcB+MsSYWNsLPdPD";
/// Its verifier key.
const GO_KEY: &str = "go.example/log+e6a9aa5e+AVKmCxW8iUsGjusDHutMVjzHDxGxINbefjNA7oymDh/Z";
/// `note.Sign` of golang.org/x/mod v0.42.0 with that key.
const GO_NOTE: &str = "\
First paragraph.

Second paragraph.

— go.example/log 5qmqXvJRU0Rb3m78Mt0oztoOXieNfKlpDPnqQchWY+pKRyL4//FC+CScZMVGzMBbkKO0ImD+ynhkfk9pG6gROgM9IAE=
";
/// `FormatProofWithExtraData` of filippo.io/torchwood v0.9.0: entry 3 of `Decision 0` to `Decision 4`, cosigned.
const GO_PROOF: &str = "\
c2sp.org/tlog-proof@v1
extra RGVjaXNpb24gMw==
index 3
6FopKipJwNFebAoL26wYKiCbVJOQoEFl0zxlcp2yO3k=
N8CWbpyRNJ7LIwk3C/1BwgYD4g2soCGCkX2sO65gB4A=
IZCsfpZEoi0zSYpYR05ZNVivxJpVXl994e6QSCY+z2g=

go.example/log
5
kozXqzZehuxlhgIs4lvgG/Zv2UHvcJRpluwjfJexyes=

— go.example/log 5qmqXtSVdnQto43SsAIrIT0WV8TtlNYbjJ3ryadC57IsYVJSBsKSqdNYktHhNkcvMLrXlWjSPtOEP0rnPbYORUu9TQA=
— go.example/witness TylbRwAAAABrA2MSdwHWiLIK5hBhrHAv/wcsZtcUJGKPD75uA7QukFs0rvyZRxHgNq/QB1yOwDsoKSmUGrpXarMJHiFQo2jzrxTpCw==
";
/// The policy that it is for.
const GO_POLICY: &str = "\
log go.example/log+e6a9aa5e+AVKmCxW8iUsGjusDHutMVjzHDxGxINbefjNA7oymDh/Z
witness w go.example/witness+4f295b47+BOCjX2sYTTpq/awOWSsVefD5jE+9OwtF1CJxsiGuSQBe
quorum w
";
/// `openssl ecparam -name prime256v1 -genkey`, the public key as a vkey.
const OPENSSL_P256_KEY: &str = "openssl.example/p256+ed96dd7d+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLjMQWDfzvaxO9RUGkzA8XGbFEh1oje1p2ISb7g21FgNWqR4W8sGU1d+E4h+6dgqk+jA+Q99rVEj39WB3EOnOOk=";
/// A note whose signature is of `openssl dgst -sha256 -sign` with that key.
const OPENSSL_P256_NOTE: &str = "\
A decision.

— openssl.example/p256 7ZbdfTBGAiEAqo0XPeDE93O7HmlufUT/psk9bVprMmW3wV4H2xANjLACIQCNFrE7BgqsbI+JgzMsQJe2VSI/v0NNbpWziZXBKLPSNA==
";
/// `openssl genpkey -algorithm ed25519` of OpenSSL 3.0.
const OPENSSL_ED25519: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIHFuKs7XeDFITU7eD7Z58npGOiAbxz/ZBbtdWfZ3vbXS
-----END PRIVATE KEY-----
";
/// Its public key, by `openssl pkey -pubout`, as a vkey.
const OPENSSL_ED25519_KEY: &str = "openssl.example/ed25519+f092351c+AVwnxy4xE+svdPmlUBu+DX+Ski7VpRW2fskbwxVmlHvJ";
/// `openssl pkcs8 -topk8` of the same key, with a password.
const OPENSSL_ENCRYPTED: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg7ja8HeK61TQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEN+R4XWrYmmiqh1Um0BYuvgEQLxh
LEUUAT6t1HFs8jbRi07Cii0o4/4/MGUlrC30ufmOoG/XYQfJpg8+gE4FlY6TUbjt
ZLt9KwZpNcwT3DT4Kt4=
-----END ENCRYPTED PRIVATE KEY-----
";
/// `openssl pkcs8 -topk8 -nocrypt` of the P-256 key.
const OPENSSL_P256: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJL4Xj5fhRknNL9c9
NEYbczyRmlqtzEk44AqwOeEBW2qhRANCAAS4zEFg3872sTvUVBpMwPFxmxRIdaI3
tadiEm+4NtRYDVqkeFvLBlNXfhOIfunYKpPowPkPfa1RI9/VgdxDpzjp
-----END PRIVATE KEY-----
";

pub(super) fn vectors() -> Vec<(&'static str, Vector)> {
    let unknown = r#"unverified UnknownOrigin { origin: Origin("example.com/behind-the-sofa") }"#;
    let other_entry = GO_PROOF.replace("extra RGVjaXNpb24gMw==", "extra RGVjaXNpb24gNA==");
    let [crlf, cut] = [OPENSSL_ED25519.replace('\n', "\r\n"), OPENSSL_ED25519.replace("tdWfZ", "")];
    vec![
        ("note/specification-example", vector("signed-note, section Example", "verified", FOO).with("key", FOO_KEY)),
        ("note/specification-poem", vector("signed-note, introduction: the text has a blank line", "parsed", POEM)),
        ("note/go", vector("signed by golang.org/x/mod/sumdb/note", "verified", GO_NOTE).with("key", GO_KEY)),
        ("note/openssl-p256", vector("ECDSA P-256, by openssl", "verified", OPENSSL_P256_NOTE).with("key", OPENSSL_P256_KEY)),
        ("vkey/specification-example", vector("signed-note, section Example", "parsed", FOO_KEY)),
        ("vkey/ecdsa-p256", vector("its id is the hash of the SPKI alone", "parsed", OPENSSL_P256_KEY)),
        ("checkpoint/specification-example", vector("tlog-checkpoint, introduction", "parsed", CHECKPOINT)),
        ("checkpoint/specification-cosigned", vector("tlog-cosignature, introduction", "parsed", COSIGNED)),
        ("add-checkpoint/specification-example", vector("tlog-witness: whole, but no key of it is known", unknown, ADD_CHECKPOINT)),
        ("policy/go", vector("a log, a witness, a quorum of one", "parsed", GO_POLICY)),
        ("proof/go", vector("made by filippo.io/torchwood: note, cosignature and proof", "verified", GO_PROOF).with_policy(GO_POLICY)),
        (
            "proof/go-other-entry",
            vector("the same with another entry in it", "unverified Proof(NotIncluded)", other_entry).with_policy(GO_POLICY),
        ),
        ("private-key/go", vector("made by golang.org/x/mod/sumdb/note", "parsed", GO_PRIVATE_KEY)),
        ("private-key/go-with-vkey", vector("its vkey beside it", "parsed", GO_PRIVATE_KEY).with("key", GO_KEY)),
        (
            "private-key/go-with-other-vkey",
            vector("another key's vkey beside it", "refused OtherVerifierKey", GO_PRIVATE_KEY).with("key", FOO_KEY),
        ),
        (
            "private-key/go-renamed",
            vector("its name was changed", "refused WrongName", GO_PRIVATE_KEY.replace("go.example", "go2.example")),
        ),
        ("private-key/openssl-ed25519", vector("openssl genpkey", "parsed", OPENSSL_ED25519).with("key", OPENSSL_ED25519_KEY)),
        ("private-key/windows-line-ends", vector("line ends do not matter in PEM", "parsed", crlf).with("key", OPENSSL_ED25519_KEY)),
        ("private-key/openssl-without-vkey", vector("a key in PEM has no name", "refused VerifierKeyMissing", OPENSSL_ED25519)),
        (
            "private-key/openssl-with-other-vkey",
            vector("another key's vkey beside it", "refused OtherVerifierKey", OPENSSL_ED25519).with("key", FOO_KEY),
        ),
        ("private-key/cut-short", vector("some characters are missing", "refused Malformed", cut).with("key", OPENSSL_ED25519_KEY)),
        (
            "private-key/encrypted",
            vector("protected by a password", "refused Encrypted", OPENSSL_ENCRYPTED).with("key", OPENSSL_ED25519_KEY),
        ),
        (
            "private-key/openssl-p256",
            vector("of a kind that cannot sign here", "refused UnsupportedKey", OPENSSL_P256).with("key", OPENSSL_P256_KEY),
        ),
        ("private-key/public-key", vector("the public half", "refused NotAPrivateKey", GO_KEY)),
    ]
}
