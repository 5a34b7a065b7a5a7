// SHA-256 (FIPS 180-4) for pages that browsers give no crypto.subtle: those of plain http.

const primes = (count) => {
  const found = [];
  for (let one = 2; found.length < count; one += 1) if (found.every((prime) => one % prime)) found.push(one);
  return found;
};
const fraction = (number) => Math.floor((number - Math.floor(number)) * 2 ** 32) | 0;
const K = Int32Array.from(primes(64), (one) => fraction(Math.cbrt(one)));
const START = Int32Array.from(primes(8), (one) => fraction(Math.sqrt(one)));
const turned = (word, by) => (word >>> by) | (word << (32 - by));

export function sha256(bytes) {
  const hash = Int32Array.from(START);
  const whole = bytes.length - (bytes.length % 64);
  digest(hash, bytes, 0, whole);
  const rest = new Uint8Array(bytes.length - whole < 56 ? 64 : 128);
  rest.set(bytes.subarray(whole));
  rest[bytes.length - whole] = 0x80;
  const view = new DataView(rest.buffer);
  view.setUint32(rest.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(rest.length - 4, (bytes.length << 3) >>> 0);
  digest(hash, rest, 0, rest.length);
  const out = new DataView(new ArrayBuffer(32));
  hash.forEach((word, place) => out.setInt32(4 * place, word));
  return new Uint8Array(out.buffer);
}

function digest(hash, bytes, start, end) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const w = new Int32Array(64);
  for (let at = start; at < end; at += 64) {
    for (let i = 0; i < 16; i += 1) w[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i += 1) {
      const [early, late] = [w[i - 15], w[i - 2]];
      w[i] = w[i - 16] + w[i - 7] + (turned(early, 7) ^ turned(early, 18) ^ (early >>> 3)) + (turned(late, 17) ^ turned(late, 19) ^ (late >>> 10));
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i += 1) {
      const one = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const two = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (hash[i] += word));
  }
}
