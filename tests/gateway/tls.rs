//! TLS to clients and to the upstream: who is trusted, what is shown, and what happens when files change.

use chathub_gateway::gateway::Ended;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::certificates::{Authority, Files, Identity, connect};
use crate::support::emulator::Emulator;
use crate::support::gateway::{Builder, Gateway};
use crate::support::http2::Http2;
use crate::support::{eventually, soon};

const GET: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// A gateway that shows a certificate.
fn showing(chathub: &Emulator, files: &Files, shown: &Identity) -> Builder {
    let (certificate, key) = (files.write("tls.crt", &shown.certificate), files.write("tls.key", &shown.key));
    Gateway::before(chathub).set(&format!("server.tls_certificate = '{certificate}'\nserver.tls_key = '{key}'"))
}

/// Asks over HTTP/1.1, and returns what came, or nothing if the handshake failed at last.
async fn answered(stream: std::io::Result<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>) -> String {
    let Ok(mut stream) = stream else { return String::new() };
    let mut answer = String::new();
    if stream.write_all(GET.as_bytes()).await.is_ok() {
        // Whoever is refused is told by a reset.
        let _ = soon(stream.read_to_string(&mut answer)).await;
    }
    answer
}

#[tokio::test]
async fn clients_speak_either_version_over_tls_as_they_agree() {
    let (chathub, authority, files) = (Emulator::start().await, Authority::new(), Files::of("tls_versions"));
    let gateway = showing(&chathub, &files, &authority.vouch()).start().await;
    let connected = |protocols: &'static [&'static str]| connect(gateway.address(), &authority, None, protocols);

    let stream = connected(&["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(Http2::over(stream).await.ask("GET /", &[], "").await.status, 200);

    for protocols in [&["http/1.1"][..], &[]] {
        let answer = answered(connected(protocols).await).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{protocols:?}: {answer}");
    }
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_closed_and_counted() {
    let (chathub, authority, files) = (Emulator::start().await, Authority::new(), Files::of("tls_plain"));
    let gateway = showing(&chathub, &files, &authority.vouch()).start().await;
    let mut connection = gateway.connect().await;

    connection.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;

    connection.rest().await;
    gateway.reaches(r#"connections_closed_total{cause="tls-handshake"}"#, 1.0).await;
    assert_eq!(chathub.total(), 0);
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_another_is_closed_without_a_handshake_and_counted() {
    let (chathub, authority, files) = (Emulator::start().await, Authority::new(), Files::of("tls_bound"));
    let gateway = showing(&chathub, &files, &authority.vouch()).set("server.max_connections_per_peer = 1");
    let gateway = gateway.start().await;
    let held = connect(gateway.address(), &authority, None, &[]).await.unwrap();

    connect(gateway.address(), &authority, None, &[]).await.unwrap_err();

    gateway.reaches(r#"connections_closed_total{cause="max-per-peer"}"#, 1.0).await;
    assert_eq!(answered(Ok(held)).await.lines().next(), Some("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_handshake_that_is_not_made_does_not_hold_up_the_end() {
    let (chathub, authority, files) = (Emulator::start().await, Authority::new(), Files::of("tls_silent"));
    let gateway = showing(&chathub, &files, &authority.vouch()).set("server.head_timeout = '1h'").start().await;
    let silent = gateway.connect().await;
    gateway.reaches("connections", 1.0).await;

    assert_eq!(gateway.stop().await, Ended::Drained);

    drop(silent);
}

#[tokio::test]
async fn only_clients_with_a_certificate_of_the_authority_are_served_if_there_is_one() {
    let (chathub, authority, files) = (Emulator::start().await, Authority::new(), Files::of("tls_clients"));
    let ca = files.write("ca.crt", &authority.pem());
    let gateway = showing(&chathub, &files, &authority.vouch());
    let gateway = gateway.set(&format!("server.tls_client_ca = '{ca}'")).start().await;
    let (known, stranger) = (authority.vouch(), Authority::new().vouch());

    for (shown, is_served) in [(Some(&known), true), (Some(&stranger), false), (None, false)] {
        let answer = answered(connect(gateway.address(), &authority, shown, &[]).await).await;
        assert_eq!(answer.starts_with("HTTP/1.1 200 OK\r\n"), is_served, "{answer}");
    }
    assert_eq!(chathub.total(), 1);
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_wrong_one_changes_nothing() {
    let (chathub, old, new, files) =
        (Emulator::start().await, Authority::new(), Authority::new(), Files::of("tls_reload"));
    let gateway = showing(&chathub, &files, &old.vouch()).start().await;
    let (gateway, old, new) = (&gateway, &old, &new);
    let is_trusted_by = |authority| async move { connect(gateway.address(), authority, None, &[]).await.is_ok() };
    let mut kept = connect(gateway.address(), old, None, &[]).await.unwrap();

    files.write("tls.key", "no key");
    gateway.reaches(r#"tls_reloads_total{outcome="failed"}"#, 1.0).await;
    assert!(is_trusted_by(old).await);

    let identity = new.vouch();
    files.write("tls.crt", &identity.certificate);
    files.write("tls.key", &identity.key);
    eventually(|| is_trusted_by(new), |is_trusted| *is_trusted).await;

    assert!(!is_trusted_by(old).await);
    assert_eq!(gateway.metrics().await.value(r#"tls_reloads_total{outcome="done"}"#), 1.0);
    kept.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(kept.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "the connection that was there goes on");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_by_their_setting_at_the_start() {
    let (chathub, authority, files) = (Emulator::start().await, Authority::new(), Files::of("tls_wrong"));
    let (one, other) = (authority.vouch(), authority.vouch());
    let empty = files.write("empty.pem", "");
    let mixed = Identity { key: other.key, ..one.clone() };
    let no_key = Identity { key: "secret".to_owned(), ..one.clone() };
    let cases = [
        (showing(&chathub, &Files::of("tls_mixed"), &mixed), "use server.tls_certificate with server.tls_key"),
        (showing(&chathub, &Files::of("tls_no_key"), &no_key), "find a private key in PEM in"),
        (
            showing(&chathub, &files, &one).set(&format!("server.tls_client_ca = '{empty}'")),
            "find a certificate in PEM in",
        ),
        (Gateway::before(&chathub).set("upstream.ca_file = '/nowhere'"), "read /nowhere (upstream.ca_file)"),
    ];
    for (gateway, expected) in cases {
        let error = gateway.try_bind().unwrap_err();
        let said = chathub_gateway::error::chain(&*error);
        assert!(said.contains(expected) && !said.contains("secret"), "{said}");
    }
}

#[tokio::test]
async fn the_upstream_is_trusted_by_a_file_and_shown_a_certificate() {
    let (chathub, authority, files) = (Emulator::start().await, Authority::new(), Files::of("tls_upstream"));
    let (ca, shown) = (files.write("ca.crt", &authority.pem()), authority.vouch());
    let (certificate, key) = (files.write("client.crt", &shown.certificate), files.write("client.key", &shown.key));
    // Another gateway is a server that wants a certificate.
    let upstream = showing(&chathub, &files, &authority.vouch());
    let upstream = upstream.set(&format!("server.tls_client_ca = '{ca}'")).start().await;
    let url = format!("https://localhost:{}", upstream.address().port());
    let trusts = format!("upstream.ca_file = '{ca}'\n");
    let shows = format!("upstream.client_certificate = '{certificate}'\nupstream.client_key = '{key}'");
    for (settings, status) in [(trusts.clone() + &shows, 200), (trusts, 502), (shows, 502)] {
        let gateway = Gateway::before_url(&url).set(&settings).start().await;
        let answer = gateway.anybody().ask("GET /").send().await;
        assert_eq!(answer.status, status, "{settings}");
        if status == 200 {
            assert_eq!(answer.values("via"), ["1.1 chathub-gateway"; 2], "they agreed on HTTP/1.1");
        }
    }
    assert_eq!(chathub.total(), 1);
}

/// The last day of a year, as certificates here end, since 1970.
fn end_of(year: i32) -> f64 {
    rcgen::date_time_ymd(year, 12, 31).unix_timestamp() as f64
}

/// The metric of each use that a certificate has: of the server, its clients' authorities, the upstream's, and our own.
async fn ends(gateway: &Gateway) -> [f64; 4] {
    times(gateway, "expiry").await
}

async fn times(gateway: &Gateway, which: &str) -> [f64; 4] {
    let metrics = gateway.metrics().await;
    ["server", "server_client_ca", "upstream_ca", "upstream_client"]
        .map(|of| metrics.value(&format!(r#"tls_certificate_{which}_timestamp_seconds{{certificate="{of}"}}"#)))
}

#[tokio::test]
async fn an_operator_can_see_when_the_certificates_in_use_end_and_that_a_new_one_ends_later() {
    let (chathub, files) = (Emulator::start().await, Files::of("tls_ends"));
    let (authority, other) = (Authority::until(2033), Authority::until(2044));
    // Of a chain, and of several authorities, the first to end counts.
    let mut shown = authority.vouch_until(2031);
    shown.certificate += &authority.pem();
    let several = files.write("several.crt", &(other.pem() + &authority.pem()));
    let ca = files.write("ca.crt", &other.pem());
    let client = other.vouch_until(2035);
    let (certificate, key) = (files.write("client.crt", &client.certificate), files.write("client.key", &client.key));
    let settings = format!(
        "server.tls_client_ca = '{several}'\nupstream.ca_file = '{ca}'\n\
        upstream.client_certificate = '{certificate}'\nupstream.client_key = '{key}'"
    );
    let gateway = &showing(&chathub, &files, &shown).set(&settings).start().await;
    assert_eq!(ends(gateway).await, [2031, 2033, 2044, 2035].map(end_of));

    files.write("tls.key", "no key");
    gateway.reaches(r#"tls_reloads_total{outcome="failed"}"#, 1.0).await;
    assert_eq!(ends(gateway).await[0], end_of(2031), "it is the old one that is in use");

    let renewed = authority.vouch_until(2032);
    files.write("tls.crt", &renewed.certificate);
    files.write("tls.key", &renewed.key);
    gateway.reaches(r#"tls_reloads_total{outcome="done"}"#, 1.0).await;
    assert_eq!(ends(gateway).await, [2032, 2033, 2044, 2035].map(end_of));
}

#[tokio::test]
async fn an_operator_can_see_how_much_of_its_life_the_certificate_that_ends_first_has_had() {
    let (chathub, files) = (Emulator::start().await, Files::of("tls_begins"));
    let authority = Authority::until(2033);
    // Its authority is valid for longer, and longer already.
    let mut shown = authority.vouch_within(2026, 2031);
    shown.certificate += &authority.pem();
    let gateway = &showing(&chathub, &files, &shown).start().await;
    assert_eq!(times(gateway, "begin").await, [end_of(2025) + 86_400.0, 0.0, 0.0, 0.0]);
    assert_eq!(ends(gateway).await, [end_of(2031), 0.0, 0.0, 0.0]);
}
