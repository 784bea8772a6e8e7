//! Memory that was freed and that the allocator keeps.

/// Gives whole free pages of the heap back to the system, where its allocator keeps them: each thread has a heap of its own, and what
/// many files' buffers leave free in one is of no use to the others.
pub fn release_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes the allocator's own locks and touches only chunks that are free.
    unsafe {
        libc::malloc_trim(0);
    }
}
