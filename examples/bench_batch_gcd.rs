//! Times the batch GCD: `bench_batch_gcd FILE`, moduli in hex, one a line. Prints how many share a
//! factor, and the seconds without reading.

use std::time::Instant;

use docksweep::certificate::batch_gcd::common_divisors;
use num_bigint::BigUint;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: bench_batch_gcd FILE")?;
    let moduli: Vec<BigUint> = std::fs::read_to_string(path)?
        .lines()
        .map(|line| BigUint::parse_bytes(line.as_bytes(), 16).ok_or("a line is no hex number"))
        .collect::<Result<_, _>>()?;
    let begin = Instant::now();
    let one = BigUint::from(1u8);
    let shared = common_divisors(&moduli).iter().filter(|divisor| **divisor != one).count();
    println!("{shared} {:.4}", begin.elapsed().as_secs_f64());
    Ok(())
}
