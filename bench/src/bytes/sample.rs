//! The tree that is copied: as many files as asked for, of sizes as they are found in the wild (many small ones, a few
//! large, log-normal), half of them text and half of them noise, in directories of some two dozen. The same arguments
//! make the same tree.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Files of one directory, and directories of one directory.
const FILES: usize = 25;
const DIRECTORIES: usize = 16;
/// The deviation of the sizes' logarithm: the largest of 90,000 is some hundred times the mean.
const SPREAD: f64 = 1.6;

/// Makes the tree in `root`, which is made too. Bytes in files.
pub fn build(root: &Path, files: usize, bytes: u64) -> std::io::Result<u64> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let text = words(&mut random, 64 << 20);
    let sizes = sizes(&mut random, files, bytes);
    let mut buffer = Vec::new();
    fs::create_dir_all(root)?;
    let mut directory = root.to_owned();
    for (number, size) in sizes.iter().enumerate() {
        if number % FILES == 0 {
            let of = number / FILES;
            directory =
                root.join(format!("d{:02}", of % DIRECTORIES)).join(format!("e{:02}", of / DIRECTORIES % DIRECTORIES));
            directory.push(format!("f{:03}", of / DIRECTORIES / DIRECTORIES));
            fs::create_dir_all(&directory)?;
        }
        buffer.clear();
        let is_text = random.next().is_multiple_of(2);
        while buffer.len() < *size {
            let left = *size - buffer.len();
            if is_text {
                let from = random.below(text.len() - 1);
                buffer.extend_from_slice(&text[from..text.len().min(from + left)]);
            } else {
                buffer.extend(std::iter::repeat_with(|| random.next().to_le_bytes()).take(left.div_ceil(8)).flatten());
            }
        }
        buffer.truncate(*size);
        let name = format!("{number:05}.{}", if is_text { "txt" } else { "bin" });
        File::create(directory.join(name))?.write_all(&buffer)?;
    }
    Ok(sizes.iter().map(|size| *size as u64).sum())
}

fn sizes(random: &mut Random, files: usize, bytes: u64) -> Vec<usize> {
    let weights: Vec<f64> = (0..files).map(|_| (SPREAD * random.normal()).exp()).collect();
    let each = bytes as f64 / weights.iter().sum::<f64>();
    weights.into_iter().map(|weight| (weight * each) as usize).collect()
}

/// Lines of made-up words, the first ones far more often than the last.
fn words(random: &mut Random, length: usize) -> Vec<u8> {
    let vocabulary: Vec<Vec<u8>> =
        (0..4096).map(|_| (0..2 + random.below(9)).map(|_| b'a' + (random.below(26)) as u8).collect()).collect();
    let mut text = Vec::with_capacity(length + 16);
    while text.len() < length {
        let rank = random.below(64) * random.below(64);
        text.extend_from_slice(&vocabulary[rank]);
        text.push(if random.below(12) == 0 { b'\n' } else { b' ' });
    }
    text
}

/// xorshift64: quick, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        (((self.next() >> 32) * limit as u64) >> 32) as usize
    }

    /// Near enough to normal: the sum of twelve even ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| (self.next() >> 11) as f64 / (1_u64 << 53) as f64).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::bytes::same;

    #[test]
    fn the_same_tree_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let made = build(&dir.path().join("a"), 200, 1_000_000).unwrap();
        assert!((999_000..=1_000_000).contains(&made), "{made}");
        assert_eq!(build(&dir.path().join("b"), 200, 1_000_000).unwrap(), made);
        assert_eq!(same::compare_content(&dir.path().join("a"), &dir.path().join("b")).unwrap(), (200, made));
    }
}
