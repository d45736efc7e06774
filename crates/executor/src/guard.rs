//! The guard on the line to the server: a server that asks for the password itself gets no answer.

use std::fmt;

/// Longest first message of a server that is examined, in bytes. A real one has some forty.
const LONGEST_QUESTION: usize = 1024;

/// Reads the server's first message, which says how it wants the password, before `tokio-postgres` can answer
/// it. That crate has no setting to refuse clear text and MD5 where channel binding is not required, and has
/// one message for every refusal where it is.
pub(crate) struct Guard {
    needs_binding: bool,
    /// The part of the first message that has come; `None` once it has been judged.
    first: Option<Vec<u8>>,
}

impl Guard {
    pub(crate) fn new(needs_binding: bool) -> Self {
        Self { needs_binding, first: Some(Vec::new()) }
    }

    /// Examines bytes that have come, before they are passed on.
    pub(crate) fn inspect(&mut self, bytes: &[u8]) -> Result<(), Distrust> {
        let Some(first) = &mut self.first else { return Ok(()) };
        first.extend_from_slice(bytes.get(..LONGEST_QUESTION + 1 - first.len()).unwrap_or(bytes));
        match first.as_slice() {
            [] => return Ok(()),
            // Length and code of an authentication request (PostgreSQL's manual, "Message Formats").
            [b'R', rest @ ..] => {
                let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(()) };
                let length = u32::from_be_bytes(*length) as usize;
                if length >= LONGEST_QUESTION {
                    return Err(Distrust::NotPostgres);
                }
                let Some(body) = rest.get(..length.saturating_sub(4)) else { return Ok(()) };
                judge(body, self.needs_binding)?;
            }
            // This is an error message, which `tokio-postgres` reads without sending the password.
            _ => {}
        }
        self.first = None;
        Ok(())
    }
}

fn judge(body: &[u8], needs_binding: bool) -> Result<(), Distrust> {
    let Some((code, rest)) = body.split_first_chunk::<4>() else { return Err(Distrust::NotPostgres) };
    match u32::from_be_bytes(*code) {
        0 if needs_binding => Err(Distrust::AskedNothing),
        3 => Err(Distrust::ClearText),
        5 => Err(Distrust::Md5),
        10 if needs_binding && !rest.split(|byte| *byte == 0).any(|name| name == b"SCRAM-SHA-256-PLUS") => {
            Err(Distrust::Unbound)
        }
        // No password is asked for on this machine, or SCRAM is, or a method that `tokio-postgres` does not
        // know.
        _ => Ok(()),
    }
}

/// The reason why a server is not answered: it did not ask in a way that keeps the password secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// The server wants the password itself.
    ClearText,
    /// The server wants an MD5 hash, which is as good as the password to whoever has it.
    Md5,
    /// The server accepts the client without a proof, and so has given none itself.
    AskedNothing,
    /// The server wants SCRAM that is not bound to the TLS connection.
    Unbound,
    /// The server's first message is not one of PostgreSQL's protocol.
    NotPostgres,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClearText => {
                "the server asked for the password in clear text, which nobody is given: let it ask for \
                 scram-sha-256 (in its pg_hba.conf), and see that the host is the right one"
            }
            Self::Md5 => {
                "the server asked for the password's MD5 hash, which nobody is given: the user's password is \
                 stored with MD5. Set it again where password_encryption is scram-sha-256, and see that the host \
                 is the right one"
            }
            Self::AskedNothing => {
                "the server let us in without a password, and so did not prove that it is the database: see that \
                 the host is the right one"
            }
            Self::Unbound => {
                "the server does not bind the password to the TLS connection (SCRAM-SHA-256-PLUS), as something \
                 between the job and the database does not: name the database's own address as the host"
            }
            Self::NotPostgres => "what answers there is not PostgreSQL",
        })
    }
}

impl std::error::Error for Distrust {}

#[cfg(test)]
mod tests {
    use super::{Distrust, Guard};

    fn question(code: u32, rest: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + rest.len()).expect("short");
        [b"R", length.to_be_bytes().as_slice(), &code.to_be_bytes(), rest].concat()
    }

    #[test]
    fn a_question_is_judged_however_it_is_cut() {
        let plus = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0".as_slice();
        let cases = [
            (question(0, b""), Ok(()), Err(Distrust::AskedNothing)),
            (question(3, b""), Err(Distrust::ClearText), Err(Distrust::ClearText)),
            (question(5, b"salt"), Err(Distrust::Md5), Err(Distrust::Md5)),
            (question(10, plus), Ok(()), Ok(())),
            (question(10, b"SCRAM-SHA-256\0\0"), Ok(()), Err(Distrust::Unbound)),
            (question(10, &[b'x'; 2000]), Err(Distrust::NotPostgres), Err(Distrust::NotPostgres)),
            (b"R\0\0\0\x04".to_vec(), Err(Distrust::NotPostgres), Err(Distrust::NotPostgres)),
            (b"R\xff\xff\xff\xff".to_vec(), Err(Distrust::NotPostgres), Err(Distrust::NotPostgres)),
            (b"EEEEEEEEEEEE".to_vec(), Ok(()), Ok(())),
        ];
        for (bytes, here, beyond) in cases {
            for (needs_binding, expected) in [(false, here), (true, beyond)] {
                for size in [1, 3, 9, bytes.len()] {
                    let mut guard = Guard::new(needs_binding);
                    let judged = bytes.chunks(size).try_for_each(|chunk| guard.inspect(chunk));
                    assert_eq!(judged, expected, "{bytes:?} in pieces of {size}");
                }
            }
        }
    }
}
