//! All that runs in the demo: a log, and three witnesses that are asked to cosign its heads.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::{Exit, Failure, say, wrong_file};
use super::server::{Program, Server};
use super::watch::Watch;
use super::{ORIGIN, THREE};

/// How long a request for a receipt waits before the log answers that it has the entry, and no witnesses yet: shorter than it would be for
/// real, since the demo's reader waits too.
const SETTINGS: &str = "[http]\nreceipt_timeout = \"1s\"\n";

const LOG_KEY: &str = "log/log.vkey";

/// The processes. What does not run is `None`.
pub(super) struct Town {
    pub(super) log: Option<Server>,
    /// A copy of it, in the wrong hands.
    pub(super) copy: Option<Server>,
    pub(super) witnesses: Witnesses,
    /// What a monitor watches besides, and the monitor.
    pub(super) watch: Watch,
}

/// The witnesses, and the policy that names them.
pub(super) struct Witnesses {
    directory: PathBuf,
    servers: [Option<Server>; 3],
    /// Where each listens, also while it is stopped: the policy says so.
    addresses: [String; 3],
}

impl Town {
    /// In that directory; nothing runs yet.
    pub(super) fn new(directory: &Path) -> Self {
        let witnesses = Witnesses { directory: directory.to_owned(), servers: [const { None }; 3], addresses: Default::default() };
        Town { log: None, copy: None, witnesses, watch: Watch::default() }
    }

    /// Creates the log if there is none; `more` stands behind its name. Creates the witnesses that there are not yet, starts all of them,
    /// writes the policy that names them, and starts the log under it.
    pub(super) async fn start(&mut self, more: &[&str]) -> Result<(), Failure> {
        let directory = &self.witnesses.directory;
        if !directory.join("log/policy").exists() {
            let arguments = [&["init", "--dir", "log", "--origin", ORIGIN], more].concat();
            say(format_args!("   $ acta-log {}", arguments.join(" ")))?;
            Program::Log.run(directory, &arguments).await?;
        }
        say(
            "   Three witnesses, whom others would run, make keys of their own. Two of the three must have signed a state of the log before",
        )?;
        say("   anybody gets to see it:")?;
        self.witnesses.start().await?;
        self.log = Some(self.serve("log", &[]).await?);
        Ok(())
    }

    /// Serves a log, in the directory `log` or in one beside it.
    pub(super) async fn serve(&self, name: &str, more: &[&str]) -> Result<Server, Failure> {
        let arguments = [&["--listen", "127.0.0.1:0", "--config", "log.toml"], more].concat();
        Server::start(Program::Log, &self.witnesses.directory, name, &arguments).await
    }

    pub(super) async fn stop(&mut self) {
        self.watch.stop().await;
        stop(&mut self.log).await;
        stop(&mut self.copy).await;
        for server in &mut self.witnesses.servers {
            stop(server).await;
        }
    }
}

/// Stops what runs.
pub(super) async fn stop(server: &mut Option<Server>) {
    if let Some(mut server) = server.take() {
        server.stop().await;
    }
}

impl Witnesses {
    async fn start(&mut self) -> Result<(), Failure> {
        for (number, name) in THREE.into_iter().enumerate() {
            if !self.directory.join(name).exists() {
                for arguments in [vec!["init", "--dir", name, "--name", name], vec!["logs", "add", "--dir", name, "--vkey", LOG_KEY]] {
                    if number == 0 {
                        say(format_args!("   $ acta-witness {}", arguments.join(" ")))?;
                    }
                    Program::Witness.run(&self.directory, &arguments).await?;
                }
            }
            self.serve(number, "127.0.0.1:0").await?;
        }
        self.write("log.toml", SETTINGS)?;
        self.write("log/policy", &self.policy(2)?)
    }

    pub(super) async fn stop(&mut self, number: usize) {
        stop(&mut self.servers[number]).await;
    }

    /// Starts a witness again where it was.
    pub(super) async fn restart(&mut self, number: usize) -> Result<(), Failure> {
        let address = self.addresses[number].trim_start_matches("http://").to_owned();
        // For a moment another connection of this machine may have the port.
        for _ in 0..2 {
            if self.serve(number, &address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        self.serve(number, &address).await
    }

    async fn serve(&mut self, number: usize, listen: &str) -> Result<(), Failure> {
        let server = Server::start(Program::Witness, &self.directory, THREE[number], &["--listen", listen]).await?;
        self.addresses[number].clone_from(&server.addresses().url);
        self.servers[number] = Some(server);
        Ok(())
    }

    /// Where a witness listens.
    pub(super) fn address(&self, number: usize) -> &str {
        &self.addresses[number]
    }

    /// A policy that lists the log and the witnesses, and needs as many of these. With none, it is whom one knows, and believes the log
    /// alone.
    pub(super) fn policy(&self, needed: usize) -> Result<String, Failure> {
        let mut policy = format!("log {}\n", self.read(LOG_KEY)?.trim_end());
        for (name, address) in THREE.into_iter().zip(&self.addresses) {
            let keys = self.read(&format!("{name}/witness.vkey"))?;
            let keys: Vec<&str> = keys.lines().collect();
            let [ed25519, ml_dsa] = keys[..] else {
                return Err(Exit::Usage.because(format!("{name}/witness.vkey does not have two keys; remove {name} and start again")));
            };
            policy += &format!("witness {name}-ed {ed25519} {address}\nwitness {name}-pq {ml_dsa} {address}\n");
            // Whoever holds both keys has one vote.
            policy += &format!("group {name} any {name}-ed {name}-pq\n");
        }
        policy += &match needed {
            0 => "quorum none\n".to_owned(),
            needed => format!("group witnesses {needed} {}\nquorum witnesses\n", THREE.join(" ")),
        };
        Ok(policy)
    }

    fn read(&self, name: &str) -> Result<String, Failure> {
        let path = self.directory.join(name);
        fs::read_to_string(&path).map_err(|error| wrong_file(&path, error))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.directory.join(name);
        fs::write(&path, text).map_err(|error| wrong_file(&path, error))
    }
}
