//! How each family of rows is kept on disk.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, BlockBasedTablePinningTier, Cache, ColumnFamilyDescriptor, DBCompactionStyle,
    DBCompressionType, Options, UniversalCompactOptions, UniversalCompactionStopStyle,
};

use super::{ENTRIES, HEADS, LEAVES, LEDGER, META, RocksOptions, TILES};

/// The options of all families, which share one cache.
pub(super) struct Families {
    cache: Cache,
    write_buffer_bytes: usize,
}

impl Families {
    pub(super) fn new(options: RocksOptions) -> Self {
        Families { cache: Cache::new_lru_cache(options.block_cache_bytes), write_buffer_bytes: options.write_buffer_bytes }
    }

    /// Every family but the ledger's, which may be missing.
    pub(super) fn descriptors(&self) -> Vec<ColumnFamilyDescriptor> {
        let default = ColumnFamilyDescriptor::new(rocksdb::DEFAULT_COLUMN_FAMILY_NAME, Options::default());
        let ours = [META, ENTRIES, TILES, LEAVES, HEADS].map(|name| ColumnFamilyDescriptor::new(name, self.options(name)));
        std::iter::once(default).chain(ours).collect()
    }

    pub(super) fn options(&self, name: &str) -> Options {
        let mut family = Options::default();
        family.set_write_buffer_size((self.write_buffer_bytes / 4).max(1 << 20));
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_block_size(16 << 10);
        table.set_format_version(6);
        match name {
            // The same at all levels, so that a file moves down as it is: its keys are above those of all before it.
            ENTRIES => family.set_compression_type(DBCompressionType::Lz4),
            TILES => {
                family.set_compression_type(DBCompressionType::None); // hashes do not compress
                table.set_block_size(8 << 10); // a full tile is read without its neighbours
                // Full tiles are read past the cache, which then would not keep the indexes either. They take some 20 bytes a tile.
                table.set_unpartitioned_pinning_tier(BlockBasedTablePinningTier::All);
            }
            LEAVES => {
                family.set_compression_type(DBCompressionType::None);
                find_nothing_quickly(&mut table);
                merge_seldom(&mut family);
            }
            LEDGER => {
                family.set_compression_type(DBCompressionType::Lz4);
                table.set_block_size(4 << 10); // rows are read one by one and far apart
                filter(&mut family, &mut table);
            }
            HEADS => family.set_compression_type(DBCompressionType::Lz4),
            _ => {}
        }
        family.set_block_based_table_factory(&table);
        family
    }
}

/// For leaf hashes: every entry looks for its own, in every file, and nearly always there is none.
///
/// The filters stay in memory as long as their files are open, outside of the cache, where finding one would take longer than asking it: 1.75
/// bytes for each entry of the log. With 14 bits for each, one of a thousand look-ups reads a block for nothing.
fn find_nothing_quickly(table: &mut BlockBasedOptions) {
    table.set_cache_index_and_filter_blocks(false);
    table.set_bloom_filter(14.0, false);
    table.set_whole_key_filtering(true);
    table.set_block_size(8 << 10);
}

/// For leaf hashes: files come whole and each spans all of them, so merging four of about the same size rewrites a row once for each doubling
/// and redoubling of the log. By levels, of which each has ten times the one above, it would be rewritten several times in each.
fn merge_seldom(family: &mut Options) {
    let mut merge = UniversalCompactOptions::default();
    merge.set_min_merge_width(4);
    merge.set_size_ratio(50);
    merge.set_stop_style(UniversalCompactionStopStyle::Similar);
    // No row is ever replaced, so there is nothing to gain from merging all files.
    merge.set_max_size_amplification_percent(i32::MAX);
    // Nor is there after 30 days, when RocksDB would do so, with as much free disk again.
    family.set_ttl(0);
    family.set_periodic_compaction_seconds(0);
    family.set_compaction_style(DBCompactionStyle::Universal);
    family.set_universal_compaction_options(&merge);
    family.set_level_zero_file_num_compaction_trigger(12);
    family.set_target_file_size_base(256 << 20); // of large files few are open
    // A long merge lets more of them gather, which slows look-ups a little and is no reason to stop the log.
    family.set_level_zero_slowdown_writes_trigger(48);
    family.set_level_zero_stop_writes_trigger(64);
}

/// For families in which nearly every look-up is for something new: the filter answers it without a read.
///
/// Their keys are hashes, so look-ups go everywhere. Filters and indexes are therefore in small parts, each in the cache by itself: as one
/// piece for each file, of a megabyte, they would drive each other out of it and be read again for every look-up.
fn filter(family: &mut Options, table: &mut BlockBasedOptions) {
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(true);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(4 << 10);
    table.set_pin_top_level_index_and_filter(true);
    family.set_memtable_prefix_bloom_ratio(0.05);
    family.set_memtable_whole_key_filtering(true);
}
