//! Memory that is not needed any more goes back to the system.
//!
//! The C library keeps what was freed for the next burst, and a pool of it for each thread: after an hour's work a
//! small program looks large for days. Boards with 1 GB need it elsewhere. Nothing here does anything on other systems.

/// Few pools, and blocks of 128 KB and more are returned as soon as they are freed. Call before any thread starts.
pub fn stay_small() {
    limit(128 * 1024);
}

/// Few pools; what is freed stays for the next burst, up to 16 MB. Pictures and the layers of a network are a megabyte or
/// two, and come and go with each look: asking the system for each would cost a fifth of the time that a look takes. Call
/// before any thread starts, and [`give_back`] when a long piece of work is over.
pub fn few_pools() {
    limit(16_000_000);
}

/// Two pools, which give back what is free beyond `large` bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "mallopt has no safe wrapper")]
fn limit(large: i32) {
    const POOLS: i32 = 2;
    // SAFETY: these calls set numbers inside the allocator; an unknown one is refused.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, POOLS);
        libc::mallopt(libc::M_MMAP_THRESHOLD, large);
        libc::mallopt(libc::M_TRIM_THRESHOLD, large);
    }
}

/// Only glibc needs to be told.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn limit(_large: i32) {}

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
