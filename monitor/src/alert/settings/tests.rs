#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn made(text: &str) -> Result<Settings, String> {
    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct File {
        alerts: Section,
        webhook: Vec<WebhookSection>,
        mail: MailSection,
    }
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file: File = toml::from_str(&text.replace("SECRET", secret.to_str().unwrap())).unwrap();
    Settings::new(&file.alerts, file.webhook, file.mail, Vec::new()).map_err(|error| error.to_string())
}

const HOOK: &str = "[[webhook]]\nname = \"a\"\nsecret = \"SECRET\"\n";
const MAIL_TO: &str = "[mail]\nserver = \"mail.example\"\nfrom = \"Acta <acta@monitor.example>\"\nto = [\"desk@paper.example\"]\n";

#[test]
fn what_is_written_is_what_is_used() {
    assert!(Settings::default().webhooks.is_empty() && Settings::default().mail.is_none());
    let settings = made(&format!("{HOOK}url = \"https://a.example/\"\nmin_severity = \"error\"\n{MAIL_TO}")).unwrap();
    assert_eq!((settings.webhooks[0].name.as_str(), settings.webhooks[0].min_severity), ("a", Severity::Error));
    let mail = settings.mail.unwrap();
    assert_eq!((mail.port, mail.tls, mail.to.len()), (587, MailTls::Starttls, 1));
    assert!(made(&format!("{HOOK}url = \"http://10.0.0.1/\"\nallow_unencrypted = true\nallow = [\"10.0.0.0/8\"]")).is_ok());
}

#[test]
fn what_makes_no_sense_is_refused_by_its_key() {
    let mail = |more: &str| format!("{MAIL_TO}{more}");
    let hook = |more: &str| format!("{HOOK}{more}");
    let address = "url = \"https://a.example/\"\n";
    for (text, says) in [
        ("[alerts]\ngather = \"0s\"".to_owned(), "`alerts.gather` is 0"),
        ("[alerts]\nburst = 0".to_owned(), "`alerts.burst` is 0"),
        ("[alerts]\nurl = \"monitor\"".to_owned(), "`alerts.url`"),
        (hook(""), "not the address of a webhook"),
        (hook("url = \"ftp://a.example/\""), "not the address of a webhook"),
        (hook("url = \"https://user:word@a.example/\""), "not the address of a webhook"),
        (hook("url = \"http://a.example/\""), "not encrypted"),
        (hook(&format!("{address}allow = [\"10.0.0.0/99\"]")), "`webhook.allow`"),
        (hook(&format!("{address}timeout = \"0s\"")), "`webhook.timeout` is 0"),
        (hook(&format!("{address}max_attempts = 0")), "`webhook.max_attempts` is 0"),
        (format!("{HOOK}{address}{HOOK}{address}"), "webhook name \"a\""),
        (hook(address).replace("\"a\"", "\"mail\""), "webhook name \"mail\""),
        (hook(address).replace("\"a\"", "\"a b\""), "webhook name \"a b\""),
        (hook(address).replace("SECRET", "/nowhere"), "`webhook.secret` of a: cannot read"),
        ("[mail]\nserver = \"mail.example\"\nfrom = \"a@b.example\"".to_owned(), "`mail.to` names nobody"),
        (mail("").replace("desk@paper.example", "desk"), "no mail address"),
        (mail("").replace("desk@paper.example", "a@b.example\\r\\nBcc: c@d.example"), "no mail address"),
        (mail("").replace("Acta <acta@monitor.example>", ""), "`mail.from`"),
        (mail("user = \"acta\""), "go together"),
        (mail("user = \"acta\"\npassword = \"SECRET\"\ntls = \"none\""), "sent in the open"),
        (mail("user = \"acta\"\npassword = \"/nowhere\""), "`mail.password`: cannot read"),
    ] {
        let error = made(&text).map(|_| ()).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}
