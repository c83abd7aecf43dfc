//! The node's key on disk.

use std::path::Path;

use rand_core::CryptoRng;
use undertone_devp2p::NodeKey;
use undertone_runtime::write_private;

use crate::NodeError;

/// Reads the node key of `file` (64 hexadecimal digits, as geth keeps it), or makes one there, readable by its
/// owner only.
///
/// # Errors
/// [`NodeError::NodeKey`] when the file holds something else, [`NodeError::File`] when it cannot be written.
pub fn load_or_make_node_key(file: &Path, rng: &mut (impl CryptoRng + ?Sized)) -> Result<NodeKey, NodeError> {
    match std::fs::read_to_string(file) {
        Ok(text) => NodeKey::from_hex(&text).map_err(|_| NodeError::NodeKey(file.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = NodeKey::random(rng);
            let mut text = zeroize::Zeroizing::new(String::with_capacity(65));
            for byte in key.secret().expose() {
                use std::fmt::Write;
                let _ = write!(text, "{byte:02x}");
            }
            write_private(file, text.as_bytes())?;
            Ok(key)
        }
        Err(_) => Err(NodeError::NodeKey(file.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use undertone_support::rng;

    #[test]
    fn a_node_keeps_its_key_and_refuses_a_broken_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nodekey");
        let first = load_or_make_node_key(&file, &mut rng(1)).unwrap();
        let second = load_or_make_node_key(&file, &mut rng(2)).unwrap();
        assert_eq!(first.public(), second.public());
        std::fs::write(&file, "not a key").unwrap();
        let error = load_or_make_node_key(&file, &mut rng(3)).unwrap_err();
        assert_eq!(error.code(), "node.key_file");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a key");
    }
}
