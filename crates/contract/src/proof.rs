//! Proofs of results: the key that is made for every request, and the proof that the executor makes with it.
//!
//! Every account with `logging.logEntries.create` can write a log entry that looks as if a job's
//! container had printed it. So the laptop sends a key along with a request, which only the container and
//! accounts that may read executions can know, and the executor proves its result with it. This protects
//! against accounts that can write logs but not read executions, and against no others.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::value::{InvalidValue, Problem};

/// The key that proves the result of one request: 32 random bytes, new for every request.
///
/// Whoever knows it can forge the result of its request. `Debug` is redacted, the memory is wiped on
/// drop.
#[derive(Clone, PartialEq, Eq)]
pub struct ProofKey(Zeroizing<[u8; Self::LENGTH]>);

impl ProofKey {
    /// Length of the key in bytes; in `ADMIN_PROOF_KEY` every byte is two hexadecimal digits.
    pub const LENGTH: usize = 32;

    /// Generates a new key.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no randomness to give.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; Self::LENGTH]);
        getrandom::fill(&mut bytes[..]).expect("the operating system has randomness");
        Self(bytes)
    }

    /// The key in the form of `ADMIN_PROOF_KEY`: lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> Secret {
        Secret::new(hex::encode(&self.0[..]))
    }

    /// The proof of a text: the HMAC-SHA-256 (RFC 2104) over exactly its bytes, in lower-case
    /// hexadecimal digits.
    #[must_use]
    pub fn prove(&self, text: &str) -> String {
        hex::encode(self.mac(text).finalize().into_bytes())
    }

    /// Whether this is the proof of the text. A wrong proof takes as long to check as the right one.
    #[must_use]
    pub fn proves(&self, text: &str, proof: &str) -> bool {
        bytes::<32>(proof).is_some_and(|proof| self.mac(text).verify_slice(&proof[..]).is_ok())
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0[..]).expect("a key of any length will do");
        mac.update(text.as_bytes());
        mac
    }
}

impl FromStr for ProofKey {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        bytes(text.trim())
            .map(Self)
            .ok_or_else(|| InvalidValue::new("proof key", Problem::MustBe("64 hexadecimal digits")))
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

fn bytes<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    hex::decode_to_slice(text, &mut bytes[..]).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_the_hmac_of_rfc_4231() {
        // Test case 2 has a key of 4 bytes; with zeros behind it, it is the same key (RFC 2104: a key is
        // padded with zeros to the length of a block).
        let key: ProofKey = format!("4a656665{}", "0".repeat(56)).parse().expect("a key");
        let proof = key.prove("what do ya want for nothing?");
        assert_eq!(proof, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert!(key.proves("what do ya want for nothing?", &proof));
        for (text, proof) in [
            ("what do ya want for nothing", proof.as_str()),
            ("what do ya want for nothing?", &proof[2..]),
            ("what do ya want for nothing?", &proof.replace('5', "6")),
            ("what do ya want for nothing?", ""),
        ] {
            assert!(!key.proves(text, proof), "{text} {proof}");
        }
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_never_printed() {
        let key = ProofKey::generate();
        assert_ne!(key, ProofKey::generate());
        let hex = key.to_hex();
        assert_eq!(hex.expose().len(), 64);
        assert_eq!(hex.expose().parse::<ProofKey>().as_ref(), Ok(&key));
        assert_eq!(format!("{key:?}"), "[redacted]");
        for bad in ["", "planted", &hex.expose()[1..], &format!("{}0", hex.expose()), &"é".repeat(32)] {
            let refused = bad.parse::<ProofKey>().expect_err(bad);
            assert!(!format!("{refused} {refused:?}").contains("planted"));
        }
    }
}
