//! Certificates and keys from the files that settings name, for both sides of the gateway.
//!
//! What a newcomer would get wrong: to pass on what the library says of a key that it cannot read. It may show a part of it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::secret::Secret;

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("read {} ({setting})", path.display())]
    Read {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// A file holds nothing of what it should.
    #[error("find {what} in PEM in {} ({setting})", path.display())]
    Empty {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// They do not go together, or are not what they should be.
    #[error("use {setting}")]
    Unusable {
        /// The setting, or what is wrong with two.
        setting: &'static str,
        /// What the library said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads a file that a setting names.
///
/// # Errors
///
/// [`TlsError`].
pub fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { setting, path: path.to_owned(), source })
}

/// Takes the certificates out of a file.
///
/// # Errors
///
/// [`TlsError`].
pub fn certificates(setting: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| unusable(setting, error))?;
    if all.is_empty() {
        return Err(TlsError::Empty { setting, path: path.to_owned(), what: "a certificate" });
    }
    Ok(all)
}

/// Takes the private key out of a file.
///
/// # Errors
///
/// [`TlsError`].
pub fn private_key(setting: &'static str, path: &Path, pem: &Secret) -> Result<PrivateKeyDer<'static>, TlsError> {
    // The library's error is not passed on: it may show what it could not read.
    PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| TlsError::Empty {
        setting,
        path: path.to_owned(),
        what: "a private key",
    })
}

/// Takes certificates for authorities.
///
/// # Errors
///
/// [`TlsError`].
pub fn roots(setting: &'static str, certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| unusable(setting, error))?;
    }
    Ok(roots)
}

/// Returns from when until when the first of some certificates to end is valid, since 1970. One that does not tell its end in
/// a way that is known is passed over: whether it can be used is for others to say.
#[must_use]
pub fn first_to_end(certificates: &[CertificateDer<'_>]) -> Option<Range<Duration>> {
    certificates.iter().filter_map(|certificate| validity(certificate).ok()).min_by_key(|validity| validity.end)
}

/// The same of authorities, of which those that have ended already count only if there are no others: a bundle may hold
/// roots that ended long ago and that nobody misses. One that ends while the gateway runs is told of until the files are read
/// again.
#[must_use]
pub fn next_to_end(authorities: &[CertificateDer<'_>]) -> Option<Range<Duration>> {
    next_to_end_at(crate::clock::system(), authorities)
}

fn next_to_end_at(now: Duration, authorities: &[CertificateDer<'_>]) -> Option<Range<Duration>> {
    let validities = authorities.iter().filter_map(|certificate| validity(certificate).ok());
    validities.min_by_key(|validity| (validity.end <= now, validity.end))
}

/// Returns the two times in a certificate's validity (RFC 5280 §4.1.2.5). No more of it is read: what stands elsewhere, and in
/// what form, is for those who verify. A beginning that cannot be told, as one before 1970, is taken for 1970: what matters is
/// the end.
fn validity(certificate: &[u8]) -> der::Result<Range<Duration>> {
    let mut signed = within(AnyRef::from_der(certificate)?)?;
    let mut fields = within(signed.decode()?)?;
    // The first version has no version.
    if Tag::peek(&fields)?.is_context_specific() {
        fields.tlv_bytes()?;
    }
    let (_serial, _algorithm, _issuer) = (fields.tlv_bytes()?, fields.tlv_bytes()?, fields.tlv_bytes()?);
    let mut validity = within(fields.decode()?)?;
    let begin = time(validity.decode()?).unwrap_or_default();
    Ok(begin..time(validity.decode()?)?)
}

fn time(element: AnyRef<'_>) -> der::Result<Duration> {
    match element.tag() {
        Tag::UtcTime => element.decode_as::<UtcTime>().map(|time| time.to_unix_duration()),
        _ => element.decode_as::<GeneralizedTime>().map(|time| time.to_unix_duration()),
    }
}

fn within(element: AnyRef<'_>) -> der::Result<SliceReader<'_>> {
    SliceReader::new(element.value())
}

/// Says what could not be used.
#[must_use]
pub fn unusable(setting: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> TlsError {
    TlsError::Unusable { setting, source: source.into() }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// The first day of 1975, since 1970.
    const BEGIN: Duration = Duration::from_secs(157_766_400);

    fn ending(year: i32, month: u8, day: u8) -> CertificateDer<'static> {
        valid((1975, 1, 1), (year, month, day))
    }

    fn valid(from: (i32, u8, u8), until: (i32, u8, u8)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn the_end_is_read_in_both_forms_that_a_time_has() {
        for (year, month, day, seconds) in [
            (1999, 12, 31, 946_598_400),
            (2000, 2, 29, 951_782_400),
            (2049, 12, 31, 2_524_521_600),
            (2050, 1, 1, 2_524_608_000),
            (9999, 12, 31, 253_402_214_400),
        ] {
            assert_eq!(validity(&ending(year, month, day)), Ok(BEGIN..Duration::from_secs(seconds)), "{year}");
        }
    }

    #[test]
    fn the_beginning_is_read_in_both_forms_too_and_one_before_1970_is_taken_for_1970() {
        let end = Duration::from_secs(253_402_214_400);
        for (year, seconds) in [(1950, 0), (1970, 0), (2025, 1_735_689_600), (2050, 2_524_608_000)] {
            let certificate = valid((year, 1, 1), (9999, 12, 31));
            assert_eq!(validity(&certificate), Ok(Duration::from_secs(seconds)..end), "{year}");
        }
    }

    #[test]
    fn of_several_the_first_to_end_counts_and_what_is_no_certificate_does_not() {
        let first = valid((2025, 1, 1), (2030, 1, 1));
        let all = [ending(2040, 1, 1), first, b"no certificate".to_vec().into(), ending(2050, 1, 1)];
        assert_eq!(first_to_end(&all), Some(Duration::from_secs(1_735_689_600)..Duration::from_secs(1_893_456_000)));
        assert_eq!(first_to_end(&[b"\x30\x03\x30\x01\x00".to_vec().into()]), None);
        assert_eq!(first_to_end(&[]), None);
    }

    #[test]
    fn of_authorities_the_next_to_end_counts_as_long_as_there_is_one() {
        let all = [ending(2040, 1, 1), ending(2020, 1, 1), ending(2030, 1, 1), b"no certificate".to_vec().into()];
        for (now, next) in [((2019, 1, 1), 2020), ((2020, 1, 1), 2030), ((2039, 1, 1), 2040), ((2050, 1, 1), 2020)] {
            let (year, month, day) = now;
            let now = validity(&ending(year, month, day)).unwrap().end;
            let expected = validity(&ending(next, 1, 1)).unwrap();
            assert_eq!(next_to_end_at(now, &all), Some(expected), "{year}");
        }
    }

    #[test]
    fn a_certificate_of_the_first_version_which_tells_no_version_has_its_end_too() {
        // A serial number, an algorithm, an issuer, then the validity: `CERT(TBS(INT, SEQ, SEQ, SEQ(UTC, UTC)))`.
        let times = [&b"\x17\x0d200101000000Z"[..], b"\x17\x0d300101000000Z"].concat();
        let validity = [&[0x30, times.len() as u8][..], &times].concat();
        let fields = [&b"\x02\x01\x07\x30\x00\x30\x00"[..], &validity].concat();
        let signed = [&[0x30, fields.len() as u8][..], &fields].concat();
        let certificate = [&[0x30, signed.len() as u8][..], &signed].concat();
        let (begin, end) = (Duration::from_secs(1_577_836_800), Duration::from_secs(1_893_456_000));
        assert_eq!(super::validity(&certificate), Ok(begin..end));
    }

    #[test]
    fn no_part_of_a_certificate_makes_reading_it_panic() {
        let whole = ending(2030, 1, 1);
        for length in 0..whole.len() {
            let _ = validity(&whole[..length]);
            let mut odd = whole.to_vec();
            odd[length] ^= 0x81;
            let _ = validity(&odd);
        }
    }
}
