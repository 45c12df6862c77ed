//! Certificates bent element by element, with every length around them put right again: what a
//! parser meets from someone who knows how it works.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::certificate::issuing::{issuing_limits, signature_by};
use crate::certificate::public_roots::{is_public_root, is_public_root_name};

/// One DER element, taken apart as far as it is made of others.
#[derive(Clone, Debug)]
struct Node {
    tag: u8,
    length: LengthForm,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Bytes(Vec<u8>),
    Nodes(Vec<Node>),
}

#[derive(Clone, Copy, Debug)]
enum LengthForm {
    Shortest,
    /// With more bytes than are needed, which BER allows and DER does not.
    Padded,
    /// BER's, up to an end-of-contents mark.
    Indefinite,
    /// Says this much more or less than there is.
    Wrong(i8),
}

impl Node {
    fn parse(element: der::Element<'_>) -> Self {
        let nodes = || der::elements(element.content).collect::<Option<Vec<_>>>();
        let content = match nodes().filter(|_| element.tag & 0x20 != 0) {
            Some(nodes) => Content::Nodes(nodes.into_iter().map(Self::parse).collect()),
            None => Content::Bytes(element.content.to_vec()),
        };
        Self { tag: element.tag, length: LengthForm::Shortest, content }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut content = Vec::new();
        match &self.content {
            Content::Bytes(bytes) => content.extend(bytes),
            Content::Nodes(nodes) => nodes.iter().for_each(|node| node.write(&mut content)),
        }
        out.push(self.tag);
        let length = content.len();
        let long = |out: &mut Vec<u8>, length: usize| {
            out.extend([0x84, (length >> 24) as u8, (length >> 16) as u8]);
            out.extend([(length >> 8) as u8, length as u8]);
        };
        match self.length {
            LengthForm::Shortest if length < 128 => out.push(length as u8),
            LengthForm::Shortest if length < 256 => out.extend([0x81, length as u8]),
            LengthForm::Shortest if length < 65_536 => {
                out.extend([0x82, (length >> 8) as u8, length as u8]);
            }
            LengthForm::Shortest | LengthForm::Padded => long(out, length),
            LengthForm::Indefinite => {
                out.push(0x80);
                content.extend([0, 0]);
            }
            LengthForm::Wrong(by) => long(out, length.saturating_add_signed(isize::from(by))),
        }
        out.extend(content);
    }

    fn count(&self) -> usize {
        match &self.content {
            Content::Bytes(_) => 1,
            Content::Nodes(nodes) => 1 + nodes.iter().map(Self::count).sum::<usize>(),
        }
    }

    /// The element at a place, counted through the whole tree.
    fn at(&mut self, mut place: usize) -> Option<&mut Self> {
        if place == 0 {
            return Some(self);
        }
        place -= 1;
        let Content::Nodes(nodes) = &mut self.content else { return None };
        for node in nodes {
            let count = node.count();
            if place < count {
                return node.at(place);
            }
            place -= count;
        }
        None
    }
}

#[derive(Clone, Debug)]
enum Bend {
    Tag(u8),
    Length(LengthForm),
    Bytes(Vec<u8>),
    Empty,
    /// Its own parts again, behind them.
    Doubled,
    Reversed,
    /// What stands at this place in another certificate.
    From(usize, Index),
    /// So many times inside itself.
    Nested(u8),
}

fn bend() -> impl Strategy<Value = Bend> {
    let form = prop_oneof![
        Just(LengthForm::Padded),
        Just(LengthForm::Indefinite),
        any::<i8>().prop_map(LengthForm::Wrong),
    ];
    prop_oneof![
        any::<u8>().prop_map(Bend::Tag),
        form.prop_map(Bend::Length),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bend::Bytes),
        Just(Bend::Empty),
        Just(Bend::Doubled),
        Just(Bend::Reversed),
        (any::<usize>(), any::<Index>()).prop_map(|(which, place)| Bend::From(which, place)),
        any::<u8>().prop_map(Bend::Nested),
    ]
}

impl Bend {
    fn apply(&self, node: &mut Node, others: &[Node]) {
        match self {
            Self::Tag(tag) => node.tag = *tag,
            Self::Length(form) => node.length = *form,
            Self::Bytes(bytes) => node.content = Content::Bytes(bytes.clone()),
            Self::Empty => node.content = Content::Bytes(Vec::new()),
            Self::Doubled => match &mut node.content {
                Content::Bytes(bytes) => bytes.extend_from_within(..),
                Content::Nodes(nodes) => nodes.extend_from_within(..),
            },
            Self::Reversed => match &mut node.content {
                Content::Bytes(bytes) => bytes.reverse(),
                Content::Nodes(nodes) => nodes.reverse(),
            },
            Self::From(which, place) => {
                let mut other = others[which % others.len()].clone();
                let place = place.index(other.count());
                *node = other.at(place).unwrap().clone();
            }
            Self::Nested(depth) => {
                for _ in 0..*depth {
                    let inner = node.clone();
                    node.length = LengthForm::Shortest;
                    node.content = Content::Nodes(vec![inner]);
                }
            }
        }
    }
}

/// Every certificate in testdata: all kinds of keys, signatures and names.
fn trees() -> &'static [Node] {
    static TREES: std::sync::OnceLock<Vec<Node>> = std::sync::OnceLock::new();
    TREES.get_or_init(|| {
        let names = every_name();
        names.iter().map(|name| Node::parse(der::element(&der(name)).unwrap().0)).collect()
    })
}

/// All that is asked of a certificate anywhere, within the bounds that are promised.
fn ask_everything(der: &[u8]) {
    let _ = issuing_limits(der);
    let _ = signature_by(der, der);
    let Certificate::Parsed(facts) = Certificate::from_der(der) else { return };
    assert!(facts.subject.chars().count() <= MAX_NAME_CHARS);
    assert!(facts.issuer.chars().count() <= MAX_NAME_CHARS);
    assert!(facts.san.dns.len() + facts.san.ip.len() <= SubjectAltNames::MAX);
    assert!(name_text(&facts.subject_der).is_some(), "a subject that was read is a name");
    let _ = CanonicalName::from_der(&facts.issuer_der);
    let _ = (is_public_root(&facts), is_public_root_name(&facts.subject_der));
}

#[test]
fn taking_apart_and_putting_together_changes_nothing() {
    assert!(trees().len() > 30);
    for name in ["server", "ec-explicit", "ed448"] {
        let original = der(name);
        let mut written = Vec::new();
        Node::parse(der::element(&original).unwrap().0).write(&mut written);
        assert_eq!(written, original, "{name}");
    }
}

#[test]
fn every_element_of_every_certificate_may_be_missing_empty_or_of_another_kind() {
    for tree in trees() {
        for place in 0..tree.count() {
            for bend in [Bend::Empty, Bend::Tag(0x05), Bend::Tag(0x30), Bend::Doubled] {
                let mut bent = tree.clone();
                bend.apply(bent.at(place).unwrap(), trees());
                let mut der = Vec::new();
                bent.write(&mut der);
                ask_everything(&der);
            }
        }
    }
}

#[test]
fn depth_costs_nothing() {
    let mut der = Vec::new();
    for _ in 0..2000 {
        let mut outer = vec![0x30, 0x83];
        let length = der.len();
        outer.extend([(length >> 16) as u8, (length >> 8) as u8, length as u8]);
        outer.extend(&der);
        der = outer;
    }
    ask_everything(&der);
    assert_eq!(name_text(&der), None);
    assert_eq!(CanonicalName::from_der(&der), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn bent_certificates_never_panic(
        which in any::<usize>(),
        bends in proptest::collection::vec((any::<Index>(), bend()), 1..5),
    ) {
        let trees = trees();
        let mut tree = trees[which % trees.len()].clone();
        for (place, bend) in bends {
            let place = place.index(tree.count());
            bend.apply(tree.at(place).unwrap(), trees);
        }
        let mut der = Vec::new();
        tree.write(&mut der);
        ask_everything(&der);
    }

    #[test]
    fn any_curve_and_any_point_is_a_key_or_a_reason(
        curve in proptest::collection::vec(any::<u8>(), 0..20),
        point in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let oid = [&[0x06, curve.len() as u8][..], &curve].concat();
        let algorithm = [&[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1][..], &oid].concat();
        let point = tlv(0x03, &[&[0][..], &point].concat());
        let der = built(&tlv(0x30, &[tlv(0x30, &algorithm), point].concat()), &[]);
        ask_everything(&der);
        if let Ok(facts) = parsed(&der) {
            prop_assert!(facts.self_signature != SelfSignature::Verified, "nobody signed it");
        }
    }

    #[test]
    fn any_extension_is_read_or_is_a_reason(
        last in prop_oneof![Just(0x0f), Just(0x11), Just(0x13), Just(0x1e), Just(0x25), any::<u8>()],
        value in proptest::collection::vec(any::<u8>(), 0..60),
        wrapped in any::<bool>(),
    ) {
        let value = if wrapped { tlv(0x30, &value) } else { value };
        let der = built(&rsa_spki(&[1; 256], &[3]), &extension(&[0x55, 0x1d, last], &value));
        ask_everything(&der);
    }

    #[test]
    fn parts_of_two_certificates_never_panic(
        first in any::<usize>(),
        second in any::<usize>(),
        cut in any::<Index>(),
        from in any::<Index>(),
    ) {
        let trees = trees();
        let written = |which: usize| {
            let mut der = Vec::new();
            trees[which % trees.len()].write(&mut der);
            der
        };
        let (first, second) = (written(first), written(second));
        let spliced =
            [&first[..cut.index(first.len())], &second[from.index(second.len())..]].concat();
        ask_everything(&spliced);
        let _ = signature_by(&first, &second);
    }

    #[test]
    fn names_of_garbage_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let name = tlv(0x30, &tlv(0x31, &tlv(0x30, &bytes)));
        for der in [&bytes, &name] {
            let _ = (CanonicalName::from_der(der), is_public_root_name(der), name_text(der));
        }
    }
}
