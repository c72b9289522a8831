//! A copy of the bucket in a directory: where keys are paths, and nothing has versions.

use std::fs;
use std::io;
use std::path::Path;

use super::StoredObject;

/// All files below `directory`, as objects.
pub fn list_directory(directory: &Path) -> io::Result<Vec<StoredObject>> {
    let mut objects = Vec::new();
    let mut waiting = vec![(directory.to_path_buf(), String::new())];
    while let Some((path, prefix)) = waiting.pop() {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let name = entry
                .file_name()
                .into_string()
                .map_err(|name| io::Error::other(format!("{}: a name that is no text", Path::new(&name).display())))?;
            let key = format!("{prefix}{name}");
            // Links are followed neither into directories nor out of the copy: they are objects that don't read as one.
            if entry.file_type()?.is_dir() {
                waiting.push((entry.path(), format!("{key}/")));
            } else {
                objects.push(StoredObject { key, version: None, modified: None, delete_marker: false });
            }
        }
    }
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(objects)
}

/// The bytes of one.
pub fn read_directory(directory: &Path, object: &StoredObject) -> io::Result<Vec<u8>> {
    fs::read(directory.join(&object.key))
}
