// One pass over one cell, in a thread, a heap and an engine of its own: what a fresh process is to a machine.
// A classic script, so that its first line runs before anything is imported, and so that LiteRT.js can load its own.

const FIRST_LINE_MS = performance.timeOrigin + performance.now();

self.onmessage = async ({ data: job }) => {
  try {
    const { run } = await import("./pass.js");
    self.postMessage({ reply: await run(job, FIRST_LINE_MS, (progress) => self.postMessage({ progress })) });
  } catch (error) {
    const kind = error?.kind ?? "engine";
    self.postMessage({ reply: { failure: { kind, message: String(error?.message ?? error).slice(0, 400) } } });
  }
};
