// A job -> the reply of a fresh worker, with what the page alone can see: whether it was hidden, and the battery.

let wasHidden = document.visibilityState === "hidden";
document.addEventListener("visibilitychange", () => (wasHidden ||= document.visibilityState === "hidden"));

export async function runInWorker(job, facts, heard) {
  wasHidden = document.visibilityState === "hidden";
  const before = await state(facts, job);
  const worker = new Worker("worker.js");
  try {
    const reply = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.progress ? heard(data.progress) : resolve(data.reply));
      worker.onerror = (event) => reject(new Error(event.message || "the worker's script could not be loaded"));
      setTimeout(() => reject(new Error(`no answer in ${job.timeout_s} s; allow more with --timeout, or leave this cell out`)), 1000 * job.timeout_s);
      worker.postMessage({ ...job, spawnedMs: performance.timeOrigin + performance.now() });
    });
    return { ...reply, before, after: await state(facts, job) };
  } finally {
    worker.terminate();
  }
}

async function state(facts, { accelerator }) {
  const battery = await navigator.getBattery?.().catch(() => undefined);
  return {
    hidden: wasHidden, software_gpu: accelerator === "webgpu" ? (facts.webgpu?.software ?? null) : null,
    battery_level: battery?.level ?? null, charging: battery?.charging ?? null,
  };
}
