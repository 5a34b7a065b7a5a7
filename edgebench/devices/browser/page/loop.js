// A call and real inputs -> milliseconds: warm-up until it settles, timed calls, windows of a sustained run, stages.
// The same rules as edgebench/bench/loop.py; what differs is a clock that may be coarse, and a collector that cannot be held.

const WARM_UP_RUNS = 10;
const WARM_UP_MS = 500;
const ROUND = 20; // calls whose medians are compared, always of the same inputs
const SETTLED = 0.05;
const BLOCK_MS = 200; // of timed calls between two looks at the total
const BLOCK_CALLS = 1024;
const WINDOW_MS = 5000;
const TELL_MS = 1000;
const STEP_SHARE = 0.01; // what the clock's step may be of a sample: where it is more, a sample is the mean of several calls

/** The smallest step by which this browser's clock moves, in ms. */
export function resolution() {
  let step = Infinity;
  for (let seen = 0, last = performance.now(); seen < 50; ) {
    const at = performance.now();
    if (at > last) {
      step = Math.min(step, at - last);
      seen += 1;
      last = at;
    }
  }
  return Math.round(step * 1e6) / 1e6;
}

export async function warmUp(call, inputs, capMs) {
  const round = inputs.slice(0, ROUND);
  const samples = [];
  const begin = performance.now();
  const ended = (settled) => ({ samples, settled, medianMs: median(samples) });
  for (;;) {
    for (const one of round) {
      const start = performance.now();
      await call(one);
      samples.push(performance.now() - start);
      if (samples.length >= WARM_UP_RUNS && performance.now() - begin >= capMs) return ended(false);
    }
    if (performance.now() - begin >= WARM_UP_MS && hasSettled(samples, round.length)) return ended(true);
  }
}

/** At least `minRuns` samples and `minTimeMs`. Each is the mean of `calls` calls of one input: one where the clock is fine enough. */
export async function steady(call, inputs, { minRuns, minTimeMs, expectedMs, stepMs, tell, first = 0, calls = callsFor(expectedMs, stepMs) }) {
  const size = Math.max(1, Math.min(BLOCK_CALLS, Math.floor(BLOCK_MS / Math.max(expectedMs * calls, 0.001))));
  const samples = [];
  const begin = performance.now();
  let told = begin;
  for (let at = begin; samples.length < minRuns || at - begin < minTimeMs; at = performance.now()) {
    const block = Array.from({ length: size }, (_, place) => inputs[(first + samples.length + place) % inputs.length]);
    const times = new Float64Array(size);
    for (let place = 0; place < size; place += 1) {
      const one = block[place];
      const start = performance.now();
      for (let again = 0; again < calls; again += 1) await call(one);
      times[place] = (performance.now() - start) / calls;
    }
    for (const one of times) samples.push(one);
    if (at - told >= TELL_MS) tell(samples.length * calls, (told = at) - begin);
  }
  return { samples, calls };
}

export async function windows(call, inputs, how) {
  const samples = [];
  const found = [];
  const begin = performance.now();
  const calls = callsFor(how.expectedMs, how.stepMs);
  while (samples.length < how.minRuns || performance.now() - begin < how.minTimeMs) {
    const one = await steady(call, inputs, { ...how, minRuns: 1, minTimeMs: WINDOW_MS, first: samples.length, calls, tell: () => {} });
    for (const sample of one.samples) samples.push(sample);
    found.push({ atMs: performance.now() - begin, runs: one.samples.length, medianMs: median(one.samples) });
    how.tell(samples.length * calls, performance.now() - begin);
  }
  return { samples, calls, windows: found };
}

export async function stages(call, inputs) {
  const staged = [];
  for (const one of inputs) staged.push(await call(one));
  return Object.fromEntries(Object.keys(staged[0]).map((name) => [name, staged.map((one) => one[name])]));
}

export const callsFor = (expectedMs, stepMs) => Math.max(1, Math.ceil(stepMs / (STEP_SHARE * Math.max(expectedMs, stepMs / 100))));

function hasSettled(samples, size) {
  if (samples.length < 2 * size) return false;
  const [before, now] = [median(samples.slice(-2 * size, -size)), median(samples.slice(-size))];
  return Math.abs(now - before) < SETTLED * before || now === before;
}

function median(samples) {
  const sorted = Float64Array.from(samples).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
