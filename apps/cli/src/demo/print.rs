//! How a message and its layers look on the screen.

use super::cast::Role;
use super::scenes::Show;
use crate::output::{BOLD, DIM, NAME, paint};

impl Show {
    pub(super) fn scene(&self, title: &str) {
        self.ui.line("");
        self.ui.line(&paint(BOLD, title));
    }

    /// A message, and in one line what the layers did with it.
    pub(super) fn short(&self, id: &str) {
        self.title(id);
        let Some(track) = self.ledger.track(id) else { return };
        let mut facts = Vec::new();
        if let Some(w) = &track.wrapped {
            let sizes = w.sizes.iter().chain(track.sealed.iter().map(|sealed| &sealed.bytes));
            let sizes: Vec<String> = sizes.filter(|n| **n > 0).map(ToString::to_string).collect();
            facts.push(format!("{} B", sizes.join("→")));
            facts.push(w.protection.clone());
            facts.push(w.route.clone());
        }
        if let Some(sealed) = &track.sealed {
            facts.push(format!("PoW {:.4}", sealed.pow));
            let relayed = self.ledger.was_relayed(&sealed.wire);
            facts.push(if relayed { "2 hops".to_owned() } else { "1 hop".to_owned() });
        }
        self.ui.line(&format!("         {}", paint(DIM, facts.join(" · "))));
    }

    /// Who, what, how far.
    fn title(&self, id: &str) {
        let Some(track) = self.ledger.track(id) else { return };
        let from = track.from.map_or("?", Role::name);
        let took =
            track.delivered.map(|d| format!(" after {:.0} ms", d.as_secs_f64() * 1e3)).unwrap_or_default();
        let state = paint(DIM, format!("{}{took}", track.state));
        self.ui.line(&format!("  {} {}  {state}", paint(NAME, format!("{from:<6}")), track.text));
    }

    /// What each layer did with a message.
    pub(super) fn layers(&self, id: &str) {
        let Some(track) = self.ledger.track(id) else { return };
        self.title(id);
        let row = |layer: &str, text: String| {
            self.ui.line(&format!("         {} {text}", paint(DIM, format!("{layer:<10}"))));
        };
        if let Some(wrapped) = &track.wrapped {
            let [text, metadata, sync, protocol] = wrapped.sizes;
            let short_id: String = id.chars().take(10).collect();
            row("data", format!("text {text} B → signed message {metadata} B, id {short_id}…"));
            if sync > 0 {
                row("data sync", format!("{sync} B, remembered until it is acknowledged"));
            }
            let session = wrapped.session.as_ref().map(|s| format!(", session {s}")).unwrap_or_default();
            row("security", format!("{}{session}, {protocol} B", protection(&wrapped.protection)));
        }
        if let Some(sealed) = &track.sealed {
            let route = track.wrapped.as_ref().map(|w| w.route.as_str()).unwrap_or_default();
            row(
                "privacy",
                format!("{route} {}, envelope {} B, PoW {:.4}", sealed.topic, sealed.bytes, sealed.pow),
            );
            let from = track.from.map_or("?", Role::name);
            let relay = if self.ledger.was_relayed(&sealed.wire) { " → relay" } else { "" };
            for (who, after) in &track.got {
                let ms = after.as_secs_f64() * 1e3;
                row("p2p", format!("{from}{relay} → {}, {ms:.0} ms", who.name()));
            }
        }
    }
}

/// The word for how a message was protected, in a sentence.
fn protection(word: &str) -> String {
    match word {
        "ratchet" => "Double Ratchet, a key of its own".to_owned(),
        "dh-only" => "one-off Diffie-Hellman, no device was known yet".to_owned(),
        "public" => "readable by everyone who knows the name".to_owned(),
        other => other.to_owned(),
    }
}
