//! Gzip, of one member or several, to the end of what came. Files and bodies are unpacked here
//! alone, so that both are read whole or refused.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// The bytes with which each member begins.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The text of all members, one after the other.
pub(crate) struct Unpacked<R> {
    /// `None` after an error.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Unpacked<R> {
    pub(crate) fn new(packed: R) -> Self {
        Self {
            member: Some(GzDecoder::new(packed)),
        }
    }
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(member) = &mut self.member else {
                return Ok(0);
            };
            let count = member.read(into)?;
            if count > 0 {
                return Ok(count);
            }
            match member.get_mut().fill_buf()?.first() {
                None => return Ok(0),
                Some(first) if *first == MAGIC[0] => {
                    let packed = self.member.take().map(GzDecoder::into_inner);
                    self.member = packed.map(GzDecoder::new);
                }
                // Padding, or plain text that was appended: neither may be left out in silence.
                Some(_) => {
                    self.member = None;
                    let what = "bytes that are not gzip follow its last member";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    fn read(packed: &[u8], buffer: usize) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let packed = BufReader::with_capacity(buffer, packed);
        Unpacked::new(packed).read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn bytes_behind_the_last_member_are_an_error() {
        let packed = [member(b"a\n"), member(b"b\n")].concat();
        for behind in [&b"c\n"[..], b"\0", &packed[..5]] {
            let packed = [&packed[..], behind].concat();
            for buffer in [1, 7, 1_000] {
                assert!(read(&packed, buffer).is_err(), "{behind:?} by {buffer}");
            }
        }
        let error = read(&[&packed[..], b"c\n"].concat(), 100).unwrap_err();
        assert!(
            error.to_string().contains("follow its last member"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn any_members_are_read_whole_and_none_is_read_when_one_is_cut(
            texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..5),
            buffer in 1usize..60,
            cut in 1usize..18,
        ) {
            let members: Vec<Vec<u8>> = texts.iter().map(|text| member(text)).collect();
            let packed = members.concat();
            prop_assert_eq!(read(&packed, buffer).unwrap(), texts.concat());
            prop_assert!(read(&packed[..packed.len() - cut], buffer).is_err());
        }
    }
}
