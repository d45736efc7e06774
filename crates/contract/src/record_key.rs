//! Signatures of records: what proves a result for years, where the key of its request is gone with the execution.
//!
//! The private key is a secret that only the account of the job may read, and the container signs its result with it.
//! The public keys are in `environments.yaml`. So nobody who can write log entries, or read executions, can make a
//! record that counts; whoever may read the secret, or change the job, can.
//!
//! To change what is signed: [`Signed`] and its `bytes`. Records that were signed before have to stay verifiable.

use std::fmt;
use std::str::FromStr;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::value::{InvalidValue, Problem};

/// The private key that records are signed with: the seed of an Ed25519 key (RFC 8032, section 5.1.5).
///
/// `Debug` is redacted, and the memory of the seed is wiped on drop.
#[derive(Clone)]
pub struct RecordKey(Zeroizing<[u8; 32]>);

impl RecordKey {
    /// Generates a new key.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no randomness to give.
    #[must_use]
    pub fn generate() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut seed[..]).expect("the operating system has randomness");
        Self(seed)
    }

    /// The key as the secret holds it: lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> Secret {
        Secret::new(hex::encode(&self.0[..]))
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair().public_key().as_ref());
        PublicKey(key)
    }

    /// The signature of a record, in lower-case hexadecimal digits.
    #[must_use]
    pub fn sign(&self, record: &Signed<'_>) -> String {
        hex::encode(self.pair().sign(&record.bytes()))
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&self.0[..]).expect("any 32 bytes are a seed")
    }
}

impl FromStr for RecordKey {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let mut seed = Zeroizing::new([0; 32]);
        let rule = Problem::MustBe("64 hexadecimal digits");
        hex::decode_to_slice(text.trim(), &mut seed[..])
            .map_err(|_| InvalidValue::new("record key", rule))?;
        Ok(Self(seed))
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The content that a signature covers: the text of a result, and the run that it is the result of.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The id of the job, as `CLOUD_RUN_JOB` has it.
    pub job: &'a str,
    /// The id of the execution, as `CLOUD_RUN_EXECUTION` has it.
    pub execution: &'a str,
    /// The whole result line as one text.
    pub result: &'a str,
}

impl Signed<'_> {
    /// The bytes that are signed. Ids of Cloud Run have no line breaks, so no two records have the same bytes; the
    /// first line keeps signatures for other purposes apart.
    fn bytes(&self) -> Vec<u8> {
        let Self { job, execution, result } = self;
        format!("quill-admin record 1\n{job}\n{execution}\n{result}").into_bytes()
    }
}

/// The public key that verifies records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    const KIND: &'static str = "ed25519:";

    /// Whether the holder of the private key has signed this record.
    #[must_use]
    pub fn verifies(&self, record: &Signed<'_>, signature: &str) -> bool {
        let Ok(signature) = hex::decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0).verify(&record.bytes(), &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::KIND, hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PublicKey {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let mut key = [0; 32];
        let digits = text.trim().strip_prefix(Self::KIND);
        let read = digits.map(|digits| hex::decode_to_slice(digits, &mut key));
        let rule = Problem::MustBe("\"ed25519:\" and 64 hexadecimal digits");
        if read == Some(Ok(())) { Ok(Self(key)) } else { Err(InvalidValue::new("public key", rule)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 1: the public key of a secret one.
    #[test]
    fn the_public_key_is_that_of_rfc_8032() {
        let key: RecordKey =
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60".parse().expect("a key");
        let public = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(key.public().to_string(), public);
        assert_eq!(public.parse(), Ok(key.public()));
    }

    #[test]
    fn nothing_of_a_record_can_be_changed() {
        let (key, other) = (RecordKey::generate(), RecordKey::generate());
        let record = Signed { job: "tasks", execution: "tasks-abcde", result: "{\"exit_code\":0}" };
        let signature = key.sign(&record);
        assert!(key.public().verifies(&record, &signature));
        assert!(!other.public().verifies(&record, &signature), "another key");
        for changed in [
            Signed { job: "task", ..record },
            Signed { execution: "tasks-fghij", ..record },
            Signed { result: "{\"exit_code\":1}", ..record },
            Signed { job: "tasks\ntasks-abcde", execution: "", ..record },
        ] {
            assert!(!key.public().verifies(&changed, &signature), "{changed:?}");
        }
        for wrong in ["", "zz", &signature[2..], &format!("{signature}00"), &"0".repeat(128)] {
            assert!(!key.public().verifies(&record, wrong), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_never_printed() {
        let key = RecordKey::generate();
        let hex = key.to_hex();
        assert_eq!(format!("{key:?} {:?}", key.clone()), "[redacted] [redacted]");
        assert_eq!(
            format!("{}\n", hex.expose()).parse::<RecordKey>().map(|key| key.public()),
            Ok(key.public())
        );
        for bad in ["", "planted", &hex.expose()[1..], &format!("{}0", hex.expose())] {
            let refused = bad.parse::<RecordKey>().expect_err(bad);
            assert!(!format!("{refused} {refused:?}").contains("planted"));
        }
        for bad in ["", "ed25519:", &key.public().to_string()[8..], "ed25519:zz"] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }
}
