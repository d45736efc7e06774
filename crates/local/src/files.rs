//! The list of PostgreSQL's files, as the last end in order has left them.
//!
//! PostgreSQL looks at a file when it needs it. So damage would come to light in the middle of a task, whose
//! container goes on trying to connect for half a minute. To read all files with every start would cost more than the
//! start. So their names, sizes and times are listed at the end, and compared at the next start: nobody else may
//! change them. What has another time is looked at, and PostgreSQL is asked to read everything. So it is, too, where
//! there is no list, because the process was killed.
//!
//! To look at another kind of file: `fault`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustix::fs::{Access, AtFlags, OFlags};
use serde::{Deserialize, Serialize};

use crate::folder::{DATABASE, FILES, FILES_PART, Folder};
use crate::{LocalError, manifests};

/// PostgreSQL's data, as a path below the database's folder.
const DATA: &str = "tmp/pglite/base";

/// PostgreSQL's control file, as a path below its data.
const CONTROL: &str = "global/pg_control";
/// The size of that file in every version of PostgreSQL (`PG_CONTROL_FILE_SIZE`).
const CONTROL_BYTES: u64 = 8192;

/// The size of a page (`BLCKSZ`), and of the part of its header that is looked at.
const PAGE: usize = 8192;
const HEADER: u16 = 24;

/// Objects of the system have smaller numbers (`FirstNormalObjectId`). Their files come with an empty database, and
/// none of them begins with a page that was never written.
const FIRST_NORMAL: u64 = 16384;

/// Larger than any list.
const LONGEST: u64 = 16 * 1024 * 1024;

/// A file, as far as it is known without being read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    bytes: u64,
    /// The time of its last change, in nanoseconds since 1970.
    changed: u64,
}

type List = BTreeMap<String, Known>;

/// Lists the files. This is called after an end in order, when nobody writes them any more.
pub(crate) fn keep(folder: &Folder) -> Result<(), LocalError> {
    let list = serde_json::to_vec(&list(folder)?)
        .map_err(|error| LocalError::state("write", &folder.path().join(FILES), error.into()))?;
    // The file is written under another name first, so that it is complete or missing.
    folder.write(FILES_PART, &list)?;
    folder.rename(FILES_PART, FILES)
}

/// Compares the files with the list, and takes the list away: from now on they change. Returns whether all files are
/// as they were left.
///
/// # Errors
///
/// Fails if a file is damaged for certain, or if the system does not let it be used.
pub(crate) fn compare(folder: &Folder) -> Result<bool, LocalError> {
    let data = folder.path().join(DATABASE).join(DATA);
    let now = list(folder)?;
    match now.get(CONTROL) {
        None => return Err(LocalError::damaged(&data.join(CONTROL), "it is missing")),
        Some(Known { bytes: CONTROL_BYTES, .. }) => {}
        Some(Known { bytes, .. }) => {
            let told = format!("it has {bytes} bytes, and not {CONTROL_BYTES}");
            return Err(LocalError::damaged(&data.join(CONTROL), told));
        }
    }
    let left = left(folder);
    if let Some(left) = &left {
        for (name, left) in left {
            let damaged = |why: String| Err(LocalError::damaged(&data.join(name), why));
            match now.get(name) {
                None => return damaged("it is missing".to_owned()),
                Some(Known { bytes, .. }) if *bytes != left.bytes => {
                    return damaged(format!("it has {bytes} bytes, and had {}", left.bytes));
                }
                Some(_) => {}
            }
        }
    }
    for name in now.keys() {
        usable(&data.join(name))?;
    }
    let same =
        |(name, now): &(&String, &Known)| left.as_ref().is_some_and(|left| left.get(*name) == Some(*now));
    let changed: Vec<&String> = now.iter().filter(|file| !same(file)).map(|(name, _)| name).collect();
    for name in &changed {
        let path = data.join(name);
        if let Some(why) = fault(&path, name, left.is_some())? {
            return Err(LocalError::damaged(&path, why));
        }
    }
    match rustix::fs::unlinkat(folder, FILES, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(errno) => return Err(LocalError::state("remove", &folder.path().join(FILES), errno.into())),
    }
    Ok(left.is_some() && changed.is_empty())
}

/// The list of the last end; `None` where there is none that can be read.
fn left(folder: &Folder) -> Option<List> {
    let mut text = Vec::new();
    folder.file(FILES, OFlags::RDONLY).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The files as they are. Those of which there are copies are not among them.
fn list(folder: &Folder) -> Result<List, LocalError> {
    let database = folder.path().join(DATABASE);
    let mut list = List::new();
    add(&mut list, &database.join(DATA), "")?;
    for copied in manifests::FILES {
        if let Some(name) = copied.strip_prefix(DATA).and_then(|name| name.strip_prefix('/')) {
            list.remove(name);
        }
    }
    Ok(list)
}

/// Adds the files of a folder, whose name below the data is `name`.
fn add(list: &mut List, path: &Path, name: &str) -> Result<(), LocalError> {
    let failed = |source| LocalError::state("read", path, source);
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = format!("{name}{}", entry.file_name().to_string_lossy());
        let found = entry.metadata().map_err(failed)?;
        if found.is_dir() {
            add(list, &entry.path(), &format!("{name}/"))?;
        } else {
            let since = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let changed = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or_default();
            list.insert(name, Known { bytes: found.len(), changed });
        }
    }
    Ok(())
}

/// Fails unless this user may read and write the file.
fn usable(path: &Path) -> Result<(), LocalError> {
    match rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(LocalError::state("use", path, errno.into())),
    }
}

/// The fault of a file that is not as the list has it; `None` where none is found. `end` says whether there is a
/// list, which only an end in order leaves: after any other end a new table may have pages that were never written.
fn fault(path: &Path, name: &str, end: bool) -> Result<Option<&'static str>, LocalError> {
    let relation = relation(name);
    let is_old = relation.is_some_and(|number| number < FIRST_NORMAL);
    let has_pages = end && relation.is_some();
    if name != CONTROL && !is_old && !has_pages {
        return Ok(None);
    }
    let failed = |source| LocalError::state("read", path, source);
    let mut file = fs::File::open(path).map_err(failed)?;
    let mut page = vec![0; PAGE];
    let mut first = true;
    loop {
        let mut filled = 0;
        while filled < PAGE {
            match file.read(&mut page[filled..]).map_err(failed)? {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            return Ok(None);
        }
        if first && page[..filled].iter().all(|byte| *byte == 0) {
            return Ok(Some("it holds nothing but zeros"));
        }
        if has_pages && (filled < PAGE || !is_page(&page)) {
            return Ok(Some("what is in it is not PostgreSQL's"));
        }
        if !has_pages {
            return Ok(None);
        }
        first = false;
    }
}

/// The number of the table or index whose first gigabyte a file holds; `None` for every other file.
fn relation(name: &str) -> Option<u64> {
    let (folder, file) = name.rsplit_once('/')?;
    (folder == "global" || folder.starts_with("base/")).then(|| file.parse().ok())?
}

/// Whether it is a page, or one that was never written (`PageIsVerified`).
fn is_page(page: &[u8]) -> bool {
    let number = |at: usize| u16::from_le_bytes([page[at], page[at + 1]]);
    let (lower, upper, special, size) = (number(12), number(14), number(16), number(18) & 0xff00);
    let written = upper != 0;
    let sound = HEADER <= lower && lower <= upper && upper <= special && usize::from(special) <= PAGE;
    if written { sound && usize::from(size) == PAGE } else { page.iter().all(|byte| *byte == 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_indexes_are_known_by_their_names() {
        assert_eq!(relation("base/5/1259"), Some(1259));
        assert_eq!(relation("global/1262"), Some(1262));
        for other in
            ["base/5/1259_fsm", "base/5/pg_filenode.map", "pg_wal/000000010000000000000001", CONTROL, "1259"]
        {
            assert_eq!(relation(other), None, "{other}");
        }
    }

    #[test]
    fn a_page_is_told_from_other_bytes() {
        let page = |numbers: [u16; 4]| {
            let mut page = vec![0; PAGE];
            for (at, number) in numbers.into_iter().enumerate() {
                page[12 + 2 * at..14 + 2 * at].copy_from_slice(&number.to_le_bytes());
            }
            page
        };
        assert!(is_page(&page([40, 8000, 8192, 0x2004])) && is_page(&page([0; 4])));
        for other in
            [[8000, 40, 8192, 0x2004], [40, 8000, 8193, 0x2004], [40, 8000, 8192, 0x1004], [40, 0, 8192, 4]]
        {
            assert!(!is_page(&page(other)), "{other:?}");
        }
        assert!(!is_page(&[0xff; PAGE]));
    }
}
