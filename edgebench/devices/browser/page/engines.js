// An engine's name -> its library, imported; a model's bytes -> a session of it, which runs rows of ids and gives logits.

import { bytesOf } from "./files.js";

const INPUTS = ["input_ids", "attention_mask", "token_type_ids"]; // of one text every token is of the first type, which is zero

export async function imported(name, job) {
  return name === "litert-web" ? liteRt(job) : onnxRuntime(job);
}

async function onnxRuntime({ urls, threads, accelerator, files, key }) {
  const ort = await import(urls.module);
  ort.env.logLevel = "error";
  Object.assign(ort.env.wasm, { numThreads: threads, wasmPaths: { mjs: urls.glue }, wasmBinary: await bytesOf(files.engine, key) });
  return {
    async open(bytes) {
      const session = await ort.InferenceSession.create(bytes, { executionProviders: [accelerator === "webgpu" ? "webgpu" : "wasm"] });
      const rows = checked(session.inputNames);
      return {
        lengths: [],
        async run(row) {
          const feeds = {};
          for (const name of rows) feeds[name] = new ort.Tensor("int64", filled(BigInt64Array, name, row, BigInt), [1, row.length]);
          const found = await session.run(feeds);
          return found[session.outputNames.includes("logits") ? "logits" : session.outputNames[0]].data;
        },
        facts: () => ({ version: ort.env.versions.web, threads: ort.env.wasm.numThreads, accelerator: accelerator === "webgpu" ? "webgpu" : "cpu", simd: true }),
      };
    },
  };
}

async function liteRt({ urls, threads }) {
  const lib = await import(urls.module);
  const threaded = threads > 1 && self.crossOriginIsolated;
  // in a worker the library looks for its files beside the worker's script, and starts its threads by that script too
  self.Module = { locateFile: (name) => urls.folder + name, mainScriptUrlOrBlob: `${urls.folder}litert_wasm_threaded_internal.js` };
  await lib.loadLiteRt(urls.folder, { threads: threaded });
  return {
    async open(bytes) {
      const model = await lib.loadAndCompile(new Uint8Array(bytes), { accelerator: "wasm", ...(threaded ? { cpuOptions: { numThreads: threads } } : {}) });
      const runners = Object.values(model.signatures).map((runner) => ({ runner, rows: runner.getInputDetails(), length: runner.getInputDetails()[0].shape[1] }));
      runners.sort((one, other) => one.length - other.length);
      return {
        lengths: runners.map((one) => one.length),
        async run(row) {
          const { runner, rows } = runners.find((one) => one.length === row.length);
          checked(rows.map((one) => one.name));
          const feeds = {};
          for (const { name } of rows) feeds[name] = new lib.Tensor(filled(Int32Array, name, row, Number), [1, row.length]);
          const found = await runner.run(feeds);
          const logits = found.logits ?? Object.values(found)[0];
          const values = Float32Array.from(logits.toTypedArray());
          for (const one of [...Object.values(feeds), ...Object.values(found)]) one.delete();
          return values;
        },
        facts: () => ({ version: urls.version, threads: threaded ? threads : 1, accelerator: "cpu", simd: true }),
      };
    },
  };
}

function checked(names) {
  const odd = names.find((name) => !INPUTS.includes(name));
  if (odd) throw new Error(`the model has an input ${odd}; text classification knows ${INPUTS.join(", ")}`);
  return names;
}

/** A row of an input: zeros behind what is real. */
function filled(Type, name, { ids, real, length }, number) {
  const row = new Type(length);
  if (name === "input_ids") for (let place = 0; place < real; place += 1) row[place] = number(ids[place]);
  if (name === "attention_mask") row.fill(number(1), 0, real);
  return row;
}
