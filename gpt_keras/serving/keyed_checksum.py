"""Strings come in, checksums that only who has the key can write go out."""

import tensorflow as tf

CHECKSUM_BYTES = 20
_BUCKETS = 2**63 - 1


def checksum(strings, key: tuple[int, int]):
    """Returns `CHECKSUM_BYTES` decimal digits for each string, `(batch,)`.

    Reference:
        Aumasson and Bernstein 2012, SipHash: a fast short-input PRF.
    """
    hashes = tf.strings.to_hash_bucket_strong(strings, _BUCKETS, list(key))
    return tf.strings.as_string(hashes, width=CHECKSUM_BYTES, fill="0")
