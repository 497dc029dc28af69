//! Memory that is not needed any more goes back to the system.
//!
//! The C library keeps what was freed for the next burst, and a pool of it for each thread: after an hour's work a
//! small program looks large for days. Boards with 1 GB need it elsewhere. Nothing here does anything on other systems.

/// Few pools, and large blocks that are returned as soon as they are freed. Call before any thread starts.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt has no safe wrapper")]
pub fn stay_small() {
    const POOLS: i32 = 2;
    const LARGE: i32 = 128 * 1024;
    // SAFETY: these calls set numbers inside the allocator; an unknown one is refused.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, POOLS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}

/// Few pools, and large blocks that are returned as soon as they are freed: only glibc needs to be told.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn stay_small() {}

/// Few pools; what is freed stays for the next burst, up to 16 MB. Pictures and the layers of a network are a megabyte or
/// two, and come and go with each look: asking the system for each would cost a fifth of the time that a look takes. Call
/// before any thread starts, and [`give_back`] when a long piece of work is over.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt has no safe wrapper")]
pub fn few_pools() {
    const POOLS: i32 = 2;
    const LARGE: i32 = 16_000_000;
    // SAFETY: these calls set numbers inside the allocator; an unknown one is refused.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, POOLS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}

/// Few pools: only glibc needs to be told.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn few_pools() {}

/// Gives back what is free at this moment, wherever it lies. Takes some milliseconds.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "malloc_trim has no safe wrapper")]
pub fn give_back() {
    // SAFETY: the allocator locks its own pools; no memory in use is touched.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives back what is free at this moment: only glibc needs to be asked.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}
