// A file's digest -> its bytes: from the browser's cache, else from where the page came from; checked either way.

import { sha256 } from "./sha256.js";

const STORE = "edgebench-files"; // named by digest, so that nothing in it ever changes

/** Cache Storage is for secure contexts only, and a private window may refuse it. */
async function store() {
  try {
    return await globalThis.caches?.open(STORE);
  } catch {
    return undefined;
  }
}

export async function bytesOf(file, key, heard = () => {}) {
  const address = `/file/${file.sha256}`;
  const kept = await store();
  const found = await kept?.match(address);
  const bytes = found ? await found.arrayBuffer() : await downloaded(address, file, key, heard);
  if ((await digestOf(bytes)) !== file.sha256) {
    await kept?.delete(address);
    throw new Error(`the bytes of a file of ${file.size_bytes} bytes are not those that its card names; load the page again`);
  }
  if (!found) await kept?.put(address, new Response(bytes)).catch(() => {}); // a full disk: it is fetched again
  return bytes;
}

export async function textOf(file, key) {
  return new TextDecoder().decode(await bytesOf(file, key));
}

async function downloaded(address, { size_bytes }, key, heard) {
  const answer = await fetch(address, { headers: { "X-Edgebench-Key": key } });
  if (!answer.ok) throw new Error(`a file could not be had: ${answer.status} ${answer.statusText}`);
  const bytes = new Uint8Array(size_bytes);
  let have = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if (have + value.length > size_bytes) throw new Error(`more than the expected ${size_bytes} bytes came`);
    bytes.set(value, have);
    heard((have += value.length));
  }
  if (have < size_bytes) throw new Error(`the connection ended after ${have} of ${size_bytes} bytes; load the page again`);
  return bytes.buffer;
}

async function digestOf(bytes) {
  const digest = globalThis.crypto?.subtle ? new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)) : sha256(new Uint8Array(bytes));
  return Array.from(digest, (one) => one.toString(16).padStart(2, "0")).join("");
}
