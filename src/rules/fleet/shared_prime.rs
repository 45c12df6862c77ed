//! RSA moduli that have a prime in common: each gives away the other's private key.

use std::collections::{BTreeMap, BTreeSet};

use num_bigint::BigUint;
use num_integer::Integer as _;
use sha2::{Digest as _, Sha256};

use super::{Fleet, FleetRule, FleetViolation, ModulusSeen, ids, named};
use crate::certificate::batch_gcd::common_divisors;
use crate::certificate::key::recovered::recover;
use crate::certificate::key::small_factor::LIMIT;
use crate::finding::Severity;

pub static KEY_SHARED_PRIME: FleetRule = FleetRule {
    name: "key-shared-prime",
    severity: Severity::Critical,
    title: "RSA keys with a prime in common",
    why: "The greatest common divisor of two public keys is all it takes to have both private \
          keys. Machines that make keys before they have gathered randomness, at first boot or in \
          a fresh container, make such keys.",
    detection: "The batch greatest common divisor of all RSA moduli of the scan, and of earlier ones \
                that a history keeps, finds a factor that two different moduli share. The private exponent is rebuilt from the factor, and \
                what it signs must verify. The same modulus on two hosts is a reused key and not \
                this. Factors are not written to the report.",
    remediation: "Make a new key on every host named, with an up-to-date OpenSSL and after the \
                  machine has been up for a while, and a new certificate for it; have the old ones \
                  revoked:\
                  \n\n    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \\\
                  \n      -subj \"/CN=$(hostname -f)\" -keyout server-key.pem -out server.csr\
                  \n\nFind out what made the keys, a device's firmware or an image's first boot: \
                  it will make more of them.",
    cwe: Some(331),
    references: &[
        "N. Heninger and others, Mining Your Ps and Qs, USENIX Security 2012",
        "https://factorable.net/",
    ],
    check,
};

/// Bits of moduli that are compared in one go, what bounds the memory: some 1.1 GB for the 65,536
/// keys of 2048 bits that this is.
const RUN_BITS: u64 = 1 << 27;
/// Pairs that are compared one by one to separate the factors of those that share.
const PAIRS: usize = 5_000;
/// How often a private key is rebuilt, as each takes milliseconds.
const PROOFS: usize = 200;

fn check(fleet: &Fleet) -> Vec<FleetViolation> {
    // Even numbers are no keys, and would all share the factor 2.
    let keys: Vec<(&BigUint, &ModulusSeen)> =
        fleet.rsa.iter().filter(|(modulus, _)| modulus.is_odd() && modulus.bits() > 64).collect();
    let moduli: Vec<&BigUint> = keys.iter().map(|(modulus, _)| *modulus).collect();
    let mut proofs = 0;
    let Groups { factors, open } = groups(&moduli, &divisors(&moduli));
    let concerns_this_run =
        open.iter().filter_map(|at| keys.get(*at)).any(|(_, seen)| fleet.is_present(seen));
    let open = concerns_this_run.then(|| not_separated(fleet, &keys, &open));
    factors
        .into_iter()
        .filter_map(|(factor, members)| {
            let members: Vec<(&BigUint, &ModulusSeen)> =
                members.iter().filter_map(|at| keys.get(*at)).copied().collect();
            // What earlier runs alone showed was said then.
            let concerns_this_run = members.iter().any(|(_, seen)| fleet.is_present(seen));
            concerns_this_run.then(|| violation(fleet, &factor, &members, &mut proofs))
        })
        .chain(open)
        .collect()
}

/// Of each modulus the greatest common divisor with the others, by blocks: every two blocks are
/// compared with each other.
fn divisors(moduli: &[&BigUint]) -> Vec<BigUint> {
    let mut blocks: Vec<Vec<usize>> = vec![Vec::new()];
    let total: u64 = moduli.iter().map(|modulus| modulus.bits()).sum();
    let block_bits = if total > RUN_BITS { RUN_BITS / 2 } else { RUN_BITS };
    let mut bits = 0;
    for (at, modulus) in moduli.iter().enumerate() {
        bits += modulus.bits();
        if bits > block_bits {
            blocks.push(Vec::new());
            bits = modulus.bits();
        }
        if let Some(block) = blocks.last_mut() {
            block.push(at);
        }
    }
    let one = BigUint::from(1u8);
    let mut divisors = vec![one.clone(); moduli.len()];
    let mut compare = |together: Vec<usize>| {
        let numbers: Vec<BigUint> =
            together.iter().filter_map(|at| moduli.get(*at)).map(|n| (*n).clone()).collect();
        for (at, divisor) in together.into_iter().zip(common_divisors(&numbers)) {
            if let Some(known) = divisors.get_mut(at).filter(|_| divisor != one) {
                *known = known.lcm(&divisor);
            }
        }
    };
    match blocks.as_slice() {
        [only] => compare(only.clone()),
        several => {
            for (number, first) in several.iter().enumerate() {
                for second in several.iter().skip(number + 1) {
                    compare([first.as_slice(), second].concat());
                }
            }
        }
    }
    divisors
}

struct Groups {
    /// The shared factors, each with the moduli that have it.
    factors: BTreeMap<BigUint, BTreeSet<usize>>,
    /// Moduli that share factors which the bound left together.
    open: Vec<usize>,
}

///
/// A divisor is the shared factor itself, unless a modulus shares each of its primes with another; such
/// are compared with the rest one by one, as far as the bound allows.
fn groups(moduli: &[&BigUint], divisors: &[BigUint]) -> Groups {
    let smallest = BigUint::from(LIMIT);
    let sharing: Vec<(usize, &BigUint, &BigUint)> = moduli
        .iter()
        .zip(divisors)
        .enumerate()
        .filter(|(_, (_, divisor))| **divisor > smallest)
        .map(|(at, (modulus, divisor))| (at, *modulus, divisor))
        .collect();
    let mut groups: BTreeMap<BigUint, BTreeSet<usize>> = BTreeMap::new();
    for (at, modulus, divisor) in &sharing {
        if divisor < modulus {
            groups.entry((*divisor).clone()).or_default().insert(*at);
        }
    }
    let settled: BTreeSet<usize> =
        groups.values().filter(|members| members.len() > 1).flatten().copied().collect();
    groups.retain(|_, members| members.len() > 1);
    let open: Vec<_> = sharing.iter().filter(|(at, ..)| !settled.contains(at)).collect();
    let pairs = open.iter().flat_map(|one| sharing.iter().map(move |other| (one, other)));
    for ((at, modulus, _), (other_at, other, _)) in pairs.take(PAIRS) {
        let factor = modulus.gcd(other);
        if at != other_at && factor > smallest && factor < **modulus && factor < **other {
            groups.entry(factor).or_default().extend([*at, *other_at]);
        }
    }
    // Those whose turn came have been compared with all.
    let compared = PAIRS / sharing.len().max(1);
    let open = open.iter().skip(compared).map(|(at, ..)| *at).collect();
    Groups { factors: groups, open }
}

fn not_separated(
    fleet: &Fleet,
    keys: &[(&BigUint, &ModulusSeen)],
    open: &[usize],
) -> FleetViolation {
    let seen = open.iter().filter_map(|at| keys.get(*at));
    let places = fleet.sorted(seen.flat_map(|(_, seen)| seen.places.iter().copied()));
    FleetViolation {
        severity: None,
        subject: "several primes".to_owned(),
        evidence: format!(
            "{} RSA moduli, of {}, share all their factors with other moduli of the scan; these are \
             too many to name which with which, and no private key was rebuilt",
            open.len(),
            named(&places)
        ),
        endpoints: ids(&places),
    }
}

fn violation(
    fleet: &Fleet,
    factor: &BigUint,
    members: &[(&BigUint, &ModulusSeen)],
    proofs: &mut usize,
) -> FleetViolation {
    let mut opened = 0;
    let mut not_opened = BTreeSet::new();
    for (modulus, seen) in members {
        *proofs += 1;
        let outcome = match &seen.exponent {
            _ if *proofs > PROOFS => Err(format!("{PROOFS} keys were rebuilt before it")),
            Some(exponent) => recover(modulus, exponent, factor).map_err(|why| why.to_string()),
            None => Err("its public exponent cannot be read".to_owned()),
        };
        match outcome {
            Ok(()) => opened += 1,
            Err(because) => {
                not_opened.insert(because);
            }
        }
    }
    let places = fleet.sorted(members.iter().flat_map(|(_, seen)| seen.places.iter().copied()));
    let rest = match members.len() - opened {
        0 => String::new(),
        rest => format!("; {rest} not: {}", not_opened.into_iter().collect::<Vec<_>>().join(", ")),
    };
    // The hash tells findings apart and gives nothing away.
    let hash: String =
        Sha256::digest(factor.to_bytes_be()).iter().take(8).map(|b| format!("{b:02x}")).collect();
    FleetViolation {
        // A factor that opens no key still is one that no two keys should share.
        severity: (opened == 0).then_some(Severity::High),
        subject: format!("prime {hash}"),
        evidence: format!(
            "{} RSA moduli, of {}, have a factor of {} bits in common; the private keys of {opened} \
             were rebuilt from it, and what they sign verifies{rest}",
            members.len(),
            named(&places),
            factor.bits(),
        ),
        endpoints: ids(&places),
    }
}
