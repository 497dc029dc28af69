//! The labelled clips: where the program sees pauses, and where people did.
//!
//! A found pause and a true one are the same when they overlap by a part of their union (IoU); each counts once, and as
//! many as possible are matched. What is found on a camera that was put down, or on a hesitation, is wrong.
#![cfg(unix)]

use fieldeye_tests::inspect::{Inspect, clip};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What is reached; it only rises.
const FLOOR_AT_HALF: f64 = 1.0;
/// The same for matches that are nearly exact.
const FLOOR_AT_EIGHTY: f64 = 1.0;

type Span = (f64, f64);

#[derive(Debug, Clone, Copy, Default)]
struct Score {
    hits: usize,
    found: usize,
    real: usize,
}

impl Score {
    fn add(&mut self, other: Self) {
        self.hits += other.hits;
        self.found += other.found;
        self.real += other.real;
    }

    fn precision(self) -> f64 {
        if self.found == 0 { 1.0 } else { self.hits as f64 / self.found as f64 }
    }

    fn recall(self) -> f64 {
        if self.real == 0 { 1.0 } else { self.hits as f64 / self.real as f64 }
    }

    fn f1(self) -> f64 {
        let all = self.found + self.real;
        if all == 0 { 1.0 } else { 2.0 * self.hits as f64 / all as f64 }
    }
}

fn spans(value: &Value) -> Vec<Span> {
    let seconds = |span: &Value, key: &str| span[key].as_f64().expect("spans have times");
    let spans = value.as_array().expect("spans are a list").iter();
    let mut spans: Vec<Span> = spans.map(|span| (seconds(span, "start_s"), seconds(span, "end_s"))).collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    spans
}

fn overlap(a: Span, b: Span) -> f64 {
    (a.1.min(b.1) - a.0.max(b.0)).max(0.0)
}

fn iou(a: Span, b: Span) -> f64 {
    overlap(a, b) / (a.1.max(b.1) - a.0.min(b.0))
}

/// Greatest number of pairs, in order, that overlap by `least`.
fn hits(real: &[Span], found: &[Span], least: f64) -> usize {
    let mut best = vec![vec![0; found.len() + 1]; real.len() + 1];
    for i in (0..real.len()).rev() {
        for j in (0..found.len()).rev() {
            let pair = if iou(real[i], found[j]) >= least { best[i + 1][j + 1] + 1 } else { 0 };
            best[i][j] = pair.max(best[i + 1][j]).max(best[i][j + 1]);
        }
    }
    best[0][0]
}

fn table(scores: &BTreeMap<String, Score>) -> String {
    let mut text = format!("{:16}{:>6}{:>7}{:>10}{:>8}{:>7}\n", "", "real", "found", "precision", "recall", "F1");
    for (tag, score) in scores {
        let (precision, recall, f1) = (score.precision(), score.recall(), score.f1());
        let _ = writeln!(text, "{tag:16}{:6}{:7}{precision:10.3}{recall:8.3}{f1:7.3}", score.real, score.found);
    }
    text
}

#[test]
fn labelled_clips() {
    let folder = clip("pauses");
    let mut truths: Vec<_> = std::fs::read_dir(&folder).expect("clips").flatten().map(|entry| entry.path()).collect();
    truths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    truths.sort();
    assert_eq!(truths.len(), 12, "the clips in {}", folder.display());
    let mut scores = [BTreeMap::<String, Score>::new(), BTreeMap::new()];
    let mut wrong = Vec::new();
    for path in truths {
        let truth: Value = serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("JSON");
        let name = truth["clip"].as_str().expect("a clip has a name");
        let ended = Inspect::at(&folder.join(name)).json().run();
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.err);
        let seen = ended.json();
        let (real, found) = (spans(&truth["pauses"]), spans(&seen["pauses"]));
        for (score, least) in scores.iter_mut().zip([0.5, 0.8]) {
            let one = Score { hits: hits(&real, &found, least), found: found.len(), real: real.len() };
            let tags = truth["tags"].as_array().expect("tags").iter().map(|tag| tag.as_str().expect("text"));
            for tag in tags.chain(["ALL"]) {
                score.entry(tag.to_owned()).or_default().add(one);
            }
            if one.hits < one.found.max(one.real) {
                println!("{name} at {least}: real {real:?}, found {found:?}");
            }
        }
        // A pause may touch a hesitation before it, but not be one.
        for (kind, spans) in [("idle", spans(&truth["idle"])), ("hesitation", spans(&truth["hesitations"]))] {
            for pause in &found {
                let on_it = spans.iter().any(|span| overlap(*pause, *span) > 0.5 * (pause.1 - pause.0));
                if on_it {
                    wrong.push(format!("{name}: a pause on {kind} at {pause:?}"));
                }
            }
        }
        assert_eq!(spans(&seen["idle"]).len(), spans(&truth["idle"]).len(), "{name}: how often it was put down");
    }
    let [half, eighty] = &scores;
    println!("IoU 0.5\n{}\nIoU 0.8\n{}", table(half), table(eighty));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(half["ALL"].f1() >= FLOOR_AT_HALF, "F1 at IoU 0.5 fell below {FLOOR_AT_HALF}");
    assert!(eighty["ALL"].f1() >= FLOOR_AT_EIGHTY, "F1 at IoU 0.8 fell below {FLOOR_AT_EIGHTY}");
}

#[test]
fn as_many_as_possible_are_matched() {
    let real = [(0.0, 10.0), (10.0, 12.0)];
    assert_eq!(hits(&real, &[(0.0, 9.0), (10.0, 12.0)], 0.5), 2);
    assert_eq!(hits(&real, &[(0.0, 12.0)], 0.5), 1, "each counts once");
    assert_eq!(hits(&real, &[(20.0, 22.0)], 0.5), 0);
    // The first found fits both badly and one well enough.
    assert_eq!(hits(&[(0.0, 4.0), (4.0, 8.0)], &[(1.0, 4.0), (4.0, 7.0)], 0.7), 2);
}
