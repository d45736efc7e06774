//! The project's public address, which only a release knows: its workflow builds with the variable
//! `QUILL_ADMIN_HOME`. The sources name no address, since a clone may be anybody's.
//!
//! To lead to another page: [`page`] with its path in the repository.

/// The address of the repository, such as `https://host/owner/name`.
const HOME: Option<&str> = option_env!("QUILL_ADMIN_HOME");

/// The address of a page of this version, where the program knows one.
pub(crate) fn page(path: &str) -> Option<String> {
    at(HOME, path)
}

/// The places where the guide is and where problems are told, on two lines.
pub(crate) fn where_to_look() -> String {
    told(HOME)
}

fn at(home: Option<&str>, path: &str) -> Option<String> {
    let home = home.filter(|home| !home.is_empty())?;
    Some(format!("{home}/blob/v{}/{path}", env!("CARGO_PKG_VERSION")))
}

fn told(home: Option<&str>) -> String {
    const GUIDE: &str = "docs/remote-admin-tasks.md";
    match (at(home, GUIDE), home) {
        (Some(guide), Some(home)) => {
            format!(
                "Guide: {guide}\nReport problems, with the output of quill-admin version: {home}/issues\n"
            )
        }
        _ => format!(
            "Guide: {GUIDE} in the sources of this program\n\
             Report problems where you got the program, with: quill-admin version\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_leads_to_its_own_pages() {
        let home = Some("https://example.org/quill/admin");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            at(home, "docs/a.md#b"),
            Some(format!("https://example.org/quill/admin/blob/v{version}/docs/a.md#b"))
        );
        assert!(told(home).ends_with("https://example.org/quill/admin/issues\n"));
        assert_eq!((at(None, "a"), at(Some(""), "a")), (None, None));
        assert!(told(None).contains("in the sources") && told(Some("")).contains("in the sources"));
    }
}
