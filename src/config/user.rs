//! The user as whom the server goes on once it listens, if root starts it.

use std::path::PathBuf;

use nix::unistd::{
    Gid, Group, Uid, User as Entry, getgrouplist, getresgid, getresuid, setgroups, setresgid, setresuid,
};

/// A user, and the groups to which the process will belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    home: Option<PathBuf>,
}

impl User {
    /// Finds out who `text` is: `NAME`, `UID`, `NAME:GROUP` or `UID:GROUP`. A group that is named is the only one.
    ///
    /// # Errors
    /// The second half of a sentence.
    pub fn find(text: &str) -> Result<Self, String> {
        let (name, group) = match text.split_once(':') {
            Some((name, group)) => (name, Some(group)),
            None => (text, None),
        };
        let entry = entry(name)?;
        let uid = match (&entry, number(name)) {
            (Some(entry), _) => entry.uid,
            (None, Some(uid)) => Uid::from_raw(uid),
            (None, None) => return Err(format!("there is no user {name:?}")),
        };
        let (gid, groups) = match (group, &entry) {
            (Some(group), _) => {
                let gid = group_id(group)?;
                (gid, vec![gid])
            }
            (None, Some(entry)) => (entry.gid, groups_of(entry)?),
            (None, None) => {
                return Err(format!("user {name} is not known here; name a group as well, {name}:GROUP"));
            }
        };
        let name = entry.as_ref().map_or_else(|| name.to_owned(), |entry| entry.name.clone());
        Ok(Self { name, uid, gid, groups, home: entry.map(|entry| entry.dir) })
    }

    /// The name, or the number of who has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The numbers of the user and of the group.
    pub fn ids(&self) -> (u32, u32) {
        (self.uid.as_raw(), self.gid.as_raw())
    }

    /// Where the user is at home.
    pub fn home(&self) -> Option<&PathBuf> {
        self.home.as_ref()
    }

    /// Makes the process that user's, for good. Called before there are threads.
    ///
    /// # Errors
    /// The second half of a sentence.
    pub fn assume(&self) -> Result<(), String> {
        let is_already = |uid: Uid| uid == self.uid && !self.uid.is_root();
        if is_already(Uid::effective()) && is_already(Uid::current()) {
            return Ok(());
        }
        if !Uid::effective().is_root() {
            return Err("only root can become another user; start it as that user, without --user".to_owned());
        }
        let failed = |error: nix::Error| format!("the kernel refuses it: {}", error.desc());
        setgroups(&self.groups).map_err(failed)?;
        setresgid(self.gid, self.gid, self.gid).map_err(failed)?;
        setresuid(self.uid, self.uid, self.uid).map_err(failed)?;
        let (users, groups) = (getresuid().map_err(failed)?, getresgid().map_err(failed)?);
        let is_user = [users.real, users.effective, users.saved] == [self.uid; 3];
        if !is_user || [groups.real, groups.effective, groups.saved] != [self.gid; 3] {
            return Err("the process is another user's still".to_owned());
        }
        Ok(())
    }
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

fn entry(name: &str) -> Result<Option<Entry>, String> {
    let by_name = Entry::from_name(name);
    let found = match (by_name, number(name)) {
        (Ok(None), Some(uid)) => Entry::from_uid(Uid::from_raw(uid)),
        (other, _) => other,
    };
    found.map_err(|error| format!("users cannot be looked up: {}", error.desc()))
}

fn group_id(group: &str) -> Result<Gid, String> {
    let found = Group::from_name(group);
    match found.map_err(|error| format!("groups cannot be looked up: {}", error.desc()))? {
        Some(entry) => Ok(entry.gid),
        None => number(group).map(Gid::from_raw).ok_or_else(|| format!("there is no group {group:?}")),
    }
}

fn groups_of(entry: &Entry) -> Result<Vec<Gid>, String> {
    let name = std::ffi::CString::new(entry.name.as_str()).map_err(|error| error.to_string())?;
    getgrouplist(&name, entry.gid).map_err(|error| format!("groups cannot be looked up: {}", error.desc()))
}

/// All ones means "as it is" to the kernel.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number != u32::MAX && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let root = User::find("root").expect("root is everywhere");
        assert_eq!((root.name(), root.ids()), ("root", (0, 0)));
        assert_eq!(User::find("0"), Ok(root));
        let somebody = User::find("4000000000:7").expect("numbers need no entry");
        assert_eq!((somebody.name(), somebody.ids()), ("4000000000", (4_000_000_000, 7)));
        assert_eq!((somebody.groups.as_slice(), somebody.home()), (&[Gid::from_raw(7)][..], None));
        for (text, why) in [
            ("", "there is no user \"\""),
            ("no such user", "there is no user \"no such user\""),
            ("+1", "there is no user \"+1\""),
            ("4294967295", "there is no user \"4294967295\""),
            ("4000000000", "user 4000000000 is not known here; name a group as well, 4000000000:GROUP"),
            ("root:no such group", "there is no group \"no such group\""),
            ("root:", "there is no group \"\""),
        ] {
            assert_eq!(User::find(text).unwrap_err(), why, "{text:?}");
        }
    }
}
