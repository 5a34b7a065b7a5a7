// A job -> a reply: the accuracy pass, the cold start, or the timed calls of a scenario. Times in ns.

import { resolution, stages, steady, warmUp, windows } from "./loop.js";
import { Pipeline } from "./pipeline.js";
import { imported } from "./engines.js";

const STAGED = 50; // calls with a clock between their stages

/** `progress(done, of)` is told now and then, never inside a timed call. */
export async function run(job, firstLineMs, progress) {
  const engine = await imported(job.engine, job);
  const importedMs = now();
  const pipe = await Pipeline.open(job, engine);
  const loadedMs = now();
  if (job.part === "accuracy") {
    const probabilities = [];
    for (const [place, text] of job.examples.entries()) {
      probabilities.push(await pipe.call(text));
      if (place % 32 === 31) progress({ done: place + 1, of: job.examples.length, what: "sentences" });
    }
    return { probabilities, engine: pipe.facts() };
  }
  await pipe.call(job.examples[0]);
  const answeredMs = now();
  const cold = {
    process_start_ns: ns(firstLineMs - job.spawnedMs), import_ns: ns(importedMs - firstLineMs), load_ns: ns(loadedMs - importedMs),
    first_answer_ns: ns(answeredMs - loadedMs), total_ns: ns(answeredMs - job.spawnedMs),
  };
  if (job.part === "cold") return { cold, engine: pipe.facts() };
  return { cold, timing: await timed(job, pipe, progress), engine: pipe.facts() };
}

async function timed(job, pipe, progress) {
  const order = job.order.map((place) => job.examples[place]);
  const stepMs = resolution();
  const warm = await warmUp(pipe.call, order, 1000 * job.warm_up_cap_s);
  const how = {
    minRuns: job.min_runs, minTimeMs: 1000 * job.min_time_s, expectedMs: warm.medianMs, stepMs,
    tell: (done, ms) => progress({ done: Math.min(ms, 1000 * job.min_time_s), of: 1000 * job.min_time_s, what: `${done} calls` }),
  };
  const found = await (job.scenario === "sustained" ? windows : steady)(pipe.call, order, how);
  const staged = await stages(pipe.stages, order.slice(0, Math.max(1, Math.min(STAGED, found.samples.length))));
  const counts = new Map(job.examples.map((text) => [text, pipe.count(text)]));
  return {
    samples_ns: found.samples.map(ns), warm_up_ns: warm.samples.map(ns), settled: warm.settled, calls: found.calls, clock_resolution_ns: ns(stepMs),
    tokens: found.samples.map((_, place) => counts.get(order[place % order.length])),
    stages_ns: Object.fromEntries(Object.entries(staged).map(([name, samples]) => [name, samples.map(ns)])),
    windows: (found.windows ?? []).map((one) => ({ at_ns: ns(one.atMs), runs: one.runs, median_ns: ns(one.medianMs) })),
  };
}

const now = () => performance.timeOrigin + performance.now();
const ns = (ms) => Math.max(0, Math.round(1e6 * ms));
