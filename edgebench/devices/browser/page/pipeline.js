// Text -> probabilities: tokenise, run, decode; the call that is timed, as an app's page would make it.

import { bytesOf, textOf } from "./files.js";
import { wordPiece } from "./wordpiece.js";

export class Pipeline {
  /** Files are checked against their digests, then opened. */
  static async open(job, engine) {
    const [model, tokenizer] = [await bytesOf(job.files.model, job.key), await textOf(job.files.tokenizer, job.key)];
    const encode = wordPiece(JSON.parse(tokenizer), job.max_tokens);
    const session = await engine.open(model, job);
    return new Pipeline(encode, session, job.labels);
  }

  constructor(encode, session, labels) {
    this.call = async (text) => softmax(await session.run(padded(encode(text).ids, session.lengths)), labels);
    this.stages = async (text) => {
      const start = performance.now();
      const feeds = padded(encode(text).ids, session.lengths);
      const tokenised = performance.now();
      const logits = await session.run(feeds);
      const ran = performance.now();
      softmax(logits, labels);
      return { tokenise: tokenised - start, run: ran - tokenised, decode: performance.now() - ran };
    };
    this.count = (text) => encode(text).ids.length;
    this.facts = () => session.facts();
  }
}

/** Ids, and how many of them are real, up to the smallest length that the file was made for; any length where it names none. */
function padded(ids, lengths) {
  const length = lengths.length ? (lengths.find((one) => one >= ids.length) ?? lengths.at(-1)) : ids.length;
  const real = Math.min(ids.length, length);
  return { ids: real < ids.length ? ids.slice(0, length) : ids, real, length };
}

function softmax(logits, labels) {
  if (logits.length !== labels) throw new Error(`the model gives ${logits.length} scores, the card names ${labels} labels`);
  const most = Math.max(...logits);
  const powers = Array.from(logits, (one) => Math.exp(one - most));
  const total = powers.reduce((sum, one) => sum + one, 0);
  return powers.map((one) => one / total);
}
