// The page: it says what this browser gives, lets its user choose, carries jobs to fresh workers, and their replies back.

import { facts, told } from "./facts.js";
import { bytesOf } from "./files.js";
import { Line, Refused } from "./line.js";
import { runInWorker } from "./work.js";
import * as view from "./view.js";

let leaving = false; // a page that is loaded again breaks off what it fetches: that is no failure of the job, which the next page is given
for (const event of ["beforeunload", "pagehide"]) addEventListener(event, () => (leaving = true));
addEventListener("pageshow", () => (leaving = false));

const found = await facts();
view.facts(told(found));
const line = new Line(location.hash.slice(1));
history.replaceState(null, "", location.pathname); // the code is for this page alone: not for its history, nor for a picture of it
try {
  await line.hello(found);
  view.say("Connected.");
  for (let said = await line.next(); said.state !== "done"; said = await line.next()) await obey(said);
  view.say("All is measured. The records are with the machine that you scanned; you may close this page.");
  view.ended();
} catch (error) {
  view.say(error instanceof Refused ? "Not connected." : "Something is wrong.");
  view.trouble(error.message);
}

async function obey(said) {
  view.results(said.results);
  if (said.state === "choose") {
    view.say("Choose what to measure.");
    await line.start(await view.chosen(said.cells));
    keepAwake();
  } else if (said.state === "job") {
    view.say("Measuring here.");
    await measure(said);
  } else {
    view.say("Waiting for the machine that you scanned…");
  }
}

async function measure({ job, done, of }) {
  view.step(job.doing, done, of);
  const beating = setInterval(() => line.alive(), 5000);
  try {
    for (const [what, file] of Object.entries(job.files)) {
      await bytesOf(file, line.key, (have) => view.progress(have, file.size_bytes, `${what}: ${view.megabytes(have)} of ${view.megabytes(file.size_bytes)}`));
    }
    view.progress(0, 1, "loading and first calls");
    const reply = await runInWorker({ ...job, key: line.key }, found, ({ done, of, what }) => view.progress(done, of, what));
    if (leaving && reply.failure) return;
    await line.answer({ number: job.number, ...reply });
  } catch (error) {
    if (error instanceof Refused) throw error;
    if (leaving) return;
    await line.answer({ number: job.number, failure: { kind: "worker", message: String(error.message).slice(0, 400) } });
  } finally {
    clearInterval(beating);
  }
}

/** Ask that the screen stays on, now and each time the page comes back to the front. Where a browser cannot, its user must. */
function keepAwake() {
  const ask = () => document.visibilityState === "visible" && navigator.wakeLock?.request("screen").catch(() => {});
  document.addEventListener("visibilitychange", ask);
  ask();
}
