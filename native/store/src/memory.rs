//! Objects of `memory://`: shared by every thread of the process, gone with it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

type Bucket = BTreeMap<String, Arc<[u8]>>;

/// Named byte strings in named buckets.
#[derive(Default)]
pub struct MemoryObjects {
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

/// The objects of this process.
pub fn memory_objects() -> &'static MemoryObjects {
    static OBJECTS: LazyLock<MemoryObjects> = LazyLock::new(MemoryObjects::default);
    &OBJECTS
}

impl MemoryObjects {
    /// A panic while the lock was held cannot leave a map half changed: every mutation is one insert or one remove.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores an object; with `if_absent`, false when one of that name exists.
    pub fn put(&self, bucket: &str, name: &str, bytes: &[u8], if_absent: bool) -> bool {
        // Copied before the lock is taken, so that writers of large objects do not wait for each other.
        let object: Arc<[u8]> = Arc::from(bytes);
        let mut buckets = self.lock();
        let objects = match buckets.get_mut(bucket) {
            Some(objects) => objects,
            None => buckets.entry(bucket.to_owned()).or_default(),
        };
        if if_absent && objects.contains_key(name) {
            return false;
        }
        objects.insert(name.to_owned(), object);
        true
    }

    /// The object, or `None`. It stays valid when the name is overwritten or deleted.
    pub fn get(&self, bucket: &str, name: &str) -> Option<Arc<[u8]>> {
        self.lock().get(bucket)?.get(name).cloned()
    }

    /// Size in bytes, or `None`.
    pub fn size(&self, bucket: &str, name: &str) -> Option<usize> {
        Some(self.lock().get(bucket)?.get(name)?.len())
    }

    /// True when there was such an object.
    pub fn delete(&self, bucket: &str, name: &str) -> bool {
        let mut buckets = self.lock();
        let Some(objects) = buckets.get_mut(bucket) else { return false };
        let removed = objects.remove(name).is_some();
        if objects.is_empty() {
            buckets.remove(bucket);
        }
        removed
    }

    /// At most `limit` names that begin with `prefix` and sort after `start_after` (empty = from the first), in byte order.
    pub fn list(&self, bucket: &str, prefix: &str, start_after: &str, limit: usize) -> Vec<String> {
        let buckets = self.lock();
        let Some(objects) = buckets.get(bucket) else { return Vec::new() };
        let from = if start_after >= prefix && !start_after.is_empty() {
            Bound::Excluded(start_after)
        } else {
            Bound::Included(prefix)
        };
        let names = objects.range::<str, _>((from, Bound::Unbounded)).map(|(name, _)| name);
        names.take_while(|name| name.starts_with(prefix)).take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryObjects;

    #[test]
    fn lists_by_prefix_after_a_name() {
        let objects = MemoryObjects::default();
        for name in ["a", "d/1", "d/2", "d/3", "e"] {
            assert!(objects.put("b", name, b"x", true));
        }
        assert_eq!(objects.list("b", "d/", "", 10), ["d/1", "d/2", "d/3"]);
        assert_eq!(objects.list("b", "d/", "d/1", 1), ["d/2"]);
        assert_eq!(objects.list("b", "d/", "d/3", 1), [] as [&str; 0]);
        assert_eq!(objects.list("b", "d/", "a", 9), ["d/1", "d/2", "d/3"]);
        assert_eq!(objects.list("b", "", "d/3", 9), ["e"]);
        assert_eq!(objects.list("c", "", "", 9), [] as [&str; 0]);
    }

    #[test]
    fn keeps_a_present_object_and_an_object_in_use() {
        let objects = MemoryObjects::default();
        assert!(objects.put("b", "n", b"one", true));
        assert!(!objects.put("b", "n", b"two", true));
        let held = objects.get("b", "n").expect("present");
        assert!(objects.put("b", "n", b"three", false));
        assert_eq!((&*held, objects.size("b", "n")), (&b"one"[..], Some(5)));
        assert!(objects.delete("b", "n") && !objects.delete("b", "n"));
        assert!(objects.get("b", "n").is_none());
    }
}
