//! Mutations of inputs, from a random generator whose whole state is one printed number.

/// SplitMix64: small, good enough to mutate by, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of that seed.
    pub const fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("a length");
        usize::try_from(self.next() % bound).expect("below a length")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// What parsers stumble over: separators, numbers at the edges, text that is nearly right.
const TOKENS: &[&[u8]] = &[
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\0",
    b" ",
    b"\t",
    b"+",
    b"=",
    b"==",
    b"/",
    b"//",
    b"..",
    b".p/",
    b"x",
    b"x000/",
    b"tile/",
    b"entries",
    b"0",
    b"00",
    b"01",
    b"-1",
    b"+1",
    b"256",
    b"255",
    b"65535",
    b"65536",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    "\u{2014}".as_bytes(),
    "\u{2014} ".as_bytes(),
    "\u{feff}".as_bytes(),
    "\u{202e}".as_bytes(),
    "é".as_bytes(),
    b"\xff",
    b"\xed\xa0\x80",
    b"log ",
    b"witness ",
    b"group ",
    b"quorum none\n",
    b"any",
    b"all",
    b"#",
    b"index ",
    b"extra ",
    b"c2sp.org/tlog-proof@v1\n",
    b"old ",
    b"\xff\xff",
    b"\0\0\0\0\0\0\0\0",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"%2e",
    b"A===",
    b"AA==",
    b"AB==",
    b"-----BEGIN PRIVATE KEY-----\n",
    b"\x30\x80",
    b"\"",
    b"[",
    b"{",
];

/// Inputs do not grow beyond this: what is longer is refused for its length alone, and only costs time.
const MAX_INPUT: usize = 1 << 18;

/// Changes `input` in one to four places; may take pieces of `other`.
pub fn mutate(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=random.below(4) {
        change(random, input, other);
    }
    input.truncate(MAX_INPUT);
}

fn change(random: &mut Random, input: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(input.len() + 1);
    let some = at + random.below((input.len() - at).min(64) + 1);
    match random.below(9) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.byte(),
        2 => input.insert(at, random.byte()),
        3 => drop(input.drain(at..some)),
        4 => input.truncate(at),
        5 => {
            let piece = input[at..some].to_vec();
            insert(input, at, &piece);
        }
        6 => {
            let from = random.below(other.len() + 1);
            let piece = &other[from..from + random.below(other.len() - from + 1)];
            insert(input, at, piece);
        }
        7 => replace_number(random, input),
        _ => insert(input, at, TOKENS[random.below(TOKENS.len())]),
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

/// Puts another number in the place of a run of digits.
fn replace_number(random: &mut Random, input: &mut Vec<u8>) {
    let start = random.below(input.len() + 1);
    let Some(first) = input[start..].iter().position(u8::is_ascii_digit).map(|offset| start + offset) else { return };
    let end = input[first..].iter().position(|byte| !byte.is_ascii_digit()).map_or(input.len(), |offset| first + offset);
    let number = random.next() >> random.below(64);
    input.splice(first..end, number.to_string().into_bytes());
}
