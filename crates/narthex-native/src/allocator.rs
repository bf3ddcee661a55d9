//! Rust's allocator, mimalloc, and how the system's is used, which Python has for all that is large.
//!
//! The mimalloc crate asks for the alignment with every block, even for one that each block has. That way costs more, and for
//! sizes that are no power of two it may take a larger block; here only the rare types that need more go it.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_option_set_default, mi_option_t, mi_realloc,
    mi_realloc_aligned, mi_zalloc, mi_zalloc_aligned,
};

/// What blocks of this size and more are aligned to (`MI_MAX_ALIGN_SIZE`); smaller ones to their size's power of two.
const NATURAL: usize = 16;

/// mimalloc as the global allocator.
pub(crate) struct Allocator;

/// Whether every block of that size is aligned well enough.
fn is_natural(size: usize, align: usize) -> bool {
    align <= NATURAL && align <= size
}

// SAFETY: mimalloc allocates as `malloc` does: its blocks are disjoint, as large as asked for, stay until they are freed, and
// null means that there is no memory. Their alignment is the layout's, see `is_natural`.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        let block = if is_natural(size, align) {
            // SAFETY: it takes any size.
            unsafe { mi_malloc(size) }
        } else {
            // SAFETY: it takes any size, and a layout's alignment is a power of two.
            unsafe { mi_malloc_aligned(size, align) }
        };
        block.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        let block = if is_natural(size, align) {
            // SAFETY: it takes any size.
            unsafe { mi_zalloc(size) }
        } else {
            // SAFETY: it takes any size, and a layout's alignment is a power of two.
            unsafe { mi_zalloc_aligned(size, align) }
        };
        block.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller says that the block came from here and is used no more; any of them may be freed like this.
        unsafe { mi_free(block.cast()) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let align = layout.align();
        let block = if is_natural(size, align) {
            // SAFETY: the caller says that the block came from here; the size may be any.
            unsafe { mi_realloc(block.cast(), size) }
        } else {
            // SAFETY: as above, and a layout's alignment is a power of two.
            unsafe { mi_realloc_aligned(block.cast(), size, align) }
        };
        block.cast()
    }
}

/// `mi_option_arena_eager_commit` of mimalloc.h; its crate does not name it.
const ARENA_EAGER_COMMIT: mi_option_t = 4;

/// Has mimalloc ask for its memory as it needs it.
///
/// It would have all of its first arena at once, with advice for huge pages: the first blocks of a process then take two of
/// them, 4 MiB, where a server that is idle needs one. Before the first block, so when the library is loaded. Whoever sets
/// `MIMALLOC_ARENA_EAGER_COMMIT` has decided otherwise.
extern "C" fn commit_on_demand() {
    // SAFETY: it takes any value at any time, needs no memory, and there is one thread that knows of this library.
    unsafe { mi_option_set_default(ARENA_EAGER_COMMIT, 0) };
}

#[used]
// SAFETY: what is in this section is called with C's convention when the library is loaded; it needs nothing of Rust's runtime.
#[unsafe(link_section = ".init_array")]
static ON_LOAD: extern "C" fn() = commit_on_demand;

/// Has the system's allocator keep the memory that large messages were in for those that come next.
///
/// glibc maps a large block, and gives it back with all that is free at its heap's end, so that each message of a mebibyte
/// touches some thousand fresh pages: more than half of the kernel's time for such a call. For a process that is ours alone
/// to decide about; whoever has set the allocator's own variables has decided.
#[pyo3::pyfunction]
pub(crate) fn keep_freed_memory() {
    let decided = ["GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"];
    if !decided.iter().any(|variable| std::env::var_os(variable).is_some()) {
        set_thresholds();
    }
}

#[cfg(target_env = "gnu")]
fn set_thresholds() {
    /// Blocks of this size are mapped still; the largest message by default, in its envelope and twice over, is not.
    const MAPPED: libc::c_int = 16 << 20;
    /// At most so much stays that is free.
    const KEPT: libc::c_int = 64 << 20;
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, MAPPED), (libc::M_TRIM_THRESHOLD, KEPT)] {
        // SAFETY: it takes any value, at any time, and locks what it changes.
        if unsafe { libc::mallopt(parameter, value) } == 0 {
            tracing::debug!("mallopt({parameter}, {value}) was refused");
        }
    }
}

/// Other allocators have no such thing.
#[cfg(not(target_env = "gnu"))]
fn set_thresholds() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_env = "gnu")]
    #[test]
    fn a_mebibyte_is_not_mapped() {
        const BLOCKS: usize = 16;
        set_thresholds();
        // SAFETY: it only reads the allocator's counts.
        let mapped = || unsafe { libc::mallinfo2() }.hblks;
        let before = mapped();
        // SAFETY: it takes any size.
        let blocks: Vec<_> = (0..BLOCKS).map(|_| unsafe { libc::malloc(1 << 20) }).collect();
        let after = mapped();
        for block in blocks {
            assert!(!block.is_null());
            // SAFETY: it came from malloc, and is used no more.
            unsafe { libc::free(block) };
        }
        // Other tests may map what they need meanwhile.
        assert!(after.saturating_sub(before) < BLOCKS, "{before} before, {after} after");
    }

    #[test]
    fn the_first_arena_is_not_committed_at_once() {
        // SAFETY: it reads a number.
        let value = unsafe { libmimalloc_sys::mi_option_get(ARENA_EAGER_COMMIT) };
        assert_eq!(value, 0);
    }

    #[test]
    fn blocks_are_aligned_as_asked() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4096] {
            for size in (1..300).chain([1000, 1024, 5000, 70_000, 3_000_000]) {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: the layout's size is not 0.
                let block = unsafe { Allocator.alloc(layout) };
                assert!(!block.is_null() && (block as usize).is_multiple_of(align), "{layout:?}");
                // SAFETY: the block has this layout, and the new size is not 0.
                let block = unsafe { Allocator.realloc(block, layout, size * 3) };
                assert!(!block.is_null() && (block as usize).is_multiple_of(align), "{layout:?}");
                // SAFETY: the block has this layout since it was made larger, and is used no more.
                unsafe { Allocator.dealloc(block, Layout::from_size_align(size * 3, align).unwrap()) };
                // SAFETY: the layout's size is not 0.
                let zeroed = unsafe { Allocator.alloc_zeroed(layout) };
                assert!((zeroed as usize).is_multiple_of(align), "{layout:?}");
                // SAFETY: the block has that many bytes, all of them initialized.
                assert!(unsafe { std::slice::from_raw_parts(zeroed, size) }.iter().all(|byte| *byte == 0));
                // SAFETY: the block has this layout and is used no more.
                unsafe { Allocator.dealloc(zeroed, layout) };
            }
        }
    }
}
