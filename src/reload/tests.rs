//! On real files, and without waiting for the poll.

use std::time::Duration;

use tokio::time::sleep;

use super::*;

/// A directory of files, named for its test and taken away in the end.
struct Directory(PathBuf);

impl Directory {
    fn of(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("chathub-gateway-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Puts a link in the place of another in one step, as Kubernetes does with what a volume shows.
    fn link(&self, to: &str, name: &str) {
        let new = self.0.join("..new");
        std::os::unix::fs::symlink(to, &new).unwrap();
        std::fs::rename(new, self.0.join(name)).unwrap();
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn source(file: &Path) -> Source {
    Source::new(Arguments { config: Some(file.to_owned()), ..Arguments::default() }, [])
}

impl Source {
    /// Returns whether a file has changed that was read last.
    fn has_changed(&self) -> bool {
        self.files.now() != self.files
    }
}

#[test]
fn a_link_to_another_directory_in_the_place_of_the_first_is_seen() {
    let directory = Directory::of("reload-link");
    directory.write("..1/settings.toml", "cache.operators_ttl = '1s'");
    directory.write("..2/settings.toml", "cache.operators_ttl = '2s'");
    directory.link("..1", "..data");
    directory.link("..data/settings.toml", "settings.toml");
    let mut source = source(&directory.0.join("settings.toml"));
    assert_eq!(source.read().unwrap().config.cache.operators_ttl, Duration::from_secs(1));
    assert!(!source.has_changed());

    directory.link("..2", "..data");

    assert!(source.has_changed());
    assert_eq!(source.read().unwrap().config.cache.operators_ttl, Duration::from_secs(2));
    assert!(!source.has_changed());
}

#[test]
fn a_file_that_is_wrong_or_gone_is_told_of_once_and_looked_at_on() {
    let directory = Directory::of("reload-wrong");
    let file = directory.write("settings.toml", "cache.operators_ttl = '1s'");
    let mut source = source(&file);
    source.read().unwrap();

    directory.write("settings.toml", "cache.operators_ttl = 1");
    assert!(source.has_changed());
    assert!(matches!(source.read(), Err(Unfit::Problems(_))));
    assert!(!source.has_changed());

    std::fs::remove_file(&file).unwrap();
    assert!(source.has_changed());
    assert!(source.read().is_err());
    assert!(!source.has_changed());

    directory.write("settings.toml", "cache.operators_ttl = '3s'");
    assert!(source.has_changed());
    source.read().unwrap();
}

#[test]
fn quotas_of_single_credentials_and_their_credentials_are_looked_at_too() {
    let directory = Directory::of("reload-credentials");
    let token = directory.write("token", "first");
    let quotas = directory.write("quotas.toml", "[a]\nfile = 'token'\nother = { rate = '1/s', burst = 1 }");
    let file = directory.write("settings.toml", &format!("throttle.credentials_file = '{}'", quotas.display()));
    let mut source = source(&file);
    assert!(source.read().unwrap().credentials.of(b"first").is_some());

    directory.write("token", "second");
    assert!(source.has_changed());
    let credentials = source.read().unwrap().credentials;
    assert!(credentials.of(b"first").is_none() && credentials.of(b"second").is_some());

    std::fs::remove_file(&token).unwrap();
    assert!(source.has_changed());
    assert!(source.read().is_err(), "all is refused, though the settings are good");
}

#[test]
fn the_upstreams_authorities_are_read_again_only_if_they_have_changed() {
    let directory = Directory::of("reload-trust");
    let authority = || {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem()
    };
    let ca = directory.write("ca.crt", &authority());
    let text = format!("upstream.ca_file = '{}'", ca.display());
    let file = directory.write("settings.toml", &text);
    let mut source = source(&file);
    let first = source.read().unwrap().trust;

    directory.write("settings.toml", &format!("{text}\ncache.operators_ttl = '1s'"));
    assert!(Arc::ptr_eq(&first, &source.read().unwrap().trust), "connections to the upstream can stay");

    directory.write("ca.crt", &authority());
    assert!(source.has_changed());
    assert!(!Arc::ptr_eq(&first, &source.read().unwrap().trust));

    directory.write("ca.crt", "nothing of the kind");
    assert!(source.has_changed());
    assert!(matches!(source.read(), Err(Unfit::Tls(_))));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_read_when_it_is_whole() {
    let directory = Directory::of("reload-halves");
    let file = directory.write("settings.toml", "cache.operators_ttl = '1s'");
    let mut source = source(&file);
    source.read().unwrap();
    let began = tokio::time::Instant::now();
    let changes = source.files.change();
    let writing = async {
        sleep(Duration::from_millis(1900)).await;
        directory.write("settings.toml", "");
        sleep(Duration::from_millis(200)).await;
        directory.write("settings.toml", "cache.operators_ttl = ");
        sleep(Duration::from_millis(200)).await;
        directory.write("settings.toml", "cache.operators_ttl = '2s'");
    };
    futures_util::future::join(changes, writing).await;
    let took = began.elapsed().as_millis();
    assert!((2750..2760).contains(&took), "{took} ms; at 2250 and 2500 it had just changed");
    assert_eq!(source.read().unwrap().config.cache.operators_ttl, Duration::from_secs(2));
}
