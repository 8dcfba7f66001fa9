//! Names of 16 bytes: the first half of the SHA-256 of what they name, written as 32 hexadecimal digits in lower case.

use tlog::Hash;

/// Defines a type for such names, and the error for what is none.
macro_rules! id {
    ($(#[$about:meta])* $name:ident, $(#[$about_error:meta])* $malformed:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 16]);

        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        $(#[$about_error])*
        pub struct $malformed;

        impl $name {
            /// The 16 bytes.
            pub fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $malformed;

            fn from_str(text: &str) -> Result<Self, $malformed> {
                $crate::id::parse(text).map($name).ok_or($malformed)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $malformed;

            fn try_from(text: String) -> Result<Self, $malformed> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

pub(crate) use id;

/// The name of what this text says, of which no two may say the same.
pub(crate) fn of(text: &str) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&Hash::sha256(text.as_bytes()).as_bytes()[..16]);
    id
}

/// The bytes of a name in its one spelling.
pub(crate) fn parse(text: &str) -> Option<[u8; 16]> {
    let digits = text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 32 || !digits {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        let id = of("a finding");
        let text: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(parse(&text), Some(id));
        let odd = [
            text.to_uppercase(),
            format!("{text}0"),
            text[1..].to_owned(),
            format!("+{}", &text[1..]),
            format!("{} ", &text[1..]),
            String::new(),
        ];
        for bad in odd.iter().filter(|bad| **bad != text) {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
